//! Counters, in the Prometheus text format.

use std::{
    fmt::Write as _,
    sync::atomic::{AtomicU64, Ordering},
};

/// A number that grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Add to it.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! metrics {
    ($($name:ident: $help:literal,)*) => {
        /// What a gateway counts since it started.
        #[derive(Debug, Default)]
        pub struct Metrics {
            $(#[doc = $help] pub $name: Counter,)*
        }

        impl Metrics {
            /// Every counter: name, help, value.
            pub fn all(&self) -> Vec<(&'static str, &'static str, u64)> {
                vec![$((stringify!($name), $help, self.$name.get()),)*]
            }
        }
    };
}

metrics! {
    connections: "TCP connections accepted.",
    connections_refused: "TCP connections closed at once because a limit was reached.",
    logins: "Clients admitted.",
    logins_refused: "Logins refused.",
    logins_refused_clock: "Of these, because of a token's time: old tokens, or clocks that differ.",
    logins_turned: "Login attempts that weren't heard: too many, or locked out.",
    reauthentications: "Live sessions that showed anew who they are.",
    reauthentications_refused: "Re-authentications refused; the session ended.",
    lockouts: "Times that a client id at an address was locked out.",
    tls_handshakes: "TLS handshakes that were completed.",
    tls_refused: "TLS handshakes that failed: no common parameters, a bad certificate, not TLS.",
    websockets: "WebSocket handshakes that were completed.",
    websockets_refused: "WebSocket handshakes that failed: no subprotocol 'mqtt', not WebSocket.",
    handshakes_abandoned: "Connections that ended or ran out of time before they were admitted.",
    verifications: "SM2 signatures verified for logins and requests.",
    messages: "PUBLISH packets received.",
    archived: "Messages in the archive.",
    qos0_unarchived: "QoS 0 messages that passed without being archived because the archive was busy.",
    refused_publishes: "PUBLISH packets refused.",
    refused_subscriptions: "Subscriptions refused.",
    delivered: "PUBLISH packets sent to subscribers.",
    delivered_stale: "PUBLISH packets sent to subscribers while somebody without a right held the topic's key.",
    withheld: "Messages withheld because the subscriber had no right to receive them any more.",
    sessions_ended: "Sessions ended because a certificate or a grant ended.",
    packages: "Packages closed.",
    anchored: "Packages anchored on the ledger.",
    events: "Connection events for the ledger.",
    transactions: "Transactions that a block holds.",
    retrievals: "Packages and records handed out.",
    retrievals_refused: "Retrievals refused.",
    computations: "Jobs evaluated.",
    computations_refused: "Jobs that have no result and won't have one.",
    computations_recorded: "Evaluations that a block holds.",
    computation_ms: "Time spent evaluating jobs, in milliseconds.",
    compute_requests_refused: "Requests to the compute service refused.",
    results: "Results of jobs handed out.",
    results_published: "Results of standing jobs published.",
    results_unpublished: "Results of standing jobs that couldn't be published.",
    standing_missed: "Runs of standing jobs that were missed.",
}

impl Metrics {
    /// The Prometheus text format; `gauges` are further names, helps and values.
    pub fn exposition(&self, gauges: &[(&str, &str, u64)]) -> String {
        let mut text = String::new();
        let counters = self.all();
        let counters = counters
            .iter()
            .map(|(name, help, value)| (format!("{name}_total"), *help, *value, "counter"));
        let gauges = gauges
            .iter()
            .map(|(name, help, value)| ((*name).to_owned(), *help, *value, "gauge"));
        for (name, help, value, kind) in counters.chain(gauges) {
            // Writing to a String can't fail.
            let _ = writeln!(
                text,
                "# HELP sealwire_gateway_{name} {help}\n# TYPE sealwire_gateway_{name} {kind}\nsealwire_gateway_{name} {value}"
            );
        }
        text
    }
}

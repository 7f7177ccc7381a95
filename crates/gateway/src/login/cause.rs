//! Why a login is refused: what the client is told, and what the operator reads.
//!
//! The operator gets the whole cause: in the connection event on the ledger, in the story and in
//! the log. The client gets the code and as much as is safe. What it said itself may be said back
//! to it; what the ledger knows of a name may not, because before the signature verifies everybody
//! is a stranger. So all causes that rest on *who it is* look the same from outside: one code, one
//! sentence, after the same exchange and one SM2 verification, whether the client is unknown,
//! revoked, somebody else or a forger.
//!
//! A test reads this table and walks it.
//!
//! | Cause | Code to the client | Told to the client | Told to the operator, for example |
//! |---|---|---|---|
//! | Version | 0x84 | the same | protocol version 3: MQTT 3.1.1 and 5 are spoken here |
//! | Method | 0x8C | the same | authentication method 'SCRAM-SHA-256' isn't offered: use 'SM2' or a token |
//! | Nothing | 0x87 | the same | log in by authentication method 'SM2', or with the client id as user name and a token as password |
//! | ClientId | 0x85 | the same | 'press 7' is not a client id: `<organisation>.<name>`, the name 1 to 64 of a-z, 0-9, '-', '_' |
//! | UserName | 0x86 | the same | 'press 7' is not a client id: `<organisation>.<name>`, the name 1 to 64 of a-z, 0-9, '-', '_' |
//! | OtherClientId | 0x85 | the same | client id acme.press-8 is another client's, the token is acme.press-7's |
//! | LibraryName | 0x85 | the same | the client id must be acme.press-7, or at most 64 printable ASCII characters without '/', '\' and ':' |
//! | Format | 0x83 | the same | login format 9, this gateway knows 1 |
//! | Unreadable | 0x82 | the same | the login's hello can't be read: not a valid value: bad |
//! | Frame | 0x81 | the same | malformed packet: bad |
//! | Order | 0x82 | the same | only AUTH may follow the challenge |
//! | Bound | 0x87 | the same | the TLS certificate is acme.press-7's, the login says acme.press-8 |
//! | NoToken | 0x86 | the same | the password isn't a token: not a valid value: bad |
//! | TokenClient | 0x86 | the same | the token is acme.press-8's, the user name says acme.press-7 |
//! | TokenLedger | 0x86 | the same | the token is for ledger 0101010101010101010101010101010101010101010101010101010101010101, this is another one |
//! | TokenGateway | 0x86 | the same | the token is for gateway bolt.gateway, this is acme.gateway |
//! | TokenLife | 0x86 | the same | a token lives at most 300 s |
//! | TokenExpired | 0x86 | the token's time isn't now: check the clock | the token of acme.press-7 expired 100 s ago (60 s are tolerated): it is old, or the client's clock is 100 s or more behind ours |
//! | TokenEarly | 0x86 | the token's time isn't now: check the clock | the token of acme.press-7 isn't good for another 100 s (60 s are tolerated): the client's clock is 100 s or more ahead of ours |
//! | TokenUsed | 0x86 | the same | the token was used before: a token is good once |
//! | Unregistered | 0x87 | who you are couldn't be shown: check key and certificate, or ask your operator | certificate 0202020202020202020202020202020202020202020202020202020202020202 isn't registered (height 7) |
//! | OtherCertificate | 0x87 | who you are couldn't be shown: check key and certificate, or ask your operator | certificate 0202020202020202020202020202020202020202020202020202020202020202 is acme.press-8's, not acme.press-7's (height 7) |
//! | NotInForce | 0x87 | who you are couldn't be shown: check key and certificate, or ask your operator | acme.press-7 can't be logged in: revoked |
//! | Signature | 0x87 | who you are couldn't be shown: check key and certificate, or ask your operator | acme.press-7's signature over the login doesn't verify |
//! | Key | 0x87 | who you are couldn't be shown: check key and certificate, or ask your operator | the ledger's key of acme.press-7 can't be read |
//! | Away | 0x88 | the ledger is away: try again later | the ledger is away: the newest verified state is 400 s old, the limit is 300 s |
//! | Busy | 0x89 | the same | too many tokens are in use: try again in a few minutes |
//! | Disk | 0x88 | try again later | the login wasn't written down: no space |
//! | Turned | 0x9F | try again later | locked out for another 10 s |
//! | Will | 0x87 | the same | will: no right to publish on acme/press-8/state |
//!
//! A will is looked at after the signature: then the client is told all. `Turned` may follow from
//! others' attempts, so it says nothing ([`crate::doorkeeper`]). MQTT 3.1.1 has five codes and no
//! sentences (§3.2.2.3): 0x84 → 1, 0x85 → 2, 0x86 → 4, 0x81, 0x82, 0x87 and 0x8C → 5, all
//! others → 3.

use mqtt5::types::ReasonCode;
use sealwire_envelope::{
    CertId, ChainId, ClientId, DecodeError, NameError,
    login::{LOGIN_VERSION, METHOD, TOKEN_MAX_LIFE_S},
};

use super::LIBRARY_NAME_BYTES;
use crate::{frame::FrameError, rights::Refusal};

/// What everybody is told who couldn't show who it is.
const WHO: &str = "who you are couldn't be shown: check key and certificate, or ask your operator";
/// What is told of a token's time.
const TIME: &str = "the token's time isn't now: check the clock";

/// Why a login is refused. The text is the operator's.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("protocol version {0}: MQTT 3.1.1 and 5 are spoken here")]
    Version(u8),
    #[error("authentication method '{0}' isn't offered: use '{METHOD}' or a token")]
    Method(String),
    #[error(
        "log in by authentication method '{METHOD}', or with the client id as user name and a token as password"
    )]
    Nothing,
    #[error("{0}")]
    ClientId(NameError),
    #[error("{0}")]
    UserName(NameError),
    #[error("client id {claimed} is another client's, the token is {client}'s")]
    OtherClientId { claimed: ClientId, client: ClientId },
    #[error(
        "the client id must be {client}, or at most {LIBRARY_NAME_BYTES} printable ASCII characters without '/', '\\' and ':'"
    )]
    LibraryName { client: ClientId },
    #[error("login format {0}, this gateway knows {LOGIN_VERSION}")]
    Format(u8),
    #[error("the login's {what} can't be read: {error}")]
    Unreadable {
        what: &'static str,
        error: DecodeError,
    },
    /// What came is no MQTT packet, or too large a one.
    #[error("{}", .0.text)]
    Frame(Refusal),
    #[error("{0}")]
    Order(&'static str),
    #[error("the TLS certificate is {bound}'s, the login says {claimed}")]
    Bound { bound: ClientId, claimed: ClientId },
    #[error("the password isn't a token: {0}")]
    NoToken(DecodeError),
    #[error("the token is {token}'s, the user name says {user}")]
    TokenClient { token: ClientId, user: ClientId },
    #[error("the token is for ledger {0}, this is another one")]
    TokenLedger(ChainId),
    #[error("the token is for gateway {token}, this is {gateway}")]
    TokenGateway { token: ClientId, gateway: ClientId },
    #[error("a token lives at most {TOKEN_MAX_LIFE_S} s")]
    TokenLife,
    #[error(
        "the token of {client} expired {ago_s} s ago ({skew_s} s are tolerated): it is old, or the client's clock is {ago_s} s or more behind ours"
    )]
    TokenExpired {
        client: ClientId,
        ago_s: u64,
        skew_s: u64,
    },
    #[error(
        "the token of {client} isn't good for another {wait_s} s ({skew_s} s are tolerated): the client's clock is {wait_s} s or more ahead of ours"
    )]
    TokenEarly {
        client: ClientId,
        wait_s: u64,
        skew_s: u64,
    },
    #[error("the token was used before: a token is good once")]
    TokenUsed,
    #[error("certificate {id} isn't registered (height {height})")]
    Unregistered { id: CertId, height: u64 },
    #[error("certificate {id} is {holder}'s, not {client}'s (height {height})")]
    OtherCertificate {
        id: CertId,
        holder: ClientId,
        client: ClientId,
        height: u64,
    },
    /// As the state decided.
    #[error("{}", .0.text)]
    NotInForce(Refusal),
    #[error("{client}'s signature over the {what} doesn't verify")]
    Signature {
        client: ClientId,
        what: &'static str,
    },
    #[error("the ledger's key of {client} can't be read")]
    Key { client: ClientId },
    /// As [`crate::hub::Hub::check_fresh`] said.
    #[error("{}", .0.text)]
    Away(Refusal),
    #[error("too many tokens are in use: try again in a few minutes")]
    Busy,
    #[error("the login wasn't written down: {0}")]
    Disk(String),
    #[error("{0}")]
    Turned(String),
    /// With the code that the will's topic or payload earned.
    #[error("{}", .0.text)]
    Will(Refusal),
}

impl Cause {
    /// What came is no MQTT packet, or too large a one.
    pub(crate) fn frame(error: &FrameError) -> Self {
        Self::Frame(Refusal::malformed(error))
    }

    /// The reason code of the CONNACK (MQTT 5.0 §3.2.2.2).
    fn code(&self) -> ReasonCode {
        match self {
            Self::Version(_) => ReasonCode::UnsupportedProtocolVersion,
            Self::Method(_) => ReasonCode::BadAuthenticationMethod,
            Self::ClientId(_) | Self::OtherClientId { .. } | Self::LibraryName { .. } => {
                ReasonCode::ClientIdentifierNotValid
            }
            Self::Format(_) => ReasonCode::ImplementationSpecificError,
            Self::Unreadable { .. } | Self::Order(_) => ReasonCode::ProtocolError,
            Self::UserName(_)
            | Self::NoToken(_)
            | Self::TokenClient { .. }
            | Self::TokenLedger(_)
            | Self::TokenGateway { .. }
            | Self::TokenLife
            | Self::TokenExpired { .. }
            | Self::TokenEarly { .. }
            | Self::TokenUsed => ReasonCode::BadUsernameOrPassword,
            Self::Nothing
            | Self::Bound { .. }
            | Self::Unregistered { .. }
            | Self::OtherCertificate { .. }
            | Self::NotInForce(_)
            | Self::Signature { .. }
            | Self::Key { .. } => ReasonCode::NotAuthorized,
            Self::Disk(_) => ReasonCode::ServerUnavailable,
            Self::Busy => ReasonCode::ServerBusy,
            Self::Turned(_) => ReasonCode::ConnectionRateExceeded,
            Self::Away(refusal) | Self::Will(refusal) | Self::Frame(refusal) => refusal.code,
        }
    }

    /// What the client is told instead of the whole cause; none: the whole.
    pub(crate) fn told(&self) -> Option<&'static str> {
        match self {
            Self::TokenExpired { .. } | Self::TokenEarly { .. } => Some(TIME),
            Self::Unregistered { .. }
            | Self::OtherCertificate { .. }
            | Self::NotInForce(_)
            | Self::Signature { .. }
            | Self::Key { .. } => Some(WHO),
            Self::Away(_) => Some("the ledger is away: try again later"),
            Self::Turned(_) | Self::Disk(_) => Some("try again later"),
            _ => None,
        }
    }

    /// Whether it says that somebody couldn't show who it is; being busy or away doesn't.
    pub(crate) fn is_failed_login(&self) -> bool {
        match self {
            Self::Version(_)
            | Self::Format(_)
            | Self::Frame(_)
            | Self::Away(_)
            | Self::Busy
            | Self::Disk(_)
            | Self::Turned(_) => false,
            Self::Will(refusal) => refusal.code == ReasonCode::NotAuthorized,
            _ => true,
        }
    }

    /// Whether clocks that differ may be the cause.
    pub(crate) fn is_about_time(&self) -> bool {
        matches!(self, Self::TokenExpired { .. } | Self::TokenEarly { .. })
    }

    /// Height of the state that decided, and the grant; 0 if no state was asked.
    fn decided(&self) -> (u64, Option<Vec<u8>>) {
        match self {
            Self::Unregistered { height, .. } | Self::OtherCertificate { height, .. } => {
                (*height, None)
            }
            Self::NotInForce(refusal) | Self::Will(refusal) => {
                (refusal.height, refusal.grant.clone())
            }
            _ => (0, None),
        }
    }
}

impl From<Cause> for Refusal {
    fn from(cause: Cause) -> Self {
        let (height, grant) = cause.decided();
        Self {
            told: cause.told().map(str::to_owned),
            height,
            grant,
            ..Self::new(cause.code(), cause.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mqtt5::{Packet, packet::connack::ConnAckPacket};
    use sealwire_sm::Sm3Digest;

    use super::*;

    fn id(n: u8) -> Sm3Digest {
        Sm3Digest([n; 32])
    }

    fn press(n: u8) -> ClientId {
        format!("acme.press-{n}").parse().unwrap()
    }

    fn bad() -> DecodeError {
        let (what, detail) = ("value", "bad".to_owned());
        DecodeError::Malformed { what, detail }
    }

    fn not_a_name() -> NameError {
        "press 7".parse::<ClientId>().unwrap_err()
    }

    fn refusal(code: ReasonCode, text: &str) -> Refusal {
        Refusal::new(code, text)
    }

    /// A cause of every kind. A new kind must come here and into the table, or `name` fails.
    fn causes() -> Vec<Cause> {
        let code = ReasonCode::NotAuthorized;
        let away = "the ledger is away: the newest verified state is 400 s old, the limit is 300 s";
        let what = "hello";
        vec![
            Cause::Version(3),
            Cause::Method("SCRAM-SHA-256".into()),
            Cause::Nothing,
            Cause::ClientId(not_a_name()),
            Cause::UserName(not_a_name()),
            Cause::OtherClientId {
                claimed: press(8),
                client: press(7),
            },
            Cause::LibraryName { client: press(7) },
            Cause::Format(9),
            Cause::Unreadable { what, error: bad() },
            Cause::frame(&FrameError::Malformed("bad".into())),
            Cause::Order("only AUTH may follow the challenge"),
            Cause::Bound {
                bound: press(7),
                claimed: press(8),
            },
            Cause::NoToken(bad()),
            Cause::TokenClient {
                token: press(8),
                user: press(7),
            },
            Cause::TokenLedger(ChainId(id(1))),
            Cause::TokenGateway {
                token: "bolt.gateway".parse().unwrap(),
                gateway: "acme.gateway".parse().unwrap(),
            },
            Cause::TokenLife,
            Cause::TokenExpired {
                client: press(7),
                ago_s: 100,
                skew_s: 60,
            },
            Cause::TokenEarly {
                client: press(7),
                wait_s: 100,
                skew_s: 60,
            },
            Cause::TokenUsed,
            Cause::Unregistered {
                id: CertId(id(2)),
                height: 7,
            },
            Cause::OtherCertificate {
                id: CertId(id(2)),
                holder: press(8),
                client: press(7),
                height: 7,
            },
            Cause::NotInForce(refusal(code, "acme.press-7 can't be logged in: revoked")),
            Cause::Signature {
                client: press(7),
                what: "login",
            },
            Cause::Key { client: press(7) },
            Cause::Away(refusal(ReasonCode::ServerUnavailable, away)),
            Cause::Busy,
            Cause::Disk("no space".into()),
            Cause::Turned("locked out for another 10 s".into()),
            Cause::Will(refusal(
                code,
                "will: no right to publish on acme/press-8/state",
            )),
        ]
    }

    fn name(cause: &Cause) -> &'static str {
        match cause {
            Cause::Version(_) => "Version",
            Cause::Method(_) => "Method",
            Cause::Nothing => "Nothing",
            Cause::ClientId(_) => "ClientId",
            Cause::UserName(_) => "UserName",
            Cause::OtherClientId { .. } => "OtherClientId",
            Cause::LibraryName { .. } => "LibraryName",
            Cause::Format(_) => "Format",
            Cause::Unreadable { .. } => "Unreadable",
            Cause::Frame(_) => "Frame",
            Cause::Order(_) => "Order",
            Cause::Bound { .. } => "Bound",
            Cause::NoToken(_) => "NoToken",
            Cause::TokenClient { .. } => "TokenClient",
            Cause::TokenLedger(_) => "TokenLedger",
            Cause::TokenGateway { .. } => "TokenGateway",
            Cause::TokenLife => "TokenLife",
            Cause::TokenExpired { .. } => "TokenExpired",
            Cause::TokenEarly { .. } => "TokenEarly",
            Cause::TokenUsed => "TokenUsed",
            Cause::Unregistered { .. } => "Unregistered",
            Cause::OtherCertificate { .. } => "OtherCertificate",
            Cause::NotInForce(_) => "NotInForce",
            Cause::Signature { .. } => "Signature",
            Cause::Key { .. } => "Key",
            Cause::Away(_) => "Away",
            Cause::Busy => "Busy",
            Cause::Disk(_) => "Disk",
            Cause::Turned(_) => "Turned",
            Cause::Will(_) => "Will",
        }
    }

    /// Rows of the table above: cause, code, told, operator.
    fn table() -> Vec<Vec<&'static str>> {
        let rows = include_str!("cause.rs").lines();
        let rows = rows.filter_map(|line| line.strip_prefix("//! | ")?.strip_suffix(" |"));
        rows.skip(1).map(|row| row.split(" | ").collect()).collect()
    }

    #[test]
    fn the_table_says_what_happens() {
        let (causes, table) = (causes(), table());
        assert_eq!(causes.len(), table.len());
        for (cause, row) in causes.iter().zip(&table) {
            let refusal = Refusal::from(cause.clone());
            let code = format!("0x{:02X}", u8::from(refusal.code));
            let told = if refusal.told() == refusal.text {
                "the same"
            } else {
                refusal.told()
            };
            // Markdown needs its angle brackets quoted.
            let row: Vec<_> = row.iter().map(|cell| cell.replace('`', "")).collect();
            assert_eq!(row, [name(cause), &code, told, &refusal.text]);
        }
        let names: BTreeSet<_> = causes.iter().map(name).collect();
        assert_eq!(names.len(), causes.len(), "each once");
    }

    /// What rests on who somebody is can't be told apart from outside.
    #[test]
    fn nobody_learns_who_exists() {
        let seen: BTreeSet<_> = causes()
            .into_iter()
            .filter(|cause| {
                matches!(
                    cause,
                    Cause::Unregistered { .. }
                        | Cause::OtherCertificate { .. }
                        | Cause::NotInForce(_)
                        | Cause::Signature { .. }
                        | Cause::Key { .. }
                )
            })
            .map(|cause| {
                let refusal = Refusal::from(cause);
                (u8::from(refusal.code), refusal.told().to_owned())
            })
            .collect();
        assert_eq!(seen.len(), 1, "{seen:?}");
    }

    #[test]
    fn mqtt_3_1_1_hears_one_of_five_codes() {
        for cause in causes() {
            let code = cause.code();
            let ack = Packet::ConnAck(ConnAckPacket::new_v311(false, code));
            let bytes = crate::frame::encode(&ack).unwrap();
            let expected = match u8::from(code) {
                0x84 => 1,
                0x85 => 2,
                0x86 => 4,
                0x81 | 0x82 | 0x87 | 0x8C => 5,
                _ => 3,
            };
            assert_eq!(bytes[..], [0x20, 2, 0, expected], "{cause}");
        }
    }
}

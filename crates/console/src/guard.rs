//! What every request must have before anything looks at it, and what every answer carries.
//!
//! - *Host* is one of this console's names: a page elsewhere that makes its own name point here (DNS
//!   rebinding) gets 421.
//! - *Origin*, where the browser says it, is this console's: other pages, also those at another port of this
//!   machine, are refused. So is what the browser marks as coming from elsewhere (`Sec-Fetch-Site`).
//! - What changes something carries [`HEADER`], which no form and no image can send.
//! - Answers forbid everything that the pages don't need (Content-Security-Policy), being framed, and being
//!   taken for another type. What the interface says is never kept by the browser.

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use crate::{App, Settings, door::Bound, problem::Problem};

/// What a request that changes something carries; any value.
pub(crate) const HEADER: &str = "x-sealwire-console";

/// `style-src-attr`: chart and table libraries position by the CSS object model, which the policy doesn't
/// concern; no inline style is needed.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
     font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'";

/// Headers of every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Under which names this console is reached.
pub(crate) struct Hosts {
    scheme: &'static str,
    names: Vec<String>,
    origin: String,
}

impl Hosts {
    pub(crate) fn new(settings: &Settings, bound: &Bound) -> Self {
        let scheme = if settings.https.is_some() {
            "https"
        } else {
            "http"
        };
        let ip = bound.address.ip();
        let mut names: Vec<String> = ["localhost", "127.0.0.1", "[::1]"]
            .map(str::to_owned)
            .to_vec();
        names.push(literal(ip));
        names.extend(settings.names.iter().map(|name| name.to_ascii_lowercase()));
        let own = match settings.names.first() {
            Some(name) if !ip.is_loopback() => name.clone(),
            _ if ip.is_unspecified() => "127.0.0.1".to_owned(),
            _ => literal(ip),
        };
        let origin = format!("{scheme}://{own}:{}", bound.address.port());
        Self {
            scheme,
            names,
            origin,
        }
    }

    /// How it is reached from this machine.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn is_https(&self) -> bool {
        self.scheme == "https"
    }

    /// The origin by which this request reached the console (RFC 6454 §6.1).
    pub(crate) fn origin_of(&self, uri: &Uri, headers: &HeaderMap) -> Option<String> {
        let host = match uri.authority() {
            Some(authority) => authority.as_str().to_owned(),
            None => {
                let mut hosts = headers.get_all(header::HOST).iter();
                let host = hosts.next()?.to_str().ok()?.to_owned();
                if hosts.next().is_some() {
                    return None;
                }
                host
            }
        };
        let host = host.to_ascii_lowercase();
        let default_port = if self.is_https() { ":443" } else { ":80" };
        let host = host.strip_suffix(default_port).unwrap_or(&host);
        let name = match host.rfind(':') {
            // A colon within brackets is part of an IPv6 address.
            Some(at) if !host.ends_with(']') => {
                let port = &host[at + 1..];
                if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) {
                    return None;
                }
                &host[..at]
            }
            _ => host,
        };
        let known = self.names.iter().any(|it| it == name);
        known.then(|| format!("{}://{host}", self.scheme))
    }
}

fn literal(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// The origin by which the request came, for handlers.
#[derive(Clone, Debug)]
pub(crate) struct Origin(pub(crate) String);

/// Lets through what may be looked at, and dresses the answer.
pub(crate) async fn guard(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let interface = request.uri().path().starts_with("/api");
    let mut response = match check(&app, &mut request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if interface && !headers.contains_key(header::CACHE_CONTROL) {
        let no_store = HeaderValue::from_static("no-store");
        headers.insert(header::CACHE_CONTROL, no_store);
    }
    if app.hosts.is_https() {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    response
}

fn check(app: &App, request: &mut Request) -> Result<(), Problem> {
    let Some(origin) = app.hosts.origin_of(request.uri(), request.headers()) else {
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host",
            "This console has other names",
            "the Host header names none of this console's names: open it under the address that it printed, or \
             start it with --name NAME",
        ));
    };
    let reading = matches!(*request.method(), Method::GET | Method::HEAD);
    if request.uri().path().starts_with("/api") {
        from_here(request.headers(), &origin)?;
        if !reading && !request.headers().contains_key(HEADER) {
            let detail =
                format!("a request that changes something carries the header '{HEADER}: 1'");
            return Err(Problem::forbidden("csrf", detail));
        }
    }
    request.extensions_mut().insert(Origin(origin));
    Ok(())
}

/// Where the browser says that a request comes from: it must be from here.
fn from_here(headers: &HeaderMap, origin: &str) -> Result<(), Problem> {
    let elsewhere = |what: &str| {
        let detail = format!(
            "the request comes from another page ({what}): only this console's pages may send it"
        );
        Err(Problem::forbidden("cross-site", detail))
    };
    if let Some(said) = headers.get(header::ORIGIN)
        && said.to_str().ok() != Some(origin)
    {
        return elsewhere("Origin");
    }
    match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => elsewhere("Sec-Fetch-Site"),
    }
}

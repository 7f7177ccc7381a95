//! MQTT over WebSocket, through to the organisation's gateway: for the page's own test client.
//!
//! Only who is signed in gets through; then bytes go both ways untouched. Who the MQTT client is, the gateway
//! decides, as for anybody: the page logs in with a token or a key of its own. The gateway records this
//! machine's address for such a client.
//!
//! The handshake (RFC 6455 §4) is the gateway's: its answer to the browser's own key is passed on.

use std::time::Duration;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderName, StatusCode, header},
    response::Response,
};
use hyper_util::rt::TokioIo;

use crate::{App, problem::Problem};

/// Time for the gateway's answer to the handshake.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Headers of the handshake that go to the gateway.
const ASKED: [HeaderName; 3] = [
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
];
/// Headers of its answer that go to the browser.
const ANSWERED: [HeaderName; 2] = [header::SEC_WEBSOCKET_ACCEPT, header::SEC_WEBSOCKET_PROTOCOL];

/// MQTT over WebSocket at the organisation's gateway.
#[utoipa::path(
    get, path = "/api/mqtt", tag = "try",
    responses(
        (status = 101, description = "MQTT over WebSocket, subprotocol `mqtt`"),
        (status = 400, description = "Not a WebSocket handshake", body = Problem),
        (status = 503, description = "The gateway is away, has no such port, or too many are connected", body = Problem),
    )
)]
pub(crate) async fn mqtt(
    State(app): State<App>,
    mut request: Request,
) -> Result<Response, Problem> {
    let gateway = app.mqtt.ok_or_else(|| {
        Problem::unavailable(
            "no-mqtt",
            "this console knows no gateway of its organisation",
        )
    })?;
    let asks = request.headers().get(header::UPGRADE);
    if !asks.is_some_and(|it| it.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        return Err(Problem::argument(
            "open this as a WebSocket with the subprotocol 'mqtt'",
        ));
    }
    let permit = app.streams.clone().try_acquire_owned().map_err(|_| {
        Problem::unavailable(
            "busy",
            "too many streams are open: close a page, or try again",
        )
    })?;
    let away = |why: String| Problem::unavailable("gateway-away", format!("the gateway: {why}"));
    let mut asked = reqwest::Client::builder()
        .no_proxy()
        .http1_only()
        .build()
        .map_err(|error| away(error.to_string()))?
        .get(format!("http://{gateway}/mqtt"))
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket");
    for name in ASKED {
        if let Some(value) = request.headers().get(&name) {
            asked = asked.header(name, value);
        }
    }
    let answered = tokio::time::timeout(HANDSHAKE_MAX, asked.send()).await;
    let answered = answered
        .map_err(|_| away("no answer".to_owned()))?
        .map_err(|error| away(error.to_string()))?;
    if answered.status() != StatusCode::SWITCHING_PROTOCOLS {
        let detail = format!(
            "the gateway refused the WebSocket handshake (HTTP {})",
            answered.status()
        );
        return Err(Problem::argument(detail));
    }
    let mut response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket");
    for name in ANSWERED {
        if let Some(value) = answered.headers().get(&name) {
            response = response.header(name, value);
        }
    }
    let browser = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let ends = async {
            let mut gateway = answered.upgrade().await.ok()?;
            let mut browser = TokioIo::new(browser.await.ok()?);
            // Either end may go at any time: nobody is left to be told.
            let _ = tokio::io::copy_bidirectional(&mut browser, &mut gateway).await;
            Some(())
        };
        ends.await;
        drop(permit);
    });
    response
        .body(Body::empty())
        .map_err(|error| Problem::argument(error.to_string()))
}

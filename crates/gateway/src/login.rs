//! Logging in: from the first bytes of a connection to an admitted client.
//!
//! ```text
//! CONNECT ─┬─ authentication method 'SM2' ─► AUTH challenge ─► AUTH answer ─┐
//!          └─ user name and token ──────────────────────────────────────────┴─► one check ─► engine
//! ```
//! Formats and signatures are `sealwire_envelope::login`'s. Both ways end in `admit`: the state
//! is fresh, the certificate is the client's present one, and live.
//!
//! # The MQTT client id
//! With enhanced authentication it is the client (`acme.press-7`). With a token the user name is
//! the client; the client id may be the same, or whatever an MQTT library makes up (`mosq-…`): then
//! the session is called `<client>:<that name>` inside, so that nobody can take over anybody
//! else's session. A client id that is some other client's is refused.
//!
//! # Order of work
//! Cheap checks come before signatures, so that a flood costs little: form, ledger, gateway, time,
//! registered certificate, replay, and only then SM2. A token counts as used only if its signature
//! is good, or anyone could spend another's.

use std::{net::SocketAddr, sync::Arc};

use mqtt5::{
    Packet,
    packet::{auth::AuthPacket, connack::ConnAckPacket, connect::ConnectPacket},
    types::ReasonCode,
};
use sealwire_contracts::entry::CertificateEntry;
use sealwire_envelope::{
    CertId, ClientId, TopicName, decode_bounded, encode,
    login::{
        Answer, Challenge, Hello, LOGIN_MAX_BYTES, LOGIN_VERSION, METHOD, TOKEN_MAX_LIFE_S, Token,
        Transcript,
    },
};
use sealwire_sm::PublicKey;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{
    audit::{ConnectInfo, Occurrence},
    channel::Channel,
    doorkeeper::{Turned, Why},
    frame::{self, FrameError, FrameReader},
    hub::Hub,
    now_ms,
    replay::Replayed,
    rights::{self, Refusal},
    session::{Admitted, session_name},
};

/// Longest name that an MQTT library may make up, in bytes.
const LIBRARY_NAME_BYTES: usize = 64;

/// First byte of a CONNECT (MQTT 5.0 §3.1.1).
const CONNECT_BYTE: u8 = 0x10;

/// Why nobody was admitted.
pub enum NotAdmitted {
    /// The connection ended or never spoke MQTT: nobody to tell.
    Gone,
    /// Refused; the client was told and the record made.
    Refused,
}

struct Refused {
    claimed: Option<ClientId>,
    version: u8,
    info: ConnectInfo,
    refusal: Refusal,
}

/// Read the CONNECT, authenticate, and tell the client if it is refused.
///
/// # Errors
/// [`NotAdmitted`].
pub async fn handshake<R, W>(
    hub: &Arc<Hub>,
    reader: &mut FrameReader<R>,
    writer: &mut W,
    peer: SocketAddr,
    channel: &Channel,
) -> Result<Admitted, NotAdmitted>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    // Whoever doesn't begin with a CONNECT doesn't speak MQTT: don't wait for more of it.
    if !matches!(reader.peek().await, Ok(Some(CONNECT_BYTE))) {
        return Err(NotAdmitted::Gone);
    }
    let frame = match reader.next().await {
        Ok(Some(frame)) => frame,
        Ok(None) | Err(_) => return Err(NotAdmitted::Gone),
    };
    let connect = match frame.decode(5) {
        Ok(Packet::Connect(connect)) => *connect,
        // Not MQTT, or a version whose CONNACK we can't know.
        Ok(_) | Err(_) => return Err(NotAdmitted::Gone),
    };
    let version = connect.protocol_version;
    let info = ConnectInfo::of(&connect);
    let claimed = claimed_client(&connect);
    let knocked = hub
        .doorkeeper()
        .knock(claimed.as_ref(), peer.ip(), now_ms());
    let result = if let Err(turned) = knocked {
        let refused = Refused {
            claimed,
            version,
            info,
            refusal: turned_away(turned),
        };
        turn(hub, writer, peer, refused, turned.report).await;
        return Err(NotAdmitted::Refused);
    } else if version == 4 || version == 5 {
        authenticate(hub, reader, writer, connect, &info, channel).await
    } else {
        let text = format!("protocol version {version}: MQTT 3.1.1 and 5 are spoken here");
        Err(Failure::Refused(Refusal::new(
            ReasonCode::UnsupportedProtocolVersion,
            text,
        )))
    };
    match result {
        Ok(admitted) => {
            hub.doorkeeper().succeeded(&admitted.client, peer.ip());
            Ok(admitted)
        }
        Err(Failure::Gone) => Err(NotAdmitted::Gone),
        Err(Failure::Refused(refusal)) => {
            if counts_as_failed(refusal.code) {
                fail(hub, claimed.as_ref(), peer, &info);
            }
            refuse(
                hub,
                writer,
                peer,
                Refused {
                    claimed,
                    version,
                    info,
                    refusal,
                },
            )
            .await;
            Err(NotAdmitted::Refused)
        }
    }
}

enum Failure {
    Gone,
    Refused(Refusal),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(_) | FrameError::Truncated => Self::Gone,
            error => Self::Refused(Refusal::malformed(&error)),
        }
    }
}

/// Whether a refusal says that somebody couldn't show who it is; being busy or away doesn't.
fn counts_as_failed(code: ReasonCode) -> bool {
    matches!(
        code,
        ReasonCode::NotAuthorized
            | ReasonCode::BadUsernameOrPassword
            | ReasonCode::ClientIdentifierNotValid
            | ReasonCode::BadAuthenticationMethod
            | ReasonCode::ProtocolError
    )
}

/// Counts a failed login, and records the lock-out that may follow.
fn fail(hub: &Hub, claimed: Option<&ClientId>, peer: SocketAddr, info: &ConnectInfo) {
    let locked = hub.doorkeeper().failed(claimed, peer.ip(), now_ms());
    let Some(lock_ms) = locked else { return };
    hub.metrics().lockouts.add(1);
    let text = format!(
        "too many failed logins: not heard from this address for {} s",
        lock_ms / 1_000
    );
    let client = claimed.cloned().unwrap_or_else(|| hub.unidentified());
    hub.record(Occurrence::locked_out(client, peer, info, text));
}

/// What a client that isn't heard is told; it learns nothing about why.
fn turned_away(turned: Turned) -> Refusal {
    let text = match turned.why {
        Why::Address => "too many logins from this address".to_owned(),
        Why::Client => "too many logins of this client".to_owned(),
        Why::LockedOut { left_ms } => {
            format!("locked out for another {} s", left_ms.div_ceil(1_000))
        }
    };
    Refusal::new(ReasonCode::ConnectionRateExceeded, text)
}

/// Refuses somebody who isn't heard: recorded now and then, with a count.
async fn turn<W: AsyncWrite + Unpin>(
    hub: &Arc<Hub>,
    writer: &mut W,
    peer: SocketAddr,
    mut refused: Refused,
    report: Option<u32>,
) {
    hub.metrics().logins_turned.add(1);
    let told = Refusal::new(refused.refusal.code, "try again later".to_owned());
    if let Some(count) = report {
        refused.refusal.text = format!("{} ({count} attempts)", refused.refusal.text);
        let Refused {
            claimed,
            info,
            refusal,
            ..
        } = &refused;
        let occurrence =
            Occurrence::connect_refused(claimed.clone(), &hub.unidentified(), peer, info, refusal);
        hub.record(occurrence);
    }
    acknowledge(writer, refused.version, told).await;
}

async fn acknowledge<W: AsyncWrite + Unpin>(writer: &mut W, version: u8, refusal: Refusal) {
    let ack = match version {
        5 => ConnAckPacket::new(false, refusal.code).with_reason_string(refusal.text),
        _ => ConnAckPacket::new_v311(false, refusal.code),
    };
    // A client that doesn't read its refusal misses it.
    let _ = frame::write(writer, &Packet::ConnAck(ack)).await;
}

async fn refuse<W: AsyncWrite + Unpin>(
    hub: &Arc<Hub>,
    writer: &mut W,
    peer: SocketAddr,
    refused: Refused,
) {
    hub.metrics().logins_refused.add(1);
    let Refused {
        claimed,
        version,
        info,
        refusal,
    } = refused;
    let occurrence =
        Occurrence::connect_refused(claimed, &hub.unidentified(), peer, &info, &refusal);
    hub.record(occurrence);
    acknowledge(writer, version, refusal).await;
}

/// Who a CONNECT says it is from.
fn claimed_client(connect: &ConnectPacket) -> Option<ClientId> {
    let name = match connect.properties.get_authentication_method() {
        Some(_) => Some(&connect.client_id),
        None => connect.username.as_ref(),
    };
    name.and_then(|name| name.parse().ok())
}

async fn authenticate<R, W>(
    hub: &Arc<Hub>,
    reader: &mut FrameReader<R>,
    writer: &mut W,
    connect: ConnectPacket,
    info: &ConnectInfo,
    channel: &Channel,
) -> Result<Admitted, Failure>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    hub.check_fresh()?;
    check_bound(&connect, channel)?;
    match connect.properties.get_authentication_method().cloned() {
        Some(method) if method == METHOD => enhanced(hub, reader, writer, connect, info).await,
        Some(method) => {
            let text = format!(
                "authentication method '{}' isn't offered: use '{METHOD}' or a token",
                rights::cut(method)
            );
            Err(Refusal::new(ReasonCode::BadAuthenticationMethod, text).into())
        }
        None => match &channel.bound {
            // The TLS handshake has shown that it holds the certificate's key.
            Some((client, certificate)) if connect.password.is_none() => Ok(by_channel(
                hub,
                connect,
                client,
                *certificate,
                info.clone(),
            )?),
            _ => Ok(by_token(hub, connect, info.clone())?),
        },
    }
}

// ---- enhanced authentication ------------------------------------------------------------------

async fn enhanced<R, W>(
    hub: &Arc<Hub>,
    reader: &mut FrameReader<R>,
    writer: &mut W,
    connect: ConnectPacket,
    info: &ConnectInfo,
) -> Result<Admitted, Failure>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let client = parse_client(&connect.client_id, ReasonCode::ClientIdentifierNotValid)?;
    let hello: Hello = read(connect.properties.get_authentication_data(), "hello")?;
    check_version(hello.version)?;
    let certificate = certificate_of(hub, hello.certificate, &client)?;
    let transcript = Transcript {
        chain: hub.ledger().chain(),
        client: client.clone(),
        certificate: hello.certificate,
        client_nonce: hello.nonce,
        gateway: hub.certificate(),
        gateway_nonce: crate::random(),
        time_ms: now_ms(),
    };
    let challenge = Challenge {
        gateway: transcript.gateway,
        nonce: transcript.gateway_nonce,
        time_ms: transcript.time_ms,
        signature: transcript.sign_as_gateway(&hub.keys().secret),
    };
    let packet = AuthPacket::continue_authentication(METHOD.into(), Some(encode(&challenge)))
        .map_err(|e| FrameError::Malformed(e.to_string()))?;
    frame::write(writer, &Packet::Auth(packet)).await?;

    let frame = reader.next().await?.ok_or(Failure::Gone)?;
    let auth = match frame.decode(5)? {
        Packet::Auth(auth) => auth,
        Packet::Disconnect(_) => return Err(Failure::Gone),
        _ => {
            let text = "only AUTH may follow the challenge";
            return Err(Refusal::new(ReasonCode::ProtocolError, text).into());
        }
    };
    let same_method = auth.authentication_method() == Some(METHOD);
    if auth.reason_code != ReasonCode::ContinueAuthentication || !same_method {
        let text = format!("the answer to the challenge must continue method '{METHOD}'");
        return Err(Refusal::new(ReasonCode::ProtocolError, text).into());
    }
    let answer: Answer = read(auth.authentication_data(), "answer")?;
    let key = public_key(&certificate)?;
    hub.metrics().verifications.add(1);
    transcript
        .verify_client(&key, &answer.signature)
        .map_err(|_| {
            let text = format!("{client}'s signature over the login doesn't verify");
            Refusal::new(ReasonCode::NotAuthorized, text)
        })?;
    let name = session_name(&client, None);
    Ok(admit(
        hub,
        connect,
        client,
        hello.certificate,
        info.clone(),
        name,
        true,
    )?)
}

fn read<T>(data: Option<&[u8]>, what: &str) -> Result<T, Refusal>
where
    T: for<'b> minicbor::Decode<'b, ()> + minicbor::Encode<()>,
{
    let data = data.unwrap_or_default();
    decode_bounded(data, LOGIN_MAX_BYTES).map_err(|e| {
        let text = format!("the login's {what} can't be read: {e}");
        Refusal::new(ReasonCode::ProtocolError, text)
    })
}

// ---- TLS client certificate -----------------------------------------------------------------

/// A connection that shows a client certificate is that client's: nobody else logs in on it.
fn check_bound(connect: &ConnectPacket, channel: &Channel) -> Result<(), Refusal> {
    let Some((bound, _)) = &channel.bound else {
        return Ok(());
    };
    match claimed_client(connect) {
        Some(claimed) if claimed != *bound => {
            let text = format!("the TLS certificate is {bound}'s, the login says {claimed}");
            Err(Refusal::new(ReasonCode::NotAuthorized, text))
        }
        _ => Ok(()),
    }
}

fn by_channel(
    hub: &Hub,
    connect: ConnectPacket,
    client: &ClientId,
    certificate: CertId,
    info: ConnectInfo,
) -> Result<Admitted, Refusal> {
    let library_name = library_name(&connect.client_id, client)?;
    certificate_of(hub, certificate, client)?;
    let name = session_name(client, library_name.as_deref());
    admit(hub, connect, client.clone(), certificate, info, name, false)
}

// ---- token ------------------------------------------------------------------------------------

fn by_token(hub: &Hub, connect: ConnectPacket, info: ConnectInfo) -> Result<Admitted, Refusal> {
    const CODE: ReasonCode = ReasonCode::BadUsernameOrPassword;
    let (Some(user), Some(password)) = (&connect.username, &connect.password) else {
        let text = format!(
            "log in by authentication method '{METHOD}', or with the client id as user name and a token as password"
        );
        return Err(Refusal::new(ReasonCode::NotAuthorized, text));
    };
    let client = parse_client(user, CODE)?;
    let library_name = library_name(&connect.client_id, &client)?;
    let token = Token::from_text(password)
        .map_err(|e| Refusal::new(CODE, format!("the password isn't a token: {e}")))?;
    let body = &token.body;
    check_version(body.version)?;
    let wrong = |text: String| Err(Refusal::new(CODE, text));
    if body.client != client {
        return wrong(format!(
            "the token is {}'s, the user name says {client}",
            body.client
        ));
    }
    if body.chain != hub.ledger().chain() {
        return wrong(format!(
            "the token is for ledger {}, this is another one",
            body.chain
        ));
    }
    if body.gateway != *hub.client() {
        return wrong(format!(
            "the token is for gateway {}, this is {}",
            body.gateway,
            hub.client()
        ));
    }
    let now_s = now_ms() / 1000;
    let skew_s = hub.limits().clock_skew.as_secs();
    let life_s = body.expires_s.checked_sub(body.not_before_s);
    if life_s.is_none_or(|life| life > TOKEN_MAX_LIFE_S) {
        return wrong(format!("a token lives at most {TOKEN_MAX_LIFE_S} s"));
    }
    if now_s > body.expires_s {
        return wrong(format!(
            "the token expired {} s ago",
            now_s - body.expires_s
        ));
    }
    if now_s.saturating_add(skew_s) < body.not_before_s {
        return wrong(format!(
            "the token isn't good for another {} s",
            body.not_before_s - now_s
        ));
    }
    let certificate = certificate_of(hub, body.certificate, &client)?;
    let key = public_key(&certificate)?;
    hub.metrics().verifications.add(1);
    if token.verify(&key).is_err() {
        return wrong(format!("{client} didn't sign this token"));
    }
    let digest = sealwire_sm::sm3(&[&encode(body)]);
    match hub.tokens.use_once(digest, body.expires_s, now_s) {
        Ok(()) => {}
        Err(Replayed::Again) => {
            return wrong("the token was used before: a token is good once".into());
        }
        Err(Replayed::Full) => {
            let text = "too many tokens are in use: try again in a few minutes";
            return Err(Refusal::new(ReasonCode::ServerBusy, text));
        }
    }
    let id = body.certificate;
    let name = session_name(&client, library_name.as_deref());
    admit(hub, connect, client, id, info, name, false)
}

/// The name an MQTT library made up, if the client id isn't the client.
fn library_name(client_id: &str, client: &ClientId) -> Result<Option<String>, Refusal> {
    if client_id == client.as_str() {
        return Ok(None);
    }
    if client_id.parse::<ClientId>().is_ok() {
        let text = format!("client id {client_id} is another client's, the token is {client}'s");
        return Err(Refusal::new(ReasonCode::ClientIdentifierNotValid, text));
    }
    if client_id.is_empty() {
        return Ok(Some(hex::encode(crate::random::<8>())));
    }
    let sound = client_id.len() <= LIBRARY_NAME_BYTES
        && client_id
            .bytes()
            .all(|b| b.is_ascii_graphic() && !matches!(b, b'/' | b'\\' | b':'));
    if sound {
        return Ok(Some(client_id.to_owned()));
    }
    let text = format!(
        "the client id must be {client}, or at most {LIBRARY_NAME_BYTES} printable ASCII characters without '/', '\\' and ':'"
    );
    Err(Refusal::new(ReasonCode::ClientIdentifierNotValid, text))
}

// ---- both -------------------------------------------------------------------------------------

fn parse_client(text: &str, code: ReasonCode) -> Result<ClientId, Refusal> {
    text.parse().map_err(|e| Refusal::new(code, format!("{e}")))
}

fn check_version(version: u8) -> Result<(), Refusal> {
    if version == LOGIN_VERSION {
        return Ok(());
    }
    let text = format!("login format {version}, this gateway knows {LOGIN_VERSION}");
    Err(Refusal::new(ReasonCode::ImplementationSpecificError, text))
}

/// The registered certificate, if it is this client's present one, and live.
pub(crate) fn certificate_of(
    hub: &Hub,
    id: CertId,
    client: &ClientId,
) -> Result<CertificateEntry, Refusal> {
    let answer = hub.ledger().view().certificate(&id);
    let refuse = |text: String| Refusal {
        height: answer.height,
        ..Refusal::new(ReasonCode::NotAuthorized, text)
    };
    let Some(record) = answer.value else {
        return Err(refuse(format!(
            "certificate {id} isn't registered (height {})",
            answer.height
        )));
    };
    if record.certificate.client != *client {
        return Err(refuse(format!(
            "certificate {id} is {}'s, not {client}'s",
            record.certificate.client
        )));
    }
    rights::connect(&hub.ledger().view(), client, id, now_ms())?;
    Ok(record.certificate)
}

pub(crate) fn public_key(certificate: &CertificateEntry) -> Result<PublicKey, Refusal> {
    PublicKey::from_sec1(&certificate.public_key).map_err(|_| {
        let text = format!("the ledger's key of {} can't be read", certificate.client);
        Refusal::new(ReasonCode::UnspecifiedError, text)
    })
}

fn admit(
    hub: &Hub,
    mut connect: ConnectPacket,
    client: ClientId,
    certificate: CertId,
    info: ConnectInfo,
    name: String,
    enhanced: bool,
) -> Result<Admitted, Refusal> {
    let height = rights::connect(&hub.ledger().view(), &client, certificate, now_ms())?;
    if let Some(will) = &connect.will {
        check_will(hub, &client, will)?;
    }
    let assigned = connect.client_id.is_empty().then(|| name.clone());
    connect.client_id = name;
    connect.username = None;
    if let Some(password) = &mut connect.password {
        zeroize::Zeroize::zeroize(password);
    }
    connect.password = None;
    connect.properties = without_authentication(&connect.properties);
    Ok(Admitted {
        connect,
        client,
        certificate,
        info,
        enhanced,
        assigned,
        height,
    })
}

fn check_will(hub: &Hub, client: &ClientId, will: &mqtt5::WillMessage) -> Result<(), Refusal> {
    let topic: TopicName = will
        .topic
        .parse()
        .map_err(|e| Refusal::new(ReasonCode::TopicNameInvalid, format!("will: {e}")))?;
    let packet = mqtt5::packet::publish::PublishPacket::new(
        topic.to_string(),
        will.payload.clone(),
        will.qos,
    );
    hub.may_publish(client, &packet.with_retain(will.retain))
        .map(drop)
        .map_err(|refusal| {
            // CONNACK has no 'payload format invalid' for a will in every client; the text says it.
            Refusal {
                text: rights::cut(format!("will: {}", refusal.text)),
                ..refusal
            }
        })
}

/// The properties of a CONNECT without authentication method and data.
fn without_authentication(properties: &mqtt5::Properties) -> mqtt5::Properties {
    use mqtt5::PropertyId;
    let mut kept = mqtt5::Properties::default();
    for (id, value) in properties.iter() {
        if !matches!(
            id,
            PropertyId::AuthenticationMethod | PropertyId::AuthenticationData
        ) {
            // A property that was decoded can be added.
            let _ = kept.add(id, value.clone());
        }
    }
    kept
}

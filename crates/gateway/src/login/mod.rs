//! Logging in: from the first bytes of a connection to an admitted client.
//!
//! ```text
//! CONNECT ─┬─ authentication method 'SM2' ─► AUTH challenge ─► AUTH answer ─┐
//!          └─ user name and token ──────────────────────────────────────────┴─► one check ─► engine
//! ```
//! Formats and signatures are `sealwire_envelope::login`'s. Both ways end in `admit`: the state
//! is fresh, the certificate is the client's present one, and live. A session that began with
//! enhanced authentication can go through the same exchange again later
//! (`session/reauthenticate.rs`). Why logins are refused, and who is told what: `cause`.
//!
//! # The MQTT client id
//! With enhanced authentication it is the client (`acme.press-7`). With a token the user name is
//! the client; the client id may be the same, or whatever an MQTT library makes up (`mosq-…`): then
//! the session is called `<client>:<that name>` inside, so that nobody can take over anybody
//! else's session. A client id that is some other client's is refused.
//!
//! # Order of work
//! Cheap checks come before signatures, so that a flood costs little: rate, form, ledger, gateway,
//! time, and only then SM2. Whether the certificate is good is looked up before, and told only
//! after a signature was verified, if need be under a key that nobody has (`Key`). A token counts
//! as used only if its signature is good, or anyone could spend another's.
//!
//! # Clocks
//! A token's times may be off by `Limits::clock_skew`, at both ends. Enhanced authentication needs
//! no clock: nonces make it fresh, the gateway's time in the transcript is for the record.

mod cause;
mod exchange;
mod token;

use std::{net::SocketAddr, sync::Arc};

use mqtt5::{
    Packet,
    packet::{connack::ConnAckPacket, connect::ConnectPacket},
    types::ReasonCode,
};
use sealwire_envelope::{
    CertId, ClientId, TopicName,
    login::{LOGIN_VERSION, METHOD},
};
use sealwire_sm::PublicKey;
use tokio::io::{AsyncRead, AsyncWrite};

pub(crate) use cause::Cause;
pub(crate) use exchange::{Exchange, shown};

use crate::{
    audit::{ConnectInfo, Occurrence},
    channel::Channel,
    doorkeeper::Why,
    frame::{self, FrameError, FrameReader},
    hub::Hub,
    now_ms,
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
    cause: Cause,
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
    let result = if let Err(why) = knocked {
        // No record: the doorkeeper counts it for the sums.
        hub.metrics().logins_turned.add(1);
        acknowledge(writer, version, &turned_away(why).into()).await;
        return Err(NotAdmitted::Refused);
    } else if version == 4 || version == 5 {
        authenticate(hub, reader, writer, connect, &info, channel).await
    } else {
        Err(Cause::Version(version).into())
    };
    match result {
        Ok(admitted) => {
            hub.doorkeeper().succeeded(&admitted.client, peer.ip());
            Ok(admitted)
        }
        Err(Failure::Gone) => Err(NotAdmitted::Gone),
        Err(Failure::Refused(cause)) => {
            let refused = Refused {
                claimed,
                version,
                info,
                cause,
            };
            refuse(hub, writer, peer, refused).await;
            Err(NotAdmitted::Refused)
        }
    }
}

enum Failure {
    Gone,
    Refused(Cause),
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self::Refused(cause)
    }
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(_) | FrameError::Truncated => Self::Gone,
            error => Self::Refused(Cause::frame(&error)),
        }
    }
}

/// Counts a failed login, and records the lock-out that may follow. Whether the failure itself is
/// to be recorded.
pub(crate) fn fail(
    hub: &Hub,
    claimed: Option<&ClientId>,
    peer: SocketAddr,
    info: &ConnectInfo,
) -> bool {
    let failed = hub.doorkeeper().failed(claimed, peer.ip(), now_ms());
    if let Some(lock_ms) = failed.locked_ms {
        hub.metrics().lockouts.add(1);
        let text = format!(
            "too many failed logins: not heard from this address for {} s",
            lock_ms / 1_000
        );
        let client = claimed.cloned().unwrap_or_else(|| hub.unidentified());
        let occurrence = Occurrence::locked_out(client, peer, info, text);
        hub.record_if(failed.record, occurrence);
    }
    failed.record
}

/// Why a client isn't heard.
fn turned_away(why: Why) -> Cause {
    Cause::Turned(match why {
        Why::Address => "too many logins from this address".to_owned(),
        Why::Client => "too many logins of this client".to_owned(),
        Why::LockedOut { left_ms } => {
            format!("locked out for another {} s", left_ms.div_ceil(1_000))
        }
    })
}

async fn acknowledge<W: AsyncWrite + Unpin>(writer: &mut W, version: u8, refusal: &Refusal) {
    let ack = match version {
        5 => ConnAckPacket::new(false, refusal.code).with_reason_string(refusal.told().to_owned()),
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
    let Refused {
        claimed,
        version,
        info,
        cause,
    } = refused;
    hub.metrics().logins_refused.add(1);
    if cause.is_about_time() {
        hub.metrics().logins_refused_clock.add(1);
    }
    let record = if cause.is_failed_login() {
        fail(hub, claimed.as_ref(), peer, &info)
    } else {
        let client = claimed.as_ref();
        hub.doorkeeper().refused(client, peer.ip(), now_ms())
    };
    let refusal = Refusal::from(cause);
    let name = claimed.as_ref().map(ClientId::as_str);
    tracing::info!(%peer, claimed = name, reason = %refusal.text, "a login is refused");
    let unidentified = hub.unidentified();
    let occurrence = Occurrence::connect_refused(claimed, &unidentified, peer, &info, &refusal);
    hub.record_if(record, occurrence);
    acknowledge(writer, version, &refusal).await;
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
    hub.check_fresh().map_err(Cause::Away)?;
    check_bound(&connect, channel)?;
    match connect.properties.get_authentication_method().cloned() {
        Some(method) if method == METHOD => enhanced(hub, reader, writer, connect, info).await,
        Some(method) => Err(Cause::Method(rights::cut(method)).into()),
        None => match &channel.bound {
            // The TLS handshake has shown that it holds the certificate's key.
            Some((client, certificate)) if connect.password.is_none() => {
                let info = info.clone();
                Ok(by_channel(hub, connect, client, *certificate, info)?)
            }
            _ => Ok(token::log_in(hub, connect, info.clone()).await?),
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
    let client: ClientId = connect.client_id.parse().map_err(Cause::ClientId)?;
    let hello = connect.properties.get_authentication_data();
    let (exchange, challenge) = Exchange::begin(hub, &client, hello)?;
    frame::write(writer, &Packet::Auth(challenge)).await?;
    let frame = reader.next().await?.ok_or(Failure::Gone)?;
    let answer = match frame.decode(5)? {
        Packet::Auth(auth) => auth,
        Packet::Disconnect(_) => return Err(Failure::Gone),
        _ => return Err(Cause::Order("only AUTH may follow the challenge").into()),
    };
    let certificate = exchange.finish(hub, &answer)?;
    let info = info.clone();
    Ok(admit(hub, connect, client, certificate, info, None, true)?)
}

// ---- TLS client certificate -----------------------------------------------------------------

/// A connection that shows a client certificate is that client's: nobody else logs in on it.
fn check_bound(connect: &ConnectPacket, channel: &Channel) -> Result<(), Cause> {
    let Some((bound, _)) = &channel.bound else {
        return Ok(());
    };
    match claimed_client(connect) {
        Some(claimed) if claimed != *bound => {
            let bound = bound.clone();
            Err(Cause::Bound { bound, claimed })
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
) -> Result<Admitted, Cause> {
    let library_name = token::library_name(&connect.client_id, client)?;
    Key::find(hub, certificate, client).0?;
    let client = client.clone();
    admit(hub, connect, client, certificate, info, library_name, false)
}

// ---- both -------------------------------------------------------------------------------------

fn check_version(version: u8) -> Result<(), Cause> {
    if version == LOGIN_VERSION {
        return Ok(());
    }
    Err(Cause::Format(version))
}

/// The key under which a client's signature must verify, or why none will do.
pub(crate) struct Key(Result<PublicKey, Cause>);

impl Key {
    /// Of this certificate, if it is registered, the client's present one, and live.
    pub(crate) fn find(hub: &Hub, id: CertId, client: &ClientId) -> Self {
        Self(Self::look_up(hub, id, client))
    }

    fn look_up(hub: &Hub, id: CertId, client: &ClientId) -> Result<PublicKey, Cause> {
        let view = hub.ledger().view();
        let (answer, height) = (view.certificate(&id).value, view.height());
        let Some(record) = answer else {
            return Err(Cause::Unregistered { id, height });
        };
        if record.certificate.client != *client {
            return Err(Cause::OtherCertificate {
                id,
                holder: record.certificate.client,
                client: client.clone(),
                height,
            });
        }
        rights::connect(&view, client, id, now_ms()).map_err(Cause::NotInForce)?;
        PublicKey::from_sec1(&record.certificate.public_key).map_err(|_| Cause::Key {
            client: client.clone(),
        })
    }

    /// Whether `check` holds under the key. Where there is none, it is asked all the same, under
    /// the gateway's own, so that the time it takes doesn't tell.
    ///
    /// # Errors
    /// [`Cause`]; the one for which there is no key, if there is none.
    pub(crate) fn verify(
        self,
        hub: &Hub,
        client: &ClientId,
        what: &'static str,
        check: impl Fn(&PublicKey) -> bool,
    ) -> Result<(), Cause> {
        hub.metrics().verifications.add(1);
        match self.0 {
            Ok(key) if check(&key) => Ok(()),
            Ok(_) => Err(Cause::Signature {
                client: client.clone(),
                what,
            }),
            Err(cause) => {
                std::hint::black_box(check(&hub.keys().certificate.public_key));
                Err(cause)
            }
        }
    }
}

fn admit(
    hub: &Hub,
    mut connect: ConnectPacket,
    client: ClientId,
    certificate: CertId,
    info: ConnectInfo,
    library_name: Option<String>,
    enhanced: bool,
) -> Result<Admitted, Cause> {
    let height = rights::connect(&hub.ledger().view(), &client, certificate, now_ms())
        .map_err(Cause::NotInForce)?;
    if let Some(will) = &connect.will {
        check_will(hub, &client, will).map_err(Cause::Will)?;
    }
    let name = session_name(&client, library_name.as_deref());
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

//! Logging in at a gateway, mutually: the formats are `sealwire_envelope::login`'s.
//!
//! ```text
//! connect TCP → CONNECT(hello) → AUTH(challenge): is the gateway's certificate known and its
//! signature good? → AUTH(answer) → CONNACK
//! ```
//! The client signs nothing before the gateway has shown who it is. With a token the gateway shows
//! nothing: only a token that is good once, at that gateway, is given away.

use std::{sync::Arc, time::Duration};

use bytes::BytesMut;
use mqtt5_protocol::{
    ConnectOptions, Packet, Properties, PropertyId, PropertyValue,
    packet::{connack::ConnAckPacket, connect::ConnectPacket},
    types::ReasonCode,
};
use sealwire_envelope::{ClientId, login::METHOD};
use tokio::io::AsyncWriteExt as _;

use super::{
    channel::{ReadHalf, WriteHalf},
    exchange::Exchange,
    frame::{self, FrameError, Reader},
};
use crate::{
    identity::Identity,
    token,
    trust::{Trust, TrustError},
};

/// Nobody is logged in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The gateway can't be reached.
    #[error("gateway {address} can't be reached: {source}")]
    Unreachable {
        /// Where it was tried.
        address: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The gateway took too long.
    #[error("gateway {address} didn't finish the login within {} s", limit.as_secs_f32())]
    Timeout {
        /// Where.
        address: String,
        /// How long it had.
        limit: Duration,
    },
    /// The gateway says no.
    #[error("the gateway refused the login: {reason} ({code:?})")]
    Refused {
        /// MQTT's reason code.
        code: ReasonCode,
        /// The gateway's sentence; the code's name when it gave none.
        reason: String,
    },
    /// The gateway isn't the one that was asked for.
    #[error("this is gateway {found}, not {expected}")]
    OtherGateway {
        /// Whom the options name.
        expected: ClientId,
        /// Who it is.
        found: ClientId,
    },
    /// TLS can't be set up.
    #[error(transparent)]
    Tls(#[from] crate::tls::TlsError),
    /// The gateway's certificate isn't to be trusted.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The gateway didn't sign the challenge.
    #[error("gateway {gateway} couldn't prove who it is: its signature over the login is wrong")]
    GatewaySignature {
        /// Who it said to be.
        gateway: ClientId,
    },
    /// The connection failed, or the peer doesn't speak MQTT 5.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// The gateway doesn't keep to the exchange.
    #[error("the gateway doesn't keep to the login's exchange: {0}")]
    Protocol(String),
}

impl LoginError {
    /// Whether trying again later can help without anything else changing.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::Frame(_) => true,
            Self::Refused { code, .. } => matches!(
                code,
                ReasonCode::ServerUnavailable
                    | ReasonCode::ServerBusy
                    | ReasonCode::ServerShuttingDown
                    | ReasonCode::ConnectionRateExceeded
                    | ReasonCode::QuotaExceeded
            ),
            Self::Trust(error) => error.may_pass(),
            Self::OtherGateway { .. }
            | Self::GatewaySignature { .. }
            | Self::Protocol(_)
            | Self::Tls(_) => false,
        }
    }
}

/// Everything that a login needs, and can be repeated with.
#[derive(Clone)]
pub(super) struct Dialer {
    pub identity: Identity,
    pub trust: Arc<Trust>,
    pub options: super::Options,
    pub channel: super::channel::Channel,
}

/// A logged-in connection.
pub(super) struct Connected {
    pub reader: Reader<ReadHalf>,
    pub writer: WriteHalf,
    pub ack: ConnAckPacket,
    pub gateway: Option<ClientId>,
    /// From the first packet sent to the last one received.
    pub latency: Duration,
}

impl Dialer {
    pub async fn login(&self) -> Result<Connected, LoginError> {
        let limit = self.options.login_max;
        let address = || self.options.gateway.clone();
        tokio::time::timeout(limit, self.dial())
            .await
            .map_err(|_| LoginError::Timeout {
                address: address(),
                limit,
            })?
    }

    async fn dial(&self) -> Result<Connected, LoginError> {
        let address = &self.options.gateway;
        let (read, mut writer) =
            self.channel
                .open()
                .await
                .map_err(|source| LoginError::Unreachable {
                    address: address.clone(),
                    source,
                })?;
        let mut reader = Reader::new(read, self.options.packet_bytes_max);
        let start = tokio::time::Instant::now();
        let (ack, gateway) = match &self.options.method {
            super::Method::Enhanced => self.enhanced(&mut reader, &mut writer).await?,
            super::Method::Token { gateway } => {
                let mut connect = self.connect_packet();
                connect.username = Some(self.identity.client().to_string());
                let token = token::create(&self.identity, gateway, token::LIFE_DEFAULT);
                connect.password = Some(token.into_bytes());
                send(&mut writer, &connect).await?;
                (connack(reader.next().await?)?, None)
            }
        };
        Ok(Connected {
            reader,
            writer,
            ack,
            gateway,
            latency: start.elapsed(),
        })
    }

    fn connect_packet(&self) -> ConnectPacket {
        let mut options = ConnectOptions {
            client_id: self.identity.client().to_string(),
            keep_alive: self.options.keep_alive,
            clean_start: self.options.clean_start,
            ..ConnectOptions::default()
        };
        options.properties.session_expiry_interval =
            (self.options.session_expiry_s > 0).then_some(self.options.session_expiry_s);
        options.properties.receive_maximum = Some(super::RECEIVE_MAX);
        options
            .properties
            .user_properties
            .clone_from(&self.options.user_properties);
        ConnectPacket::new(options)
    }

    async fn enhanced(
        &self,
        reader: &mut Reader<ReadHalf>,
        writer: &mut WriteHalf,
    ) -> Result<(ConnAckPacket, Option<ClientId>), LoginError> {
        let (exchange, hello) = Exchange::begin(&self.identity);
        let mut connect = self.connect_packet();
        connect
            .properties
            .set_authentication_method(METHOD.to_owned());
        connect.properties.set_authentication_data(hello.into());
        send(writer, &connect).await?;

        let auth = match reader.next().await? {
            Packet::Auth(auth) => auth,
            other => {
                connack(other)?;
                return Err(LoginError::Protocol(
                    "it let the client in unseen".to_owned(),
                ));
            }
        };
        let expect = self.options.expect.as_ref();
        let (answer, gateway) = exchange.answer(&self.trust, expect, &auth).await?;
        send(writer, &answer).await?;
        Ok((connack(reader.next().await?)?, Some(gateway)))
    }
}

async fn send(
    writer: &mut WriteHalf,
    packet: &impl mqtt5_protocol::packet::MqttPacket,
) -> Result<(), FrameError> {
    let mut out = BytesMut::new();
    frame::encode(packet, &mut out)?;
    writer.write_all(&out).await?;
    Ok(())
}

fn connack(packet: Packet) -> Result<ConnAckPacket, LoginError> {
    match packet {
        Packet::ConnAck(ack) if ack.reason_code == ReasonCode::Success => Ok(ack),
        Packet::ConnAck(ack) => {
            let reason = reason(&ack.properties, ack.reason_code);
            Err(LoginError::Refused {
                code: ack.reason_code,
                reason,
            })
        }
        Packet::Disconnect(packet) => {
            let reason = reason(&packet.properties, packet.reason_code);
            Err(LoginError::Refused {
                code: packet.reason_code,
                reason,
            })
        }
        other => Err(LoginError::Protocol(format!(
            "it sent {}",
            other.packet_type_name()
        ))),
    }
}

/// The reason string, or the code's name.
pub(super) fn reason(properties: &Properties, code: impl std::fmt::Debug) -> String {
    match properties.get(PropertyId::ReasonString) {
        Some(PropertyValue::Utf8String(text)) => text.clone(),
        _ => format!("{code:?}"),
    }
}

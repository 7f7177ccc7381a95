//! The broker engine: the only module that knows whose routing, retained messages, session
//! queues and wills stand behind the front door (`mqtt5`, MIT/Apache-2.0, pinned).
//!
//! # Contract
//! - The front door hands in one in-process pipe per admitted connection ([`Engine::attach`]).
//!   The first packet on it is a CONNECT that the front door wrote: its client id is the engine's
//!   *session name* and there is nothing left to authenticate.
//! - The engine asks [`Rights`] once more for every publish, every new subscription and every
//!   subscription of a session that is resumed.
//! - It never sees a will: [`crate::wills`] hands them in by [`Engine::publish`].
//! - [`Engine::unsubscribe`] takes a live subscription away.
//!
//! Another broker fits behind this module if it takes a byte stream and has those hooks.

use std::{future::Future, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use mqtt5::{
    broker::{
        AuthProvider, AuthResult, BrokerConfig, DynamicStorage, MemoryBackend, ResourceLimits,
        ResourceMonitor, StorageBackend,
        client_handler::ClientHandler,
        router::MessageRouter,
        sys_topics::BrokerStats,
        transport::{BrokerTransport, WebSocketTransport},
    },
    packet::{connect::ConnectPacket, publish::PublishPacket},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf},
    sync::broadcast,
    task::JoinHandle,
};

/// Separates the client from the name its MQTT library chose, in an engine session name.
pub const SESSION_NAME_SEPARATOR: char = ':';
/// Bytes in flight in each direction between front door and engine, per connection.
pub const PIPE_BYTES: usize = 32 * 1024;
/// Messages waiting in the lane of one connected subscriber before they go to its queue.
const LANE_MESSAGES: usize = 1_000;
/// QoS 1 and 2 messages sent to a subscriber and not yet acknowledged.
const OUTBOUND_INFLIGHT: u16 = 64;
/// Longest a session without a connection is kept, in seconds.
pub const SESSION_EXPIRY_S: u64 = 24 * 3600;
/// Subscriptions per session.
pub const SUBSCRIPTIONS_MAX: usize = 256;
/// Retained messages in total.
const RETAINED_MAX: usize = 100_000;
/// Time between two sweeps of expired sessions.
const SWEEP: Duration = Duration::from_secs(30);

/// What the engine asks before it acts.
pub trait Rights: Send + Sync + 'static {
    /// May this session publish there, now?
    fn may_publish(&self, session: &str, topic: &str) -> bool;
    /// May this session receive what the filter matches, now?
    fn may_subscribe(&self, session: &str, filter: &str) -> bool;
}

/// What the engine is told about sizes.
#[derive(Clone, Copy, Debug)]
pub struct EngineLimits {
    /// Largest MQTT packet, in bytes.
    pub packet_bytes_max: usize,
    /// Largest payload, in bytes.
    pub payload_bytes_max: usize,
    /// Connections at a time.
    pub connections_max: usize,
    /// QoS 1 and 2 messages that a publisher may have unacknowledged.
    pub receive_maximum: u16,
}

/// A running engine.
pub struct Engine {
    config: Arc<BrokerConfig>,
    router: Arc<MessageRouter>,
    storage: Arc<DynamicStorage>,
    stats: Arc<BrokerStats>,
    monitor: Arc<ResourceMonitor>,
    provider: Arc<dyn AuthProvider>,
    shutdown: broadcast::Sender<()>,
    sweeper: JoinHandle<()>,
}

/// The engine didn't start.
#[derive(Debug, thiserror::Error)]
#[error("the broker engine didn't start")]
pub struct EngineError(#[source] mqtt5::MqttError);

impl Engine {
    /// Start the engine; it opens no socket.
    ///
    /// # Errors
    /// [`EngineError`] if the engine can't set up its stores.
    pub async fn start(limits: EngineLimits, rights: Arc<dyn Rights>) -> Result<Self, EngineError> {
        let config = BrokerConfig {
            bind_addresses: Vec::new(),
            max_clients: limits.connections_max,
            session_expiry_interval: Duration::from_secs(SESSION_EXPIRY_S),
            max_packet_size: limits.packet_bytes_max,
            // Aliases would hide the topic from the front door.
            topic_alias_maximum: 0,
            max_subscriptions_per_client: SUBSCRIPTIONS_MAX,
            max_retained_messages: RETAINED_MAX,
            max_retained_message_size: limits.payload_bytes_max,
            client_channel_capacity: LANE_MESSAGES,
            max_outbound_inflight: OUTBOUND_INFLIGHT,
            server_receive_maximum: Some(limits.receive_maximum),
            sys_topics_enabled: false,
            ..BrokerConfig::default()
        };
        let storage = Arc::new(DynamicStorage::Memory(MemoryBackend::new()));
        let router = Arc::new(
            MessageRouter::with_storage(storage.clone())
                .with_retained_limits(RETAINED_MAX, limits.payload_bytes_max),
        );
        router.initialize().await.map_err(EngineError)?;
        // The front door limits connections and rates; the engine's own limits only follow it.
        let monitor = Arc::new(ResourceMonitor::new(ResourceLimits {
            max_connections: limits.connections_max,
            max_connections_per_ip: limits.connections_max,
            max_message_rate_per_client: 0,
            max_bandwidth_per_client: 0,
            max_connection_rate: u32::MAX,
            rate_limit_window: Duration::from_secs(1),
        }));
        let (shutdown, _) = broadcast::channel(1);
        let sweeper = tokio::spawn(sweep(router.clone(), storage.clone(), monitor.clone()));
        Ok(Self {
            config: Arc::new(config),
            router,
            storage,
            stats: Arc::new(BrokerStats::new()),
            monitor,
            provider: Arc::new(Provider(rights)),
            shutdown,
            sweeper,
        })
    }

    /// Run one admitted connection over `pipe` until either side closes it.
    pub fn attach(&self, pipe: DuplexStream, peer: SocketAddr) -> JoinHandle<()> {
        let handler = ClientHandler::new(
            BrokerTransport::WebSocket(Box::new(Pipe { pipe, peer })),
            peer,
            self.config.clone(),
            self.router.clone(),
            self.provider.clone(),
            Some(self.storage.clone()),
            self.stats.clone(),
            self.monitor.clone(),
            self.shutdown.subscribe(),
        );
        tokio::spawn(async move {
            if let Err(error) = handler.run().await {
                tracing::debug!(%peer, %error, "engine closed the connection");
            }
        })
    }

    /// Route a message of a session that has no connection; rights were checked, and it is archived.
    pub async fn publish(&self, session: &str, mut packet: PublishPacket) {
        // As the engine does for a connection's own messages.
        packet.properties.inject_sender(Some(client_of(session)));
        packet.properties.inject_client_id(Some(session));
        self.router.route_message(&packet, None).await;
    }

    /// Connections that the engine serves now.
    pub async fn connections(&self) -> usize {
        self.monitor.get_stats().await.current_connections
    }

    /// Filters that a session is subscribed to, as the engine keeps them.
    pub async fn subscriptions(&self, session: &str) -> Vec<String> {
        match self.storage.get_session(session).await {
            Ok(Some(session)) => session.subscriptions.into_keys().collect(),
            Ok(None) => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, session, "the engine couldn't read a session");
                Vec::new()
            }
        }
    }

    /// Take a subscription away from a session, live or not.
    pub async fn unsubscribe(&self, session: &str, filter: &str) -> bool {
        self.router.unsubscribe(session, filter, None).await
    }

    /// Close every connection.
    pub fn shutdown(&self) {
        // No receiver means no connection: nothing to close.
        let _ = self.shutdown.send(());
        self.sweeper.abort();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.shutdown();
    }
}

async fn sweep(
    router: Arc<MessageRouter>,
    storage: Arc<DynamicStorage>,
    monitor: Arc<ResourceMonitor>,
) {
    let mut tick = tokio::time::interval(SWEEP);
    loop {
        tick.tick().await;
        if let Err(error) = storage.cleanup_expired().await {
            tracing::warn!(%error, "the engine couldn't drop expired sessions");
        }
        router.sweep_sessions().await;
        monitor.cleanup_expired_windows().await;
    }
}

/// The client that a session name belongs to.
pub fn client_of(session: &str) -> &str {
    session
        .split_once(SESSION_NAME_SEPARATOR)
        .map_or(session, |(client, _)| client)
}

/// Answers the engine's questions from [`Rights`].
struct Provider(Arc<dyn Rights>);

type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl AuthProvider for Provider {
    fn authenticate<'a>(
        &'a self,
        connect: &'a ConnectPacket,
        _: SocketAddr,
    ) -> Answer<'a, mqtt5::Result<AuthResult>> {
        // Streams come from the front door only, which admitted this client.
        Box::pin(async { Ok(AuthResult::success_with_user(client_of(&connect.client_id))) })
    }

    fn authorize_publish<'a>(
        &'a self,
        session: &str,
        _: Option<&'a str>,
        topic: &'a str,
    ) -> Answer<'a, bool> {
        let allowed = self.0.may_publish(session, topic);
        Box::pin(std::future::ready(allowed))
    }

    fn authorize_subscribe<'a>(
        &'a self,
        session: &str,
        _: Option<&'a str>,
        filter: &'a str,
    ) -> Answer<'a, bool> {
        let allowed = self.0.may_subscribe(session, filter);
        Box::pin(std::future::ready(allowed))
    }
}

/// An in-process pipe as the engine's transport: the engine's WebSocket variant is the one that
/// takes any stream.
struct Pipe {
    pipe: DuplexStream,
    peer: SocketAddr,
}

impl WebSocketTransport for Pipe {
    fn peer_addr(&self) -> mqtt5::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().pipe).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        Pin::new(&mut self.get_mut().pipe).poll_write(cx, buf)
    }

    fn poll_flush(
        self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().pipe).poll_flush(cx)
    }

    fn poll_shutdown(
        self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        Pin::new(&mut self.get_mut().pipe).poll_shutdown(cx)
    }
}

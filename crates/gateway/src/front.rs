//! The front door: listens, bounds what strangers can cost, admits, and hands over.
//!
//! A connection costs a stranger's address one of its places until it is admitted or its handshake
//! time is over. Nothing is read from it beyond one packet of [`crate::Limits::packet_bytes_max`] at a
//! time, and the engine behind never sees a client that wasn't admitted.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, join},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::Instant,
};

use crate::{
    channel::{Channel, Tls},
    frame::FrameReader,
    hub::Hub,
    login::{NotAdmitted, handshake},
    now_ms, session, websocket,
};

/// Largest first packet, before anyone is admitted, in bytes: a CONNECT with a will.
const FIRST_PACKET_BYTES_MAX: usize = 64 * 1024;
/// Pause after the system refused to accept (no file handles left).
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accept connections until `stop` changes: by TLS, where it is given. All listeners of a gateway share
/// its `places`.
pub(crate) async fn listen(
    hub: Arc<Hub>,
    listener: TcpListener,
    tls: Option<Arc<Tls>>,
    places: Arc<Places>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let may_come = hub.doorkeeper().connected(peer.ip(), now_ms());
                let place = may_come.then(|| Places::take(&places, peer.ip()));
                let Some(place) = place.flatten() else {
                    hub.metrics().connections_refused.add(1);
                    continue;
                };
                hub.metrics().connections.add(1);
                tokio::spawn(connection(hub.clone(), stream, peer, tls.clone(), place));
            }
            Err(error) => {
                tracing::warn!(%error, "can't accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(
    hub: Arc<Hub>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<Arc<Tls>>,
    place: Place,
) {
    // Acknowledgements are small and awaited; without this they wait for each other.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let deadline = Instant::now() + hub.limits().handshake_max;
    match tls {
        None => {
            let (read, write) = stream.into_split();
            inside(hub, read, write, peer, Channel::default(), deadline).await;
        }
        Some(tls) => match tokio::time::timeout_at(deadline, tls.accept(stream)).await {
            Ok(Ok((stream, channel))) => {
                hub.metrics().tls_handshakes.add(1);
                let (read, write) = tokio::io::split(stream);
                Box::pin(inside(hub, read, write, peer, channel, deadline)).await;
            }
            Ok(Err(error)) => {
                hub.metrics().tls_refused.add(1);
                tracing::debug!(%peer, %error, "a TLS handshake failed");
            }
            Err(_) => hub.metrics().handshakes_abandoned.add(1),
        },
    }
    drop(place);
}

/// What is spoken inside a channel: MQTT, or MQTT over WebSocket. The first byte tells.
async fn inside<R, W>(
    hub: Arc<Hub>,
    mut read: R,
    write: W,
    peer: SocketAddr,
    channel: Channel,
    deadline: Instant,
) where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let Ok(Ok(first)) = tokio::time::timeout_at(deadline, read.read_u8()).await else {
        hub.metrics().handshakes_abandoned.add(1);
        return;
    };
    let read = AsyncReadExt::chain(io::Cursor::new([first]), read);
    if first != websocket::FIRST_BYTE {
        return admit(hub, read, write, peer, channel, deadline).await;
    }
    let opening = websocket::accept(join(read, write), hub.limits().packet_bytes_max());
    match tokio::time::timeout_at(deadline, Box::pin(opening)).await {
        Ok(Ok((read, write))) => {
            hub.metrics().websockets.add(1);
            Box::pin(admit(hub, read, write, peer, channel, deadline)).await;
        }
        Ok(Err(error)) => {
            hub.metrics().websockets_refused.add(1);
            tracing::debug!(%peer, %error, "a WebSocket handshake failed");
        }
        Err(_) => hub.metrics().handshakes_abandoned.add(1),
    }
}

/// Admits whoever is at the other end, or not, and serves it.
async fn admit<R, W>(
    hub: Arc<Hub>,
    read: R,
    mut write: W,
    peer: SocketAddr,
    channel: Channel,
    deadline: Instant,
) where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send,
{
    let mut reader = FrameReader::new(read, FIRST_PACKET_BYTES_MAX);
    let handshake = handshake(&hub, &mut reader, &mut write, peer, &channel);
    let admitted = match tokio::time::timeout_at(deadline, Box::pin(handshake)).await {
        Ok(Ok(admitted)) => admitted,
        Ok(Err(NotAdmitted::Refused)) => return,
        Ok(Err(NotAdmitted::Gone)) | Err(_) => {
            hub.metrics().handshakes_abandoned.add(1);
            return;
        }
    };
    reader.set_max_bytes(hub.limits().packet_bytes_max());
    session::serve(hub, admitted, reader, write, peer).await;
}

/// Places for connections, in all and per address.
pub(crate) struct Places {
    max: usize,
    max_per_address: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// One place; free again when dropped.
pub(crate) struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    /// `max` in all, `max_per_address` for each address.
    pub(crate) fn new(max: usize, max_per_address: usize) -> Self {
        Self {
            max,
            max_per_address,
            taken: Mutex::default(),
        }
    }

    /// A place, if there is one for this address.
    pub(crate) fn take(places: &Arc<Self>, address: IpAddr) -> Option<Place> {
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let here = taken.by_address.get(&address).copied().unwrap_or(0);
        if taken.all >= places.max || here >= places.max_per_address {
            return None;
        }
        taken.all += 1;
        taken.by_address.insert(address, here + 1);
        Some(Place {
            places: places.clone(),
            address,
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self
            .places
            .taken
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Some(here) = taken.by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_bounded_in_all_and_per_address_and_given_back() {
        let places = Arc::new(Places::new(3, 2));
        let (one, two) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        let first = Places::take(&places, one).unwrap();
        let _second = Places::take(&places, one).unwrap();
        assert!(
            Places::take(&places, one).is_none(),
            "a third from one address"
        );
        let _third = Places::take(&places, two).unwrap();
        assert!(Places::take(&places, two).is_none(), "a fourth in all");
        drop(first);
        assert!(Places::take(&places, two).is_some());
    }
}

//! The listening socket: so many connections, so many from one address, each for so long.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Sleep,
};

use crate::{Limits, rate::counted};

/// Pause after the system refused to accept, for instance for want of file descriptors.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

type Counts = Arc<Mutex<HashMap<IpAddr, usize>>>;

/// Accepts connections within the limits.
pub(crate) struct Door {
    listener: TcpListener,
    free: Arc<Semaphore>,
    counts: Counts,
    per_address: usize,
    time: Duration,
}

impl Door {
    pub(crate) fn new(listener: TcpListener, limits: &Limits) -> Self {
        Self {
            listener,
            free: Arc::new(Semaphore::new(limits.connections.max(1))),
            counts: Counts::default(),
            per_address: limits.connections_per_address.max(1),
            time: limits.connection_time,
        }
    }

    /// Counts one more connection of an address, unless it has enough.
    fn enter(&self, address: SocketAddr) -> Option<Guest> {
        let address = counted(address.ip());
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_insert(0);
        if *count >= self.per_address {
            return None;
        }
        *count += 1;
        let counts = self.counts.clone();
        Some(Guest { address, counts })
    }
}

/// One counted connection.
struct Guest {
    address: IpAddr,
    counts: Counts,
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

impl Listener for Door {
    type Io = Visit;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Visit, SocketAddr) {
        loop {
            // The semaphore is never closed; waiting here leaves the next ones in the system's queue.
            let Ok(permit) = self.free.clone().acquire_owned().await else {
                std::future::pending::<()>().await;
                continue;
            };
            match self.listener.accept().await {
                Ok((stream, address)) => {
                    if let Some(guest) = self.enter(address) {
                        let deadline = Box::pin(tokio::time::sleep(self.time));
                        let visit = Visit {
                            stream,
                            deadline,
                            _guest: guest,
                            _permit: permit,
                        };
                        return (visit, address);
                    }
                    tracing::debug!(%address, "too many connections");
                }
                Err(error) => {
                    tracing::debug!(%error, "accepting");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Whose connection it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) SocketAddr);

impl Connected<IncomingStream<'_, Door>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self(*stream.remote_addr())
    }
}

/// A connection that ends by itself.
pub(crate) struct Visit {
    stream: TcpStream,
    deadline: Pin<Box<Sleep>>,
    _guest: Guest,
    _permit: OwnedSemaphorePermit,
}

impl Visit {
    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        match self.deadline.as_mut().poll(context) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl AsyncRead for Visit {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Visit {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(context)?;
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

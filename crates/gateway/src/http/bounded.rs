//! The sockets of the HTTP side: bounded in number, in all and per address, and in time.
//!
//! A connection has [`Bounded::new`]'s `wait_max` to bring its next request, from being accepted and
//! from each byte of an answer that it took. Bytes that come in don't extend that, so a request that
//! comes byte by byte is cut off; requests here have no content worth waiting for.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::serve::Listener;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    time::{Instant, Sleep},
};

use crate::front::{ACCEPT_PAUSE, Place, Places};

/// Connections at a time.
pub(crate) const CONNECTIONS_MAX: usize = 1_000;
/// Connections at a time from one address.
pub(crate) const CONNECTIONS_PER_ADDRESS_MAX: usize = 200;

/// A listener that keeps to bounds.
pub(crate) struct Bounded {
    listener: TcpListener,
    places: Arc<Places>,
    wait_max: Duration,
}

impl Bounded {
    /// Accept from `listener`; connections wait for `wait_max` at most.
    pub(crate) fn new(listener: TcpListener, wait_max: Duration) -> Self {
        let places = Places::new(CONNECTIONS_MAX, CONNECTIONS_PER_ADDRESS_MAX);
        Self {
            listener,
            places: Arc::new(places),
            wait_max,
        }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // Those too many are closed at once: waiting would make all others wait.
                    let Some(place) = Places::take(&self.places, peer.ip()) else {
                        continue;
                    };
                    let connection = Connection {
                        stream,
                        timer: Box::pin(tokio::time::sleep(self.wait_max)),
                        wait_max: self.wait_max,
                        _place: place,
                    };
                    return (connection, peer);
                }
                Err(error) => {
                    tracing::warn!(%error, "can't accept an HTTP connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection with a place and a time limit.
pub(crate) struct Connection {
    stream: TcpStream,
    timer: Pin<Box<Sleep>>,
    wait_max: Duration,
    _place: Place,
}

impl Connection {
    fn check_time(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.timer.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check_time(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Pending => {
                self.check_time(cx)?;
                Poll::Pending
            }
            written => {
                let until = Instant::now() + self.wait_max;
                self.timer.as_mut().reset(until);
                written
            }
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

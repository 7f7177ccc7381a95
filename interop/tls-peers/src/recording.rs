//! One connection, with every byte and secret of it kept.

use std::{
    io::{self, Read, Write},
    net::TcpStream,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustls::{ConnectionCommon, KeyLog, SideData};

/// How long a peer may be silent.
const PATIENCE: Duration = Duration::from_secs(20);

/// A socket that keeps what goes through it.
pub struct Wire {
    socket: TcpStream,
    pub sent: Vec<u8>,
    pub received: Vec<u8>,
}

impl Wire {
    pub fn new(socket: TcpStream) -> Result<Self> {
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket,
            sent: Vec::new(),
            received: Vec::new(),
        })
    }
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.socket.read(buffer)?;
        self.received.extend_from_slice(&buffer[..len]);
        Ok(len)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.socket.write(bytes)?;
        self.sent.extend_from_slice(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// Keeps the secrets of the connections made since it was last emptied.
#[derive(Debug, Default)]
pub struct Secrets(Mutex<Vec<(String, String)>>);

impl Secrets {
    pub fn take(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.0.lock().expect("no panic while held"))
    }
}

impl KeyLog for Secrets {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        let line = (label.to_owned(), hex::encode(secret));
        self.0.lock().expect("no panic while held").push(line);
    }
}

pub fn secrets() -> Arc<Secrets> {
    Arc::default()
}

/// Finishes the handshake, then one line each way, with a change of our keys before ours.
pub fn talk<D: SideData>(
    tls: &mut ConnectionCommon<D>,
    wire: &mut Wire,
    say: Option<&str>,
) -> Result<String> {
    while tls.is_handshaking() {
        tls.complete_io(wire).context("handshake")?;
    }
    // Whoever serves hears first.
    let heard = match say {
        Some(say) => {
            tls.refresh_traffic_keys()?;
            tls.writer().write_all(say.as_bytes())?;
            flush(tls, wire)?;
            line(tls, wire)?
        }
        None => {
            let heard = line(tls, wire)?;
            tls.refresh_traffic_keys()?;
            let turned: String = heard.trim_end().chars().rev().collect();
            tls.writer().write_all(turned.as_bytes())?;
            tls.writer().write_all(b"\n")?;
            flush(tls, wire)?;
            heard
        }
    };
    tls.send_close_notify();
    flush(tls, wire)?;
    Ok(heard)
}

fn flush<D: SideData>(tls: &mut ConnectionCommon<D>, wire: &mut Wire) -> Result<()> {
    while tls.wants_write() {
        tls.write_tls(wire)?;
    }
    Ok(())
}

fn line<D: SideData>(tls: &mut ConnectionCommon<D>, wire: &mut Wire) -> Result<String> {
    let mut text = Vec::new();
    while !text.ends_with(b"\n") {
        let mut buffer = [0; 1024];
        match tls.reader().read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => text.extend_from_slice(&buffer[..len]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                anyhow::ensure!(
                    tls.read_tls(wire).context("waiting for a line")? > 0,
                    "peer left"
                );
                tls.process_new_packets()?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(String::from_utf8(text)?)
}

//! HTTP/1.1 on a connection that may be used for many requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{Seen, State};

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

/// Of a request; a login has a hundred.
const BODY_BYTES_MAX: u64 = 64 * 1024;

pub(super) struct Request {
    pub seen: Seen,
    pub body: Vec<u8>,
}

pub(super) struct Answer {
    pub status: u16,
    pub kind: &'static str,
    pub header: Option<(&'static str, &'static str)>,
    pub body: String,
    /// The connection ends before the body does.
    pub is_cut: bool,
}

pub(super) fn connection(stream: TcpStream, tls: Option<Arc<ServerConfig>>, state: &Mutex<State>) {
    let wire: Box<dyn Wire> = match tls {
        None => Box::new(stream),
        Some(config) => match ServerConnection::new(config) {
            Ok(tls) => Box::new(StreamOwned::new(tls, stream)),
            Err(_) => return,
        },
    };
    let mut wire = BufReader::new(wire);
    while let Ok(Some(request)) = read(&mut wire) {
        let Ok(mut state) = state.lock() else { return };
        state.seen.push(request.seen.clone());
        let answer = state.answer(&request);
        drop(state);
        if write(wire.get_mut(), &answer).is_err() || answer.is_cut {
            return;
        }
    }
}

fn read(wire: &mut impl BufRead) -> std::io::Result<Option<Request>> {
    let mut line = String::new();
    if wire.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (mut length, mut authorization) = (0, None);
    loop {
        let mut header = String::new();
        wire.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().unwrap_or(0),
            "authorization" => authorization = Some(value.to_owned()),
            _ => {}
        }
    }
    let mut body = Vec::new();
    wire.take(length).take(BODY_BYTES_MAX).read_to_end(&mut body)?;
    let seen = Seen {
        method,
        path,
        authorization,
    };
    Ok(Some(Request { seen, body }))
}

fn write(wire: &mut impl Write, answer: &Answer) -> std::io::Result<()> {
    let more = answer
        .header
        .map_or_else(String::new, |(name, value)| format!("{name}: {value}\r\n"));
    let head = format!(
        "HTTP/1.1 {} X\r\ncontent-type: {}\r\n{more}content-length: {}\r\n\r\n",
        answer.status,
        answer.kind,
        answer.body.len()
    );
    let sent = if answer.is_cut {
        answer.body.len() / 2
    } else {
        answer.body.len()
    };
    wire.write_all(head.as_bytes())?;
    wire.write_all(&answer.body.as_bytes()[..sent])?;
    wire.flush()
}

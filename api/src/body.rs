//! A large request body on its way from the socket to a blocking reader: bounded in size, time and memory, hashed as it
//! passes, and never mistaken for whole when it is not.

use std::io::{self, Read};
use std::time::Duration;

use actix_web::error::PayloadError;
use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::error::{Kind, Problem};

/// Bounds of one body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyLimits {
    pub bytes_max: u64,
    /// Without a single byte.
    pub idle: Duration,
    /// For the whole body: 64 MiB in this time is 300 kbit/s.
    pub total: Duration,
    /// How long a refused body is still read and thrown away, so that a client that sends before it reads gets to see
    /// the answer instead of a reset connection.
    pub drain: Duration,
}

impl BodyLimits {
    pub const EXPORT: BodyLimits = BodyLimits {
        bytes_max: 64 * 1024 * 1024,
        idle: Duration::from_secs(60),
        total: Duration::from_secs(30 * 60),
        drain: Duration::from_secs(10),
    };
    pub const SMALL: BodyLimits = BodyLimits {
        bytes_max: crate::error::SMALL_BODY_MAX as u64,
        idle: Duration::from_secs(10),
        total: Duration::from_secs(20),
        drain: Duration::ZERO,
    };
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self::EXPORT
    }
}

/// Chunks under way between socket and reader. Each has at most 64 KiB or so; the rest waits in the kernel.
const CHUNKS_MAX: usize = 16;

/// Why a body did not arrive whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyFault {
    TooLarge,
    /// No byte, or not the last one, came in time.
    Slow,
    /// The connection ended, or its framing broke, before the body did.
    Incomplete,
}

impl BodyFault {
    pub fn problem(self, limits: &BodyLimits) -> Problem {
        match self {
            Self::TooLarge => Problem::too_large(limits.bytes_max),
            Self::Slow => Problem::new(
                Kind::Timeout,
                format!(
                    "the body stopped arriving (at most {} s without a byte, {} s in all)",
                    limits.idle.as_secs(),
                    limits.total.as_secs()
                ),
            )
            .closing(),
            Self::Incomplete => Problem::new(
                Kind::BadRequest,
                "the body ended before it was complete; nothing was done",
            )
            .closing(),
        }
    }
}

/// A body that arrived whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    pub bytes: u64,
    pub sha256: [u8; 32],
}

enum Piece {
    Bytes(Bytes),
    End,
}

/// The reading end, for a blocking thread. A sender that goes away without saying that the body ended is an error.
pub struct BodyReader {
    pieces: mpsc::Receiver<Piece>,
    current: Bytes,
    ended: bool,
}

/// The writing end, for [`receive`].
pub struct BodySender(mpsc::Sender<Piece>);

pub fn channel() -> (BodySender, BodyReader) {
    let (sender, pieces) = mpsc::channel(CHUNKS_MAX);
    let reader = BodyReader {
        pieces,
        current: Bytes::new(),
        ended: false,
    };
    (BodySender(sender), reader)
}

impl Read for BodyReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.ended {
            match self.pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.current = bytes,
                Some(Piece::End) => self.ended = true,
                None => return Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            }
        }
        let n = into.len().min(self.current.len());
        self.current.copy_to_slice(&mut into[..n]);
        Ok(n)
    }
}

/// Moves the body from `payload` to `to`. When the reader has seen enough and is gone, or the body is refused, the rest is
/// drained within its bound. Dropping the future drops the sender, which tells the reader that the body is not whole.
pub async fn receive<S>(mut payload: S, to: BodySender, limits: &BodyLimits) -> Result<Received, BodyFault>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let end_by = Instant::now() + limits.total;
    let (mut bytes, mut hash) = (0u64, Sha256::new());
    loop {
        let by = end_by.min(Instant::now() + limits.idle);
        match timeout_at(by, payload.next()).await {
            Err(_) => return Err(BodyFault::Slow),
            Ok(Some(Err(PayloadError::Overflow))) => return Err(BodyFault::TooLarge),
            Ok(Some(Err(_))) => return Err(BodyFault::Incomplete),
            Ok(None) => break,
            Ok(Some(Ok(chunk))) => {
                bytes += chunk.len() as u64;
                if bytes > limits.bytes_max {
                    drop(to);
                    drain(payload, limits).await;
                    return Err(BodyFault::TooLarge);
                }
                hash.update(&chunk);
                if to.0.send(Piece::Bytes(chunk)).await.is_err() {
                    drain(payload, limits).await;
                    break;
                }
            }
        }
    }
    // A reader that is gone has its own reason, which its caller knows.
    let _ = to.0.send(Piece::End).await;
    Ok(Received {
        bytes,
        sha256: hash.finalize().into(),
    })
}

/// Reads on without keeping anything: at most another body's worth, for a bounded time.
pub async fn drain<S>(mut payload: S, limits: &BodyLimits)
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let end_by = Instant::now() + limits.drain;
    let mut bytes = 0u64;
    while let Ok(Some(Ok(chunk))) = timeout_at(end_by, payload.next()).await {
        bytes += chunk.len() as u64;
        if bytes > limits.bytes_max {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;

    fn limits() -> BodyLimits {
        BodyLimits {
            bytes_max: 10,
            ..BodyLimits::default()
        }
    }

    fn chunks(parts: &[&'static str]) -> impl Stream<Item = Result<Bytes, PayloadError>> + Unpin + use<> {
        let parts: Vec<_> = parts.iter().map(|p| Ok(Bytes::from_static(p.as_bytes()))).collect();
        stream::iter(parts)
    }

    async fn read_all(mut reader: BodyReader) -> io::Result<String> {
        tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        })
        .await
        .unwrap()
    }

    #[actix_web::test]
    async fn a_whole_body_arrives_with_its_hash() {
        let (sender, reader) = channel();
        let text = tokio::spawn(read_all(reader));
        let got = receive(chunks(&["abc", "", "defg"]), sender, &limits()).await.unwrap();
        assert_eq!(got.bytes, 7);
        assert_eq!(got.sha256, <[u8; 32]>::from(Sha256::digest("abcdefg")));
        assert_eq!(text.await.unwrap().unwrap(), "abcdefg");
    }

    #[actix_web::test]
    async fn one_byte_too_many_is_refused_and_the_reader_learns_it() {
        let (sender, reader) = channel();
        let text = tokio::spawn(read_all(reader));
        let got = receive(chunks(&["0123456789", "x"]), sender, &limits()).await;
        assert_eq!(got, Err(BodyFault::TooLarge));
        assert_eq!(
            text.await.unwrap().unwrap_err().kind(),
            io::ErrorKind::ConnectionAborted
        );
    }

    #[actix_web::test]
    async fn a_body_cut_short_is_never_taken_for_whole() {
        let (sender, reader) = channel();
        let text = tokio::spawn(read_all(reader));
        let cut = chunks(&["{}"]).chain(stream::iter([Err(PayloadError::Incomplete(None))]));
        assert_eq!(receive(cut, sender, &limits()).await, Err(BodyFault::Incomplete));
        assert!(text.await.unwrap().is_err());
    }

    #[actix_web::test]
    async fn a_body_that_stops_is_given_up() {
        let (sender, _reader) = channel();
        let stuck = chunks(&["ab"]).chain(stream::pending());
        let short = BodyLimits {
            idle: Duration::from_millis(5),
            ..limits()
        };
        assert_eq!(receive(stuck, sender, &short).await, Err(BodyFault::Slow));
    }

    #[actix_web::test]
    async fn a_reader_that_is_gone_does_not_stop_the_sender_from_draining() {
        let (sender, reader) = channel();
        drop(reader);
        assert!(receive(chunks(&["abc", "def"]), sender, &limits()).await.is_ok());
    }
}

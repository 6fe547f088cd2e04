//! A server that answers what it is told to: moments of a real one that can't be made to happen, or not in time.

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// Answers each command (its words) with what `answer` makes of it, in RESP; what it has no answer to (none) with `OK`. Its URL.
pub async fn scripted(answer: impl FnMut(&[String]) -> Option<String> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut answer = answer;
        // one connection at a time: a store makes one
        while let Ok((near, _)) = listener.accept().await {
            let mut near = BufReader::new(near);
            while let Some(words) = command(&mut near).await {
                let reply = answer(&words).unwrap_or_else(|| "+OK\r\n".into());
                if near.get_mut().write_all(reply.as_bytes()).await.is_err() {
                    break;
                }
            }
        }
    });
    format!("redis://127.0.0.1:{port}/0")
}

/// `*<n>`, then `$<length>` and as many bytes for each word. None: the connection is closed.
async fn command(near: &mut BufReader<TcpStream>) -> Option<Vec<String>> {
    let count = number(near).await?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        let length = number(near).await?;
        let mut bytes = vec![0; length + 2];
        near.read_exact(&mut bytes).await.ok()?;
        bytes.truncate(length);
        words.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    Some(words)
}

async fn number(near: &mut BufReader<TcpStream>) -> Option<usize> {
    let mut line = String::new();
    near.read_line(&mut line).await.ok()?;
    line.trim_end().get(1..)?.parse().ok()
}

/// A bulk string.
pub fn bulk(text: &str) -> String {
    format!("${}\r\n{text}\r\n", text.len())
}

pub fn array(parts: &[String]) -> String {
    format!("*{}\r\n{}", parts.len(), parts.concat())
}

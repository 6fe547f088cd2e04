//! A few commands to Redis, without a client library: the harness looks at what the fleet keeps there, and must not look through
//! the product's own eyes.

use std::io::{BufRead, BufReader, Error, Read, Result, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Nil,
    Int(i64),
    Text(Vec<u8>),
    List(Vec<Reply>),
}

impl Reply {
    pub fn text(&self) -> String {
        match self {
            Reply::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Reply::Int(n) => n.to_string(),
            Reply::Nil | Reply::List(_) => String::new(),
        }
    }

    /// Empty for what is no list.
    pub fn list(&self) -> &[Reply] {
        match self {
            Reply::List(items) => items,
            _ => &[],
        }
    }
}

/// One connection.
pub struct Resp(BufReader<TcpStream>);

impl Resp {
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect_timeout(&(Ipv4Addr::LOCALHOST, port).into(), TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        Ok(Resp(BufReader::new(stream)))
    }

    pub fn call(&mut self, words: &[&str]) -> Result<Reply> {
        let mut line = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            line.extend_from_slice(format!("${}\r\n{word}\r\n", word.len()).as_bytes());
        }
        self.0.get_mut().write_all(&line)?;
        self.reply()
    }

    fn reply(&mut self) -> Result<Reply> {
        let mut line = String::new();
        if self.0.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let (kind, rest) = line
            .trim_end()
            .split_at_checked(1)
            .ok_or_else(|| Error::other("an empty reply"))?;
        let number = || {
            rest.parse::<i64>()
                .map_err(|_| Error::other(format!("unexpected reply {line:?}")))
        };
        match kind {
            "+" => Ok(Reply::Text(rest.as_bytes().to_vec())),
            "-" => Err(Error::other(rest.to_owned())),
            ":" => Ok(Reply::Int(number()?)),
            "$" => match usize::try_from(number()?) {
                Err(_) => Ok(Reply::Nil),
                Ok(length) => {
                    let mut bytes = vec![0; length + 2];
                    self.0.read_exact(&mut bytes)?;
                    bytes.truncate(length);
                    Ok(Reply::Text(bytes))
                }
            },
            "*" => match number()? {
                count if count < 0 => Ok(Reply::Nil),
                count => (0..count).map(|_| self.reply()).collect::<Result<_>>().map(Reply::List),
            },
            _ => Err(Error::other(format!("unexpected reply {line:?}"))),
        }
    }
}

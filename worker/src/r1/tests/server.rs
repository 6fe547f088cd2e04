//! A server for tests: one request at a time a connection, each answered as a script says.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

/// A request as it came.
#[derive(Clone)]
pub struct Seen {
    pub method: String,
    /// With the query.
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    pub fn is_login(&self) -> bool {
        self.target.starts_with("/oauth2/token/")
    }
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
    pub fn token(&self) -> &str {
        self.header("authorization").unwrap().strip_prefix("Bearer ").unwrap()
    }
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
    /// `page` of the body, or of the query.
    pub fn page(&self) -> u64 {
        match self.target.split_once("page=") {
            Some((_, rest)) => rest.split('&').next().unwrap().parse().unwrap(),
            None => self.json()["page"].as_u64().unwrap(),
        }
    }
}

/// What to do with a request.
pub enum Act {
    Reply {
        status: u16,
        headers: Vec<(String, String)>,
        body: Vec<u8>,
    },
    /// These bytes, then the connection is closed.
    Raw(Vec<u8>),
    /// Nothing, for as long as the client stays.
    Hang,
    /// The other thing, once told to.
    After(Arc<Notify>, Box<Act>),
}

impl Act {
    pub fn json(status: u16, body: &str) -> Self {
        Self::typed(status, "application/json", body)
    }
    pub fn typed(status: u16, content_type: &str, body: &str) -> Self {
        let headers = vec![("Content-Type".to_owned(), content_type.to_owned())];
        Act::Reply {
            status,
            headers,
            body: body.as_bytes().to_vec(),
        }
    }
    pub fn html(status: u16) -> Self {
        Self::typed(
            status,
            "text/html",
            "<html><body><h1>upstream connect error or disconnect/reset before headers</h1></body></html>",
        )
    }
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let Act::Reply { headers, .. } = &mut self {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }
}

type Script = dyn Fn(&Seen) -> Act + Send + Sync;

pub struct Server {
    port: u16,
    log: Arc<Mutex<Vec<Seen>>>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Server {
    pub async fn start(script: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (script, kept): (Arc<Script>, _) = (Arc::new(script), log.clone());
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connection(stream, script.clone(), kept.clone()));
            }
        });
        Server { port, log, accepting }
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
    pub fn logins(&self) -> usize {
        self.log.lock().unwrap().iter().filter(|s| s.is_login()).count()
    }
    /// Everything but logins.
    pub fn calls(&self) -> Vec<Seen> {
        self.log
            .lock()
            .unwrap()
            .iter()
            .filter(|s| !s.is_login())
            .cloned()
            .collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn connection(mut stream: TcpStream, script: Arc<Script>, log: Arc<Mutex<Vec<Seen>>>) {
    while let Some(seen) = request(&mut stream).await {
        log.lock().unwrap().push(seen.clone());
        let mut act = script(&seen);
        while let Act::After(told, then) = act {
            told.notified().await;
            act = *then;
        }
        let (status, headers, body) = match act {
            Act::Reply { status, headers, body } => (status, headers, body),
            Act::Raw(bytes) => {
                let _ = stream.write_all(&bytes).await;
                return;
            }
            Act::Hang | Act::After(..) => {
                // Until the client closes.
                let _ = stream.read(&mut [0; 1]).await;
                return;
            }
        };
        let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n", body.len());
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        head += "\r\n";
        if stream.write_all(&[head.as_bytes(), &body].concat()).await.is_err() {
            return;
        }
    }
}

async fn request(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n");
    let mut first = lines.next()?.split(' ');
    let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
    let headers: Vec<(String, String)> = lines
        .filter_map(|l| l.split_once(": "))
        .map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(n, _)| n == "content-length")
        .map_or(0, |(_, v)| v.parse().unwrap());
    let mut body = bytes[head_end + 4..].to_vec();
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some(Seen {
        method,
        target,
        headers,
        body: String::from_utf8(body).unwrap(),
    })
}

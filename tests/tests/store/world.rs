//! Redis servers behind one address that can be pointed elsewhere, as a failover does.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst};
use std::time::{Duration, Instant};

use shared::config::Settings;
use shared::id::WorkerId;
use shared::seal::Sealer;
use shared::store::{Partition, Store, StoreError};
use testkit::redis_server::{Options, RedisServer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The longest a time-out, three of them and a reconnect may take together on a busy machine.
const LIMIT: Duration = Duration::from_secs(40);

pub fn server() -> RedisServer {
    RedisServer::start(Options {
        appendonly: true,
        ..Options::default()
    })
    .unwrap()
}

pub fn settings(url: &str) -> Settings {
    let key = Sealer::generate_key();
    Settings::from_pairs(&[("PAYLOAD_KEY", &key), ("REDIS_URL", url)]).unwrap()
}

pub fn store(url: &str) -> Store {
    let s = settings(url);
    Store::open(&s.redis, &s.engine).unwrap()
}

/// Anything that writes.
pub async fn write(store: &Store) -> Result<(), StoreError> {
    let worker: WorkerId = WorkerId::generate();
    store
        .heartbeat(Partition(0), &worker, 1, "{}", 1_000, &[])
        .await
        .map(drop)
}

/// Tries until it succeeds.
pub async fn recovers<T, F: Future<Output = Result<T, StoreError>>>(what: &str, mut try_it: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        match try_it().await {
            Ok(v) => return v,
            Err(e) => assert!(e.is_transient() && Instant::now() < deadline, "{what}: {e}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub async fn admin(server: &RedisServer) -> redis::aio::MultiplexedConnection {
    let client = redis::Client::open(server.url()).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

/// One command of words.
pub async fn tell(c: &mut redis::aio::MultiplexedConnection, words: &[&str]) {
    let mut cmd = redis::cmd(words[0]);
    cmd.arg(&words[1..]);
    cmd.query_async::<redis::Value>(c).await.unwrap();
}

/// Passes new connections on to the server it is pointed to; those there are stay where they are.
pub struct Address {
    pub port: u16,
    target: Arc<AtomicU16>,
    accepted: Arc<AtomicUsize>,
    accepting: tokio::task::JoinHandle<()>,
}

impl Address {
    pub async fn of(server: &RedisServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, accepted) = (Arc::new(AtomicU16::new(server.port())), Arc::default());
        let (to, count): (_, Arc<AtomicUsize>) = (target.clone(), Arc::clone(&accepted));
        let accepting = tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                count.fetch_add(1, SeqCst);
                let to = to.load(SeqCst);
                tokio::spawn(async move {
                    if let Ok(mut far) = TcpStream::connect(("127.0.0.1", to)).await {
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                });
            }
        });
        Address {
            port,
            target,
            accepted,
            accepting,
        }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    pub fn point_to(&self, server: &RedisServer) {
        self.point_to_port(server.port());
    }

    pub fn point_to_port(&self, port: u16) {
        self.target.store(port, SeqCst);
    }

    /// Connections so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(SeqCst)
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Something that answers `-LOADING` to whatever is sent, also to the first words of a connection. Its port.
pub async fn loading() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut buf = [0; 4096];
                while near.read(&mut buf).await.is_ok_and(|n| n > 0) {
                    let answer = "-LOADING Redis is loading the dataset in memory\r\n".repeat(8);
                    if near.write_all(answer.as_bytes()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    port
}

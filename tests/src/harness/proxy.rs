//! A TCP proxy whose weather can be told, between two processes of a fleet.
//!
//! Runs as tasks of whoever started it and ends with it. What is under way when the weather changes meets the new weather.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Read at once. A request to the simulated RUCKUS One or a script call to Redis is rarely larger.
const CHUNK: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weather {
    /// Everything passes.
    #[default]
    Fair,
    /// Connections are accepted and kept, nothing passes. What was sent meanwhile arrives late, as over any network that heals:
    /// also what came from a process that has given it up or is dead.
    BlackHole,
    /// Every chunk, there and back, takes so long.
    Delay(Duration),
    /// Requests pass; of the answer nothing does, and the connection breaks where it would begin.
    Cut,
    /// Connections break at once: those that are there, and those that come.
    Refuse,
}

/// Ends with its connections when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    weather: watch::Sender<Weather>,
    cuts: Arc<AtomicU64>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// On a free port of loopback, in front of `target`, which need not be there yet.
    pub async fn start(target: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (weather, seen) = watch::channel(Weather::Fair);
        let cuts = Arc::new(AtomicU64::new(0));
        let counted = cuts.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut connection = Connection {
                    weather: seen.clone(),
                    cuts: counted.clone(),
                };
                // ends when the sender of the weather is gone: see `Connection::watched`
                tokio::spawn(async move { connection.serve(client, target).await });
            }
        });
        Ok(Proxy {
            address,
            weather,
            cuts,
            accepting,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }

    pub fn weather(&self) -> Weather {
        *self.weather.borrow()
    }

    /// Answers that were cut off so far.
    pub fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// The connection is to be broken.
struct Broken;

impl From<std::io::Error> for Broken {
    fn from(_: std::io::Error) -> Self {
        Broken
    }
}

#[derive(Clone)]
struct Connection {
    weather: watch::Receiver<Weather>,
    cuts: Arc<AtomicU64>,
}

impl Connection {
    async fn serve(&mut self, client: TcpStream, target: SocketAddr) {
        let mut watched = self.clone();
        let carried = async {
            self.clone().passable().await?;
            let server = TcpStream::connect(target).await?;
            // chunks are passed on as they come
            let _ = (client.set_nodelay(true), server.set_nodelay(true));
            let (client, server) = (client.into_split(), server.into_split());
            let (mut there, mut back) = (self.clone(), self.clone());
            tokio::try_join!(
                there.carry(client.0, server.1, false),
                back.carry(server.0, client.1, true)
            )?;
            Ok::<(), Broken>(())
        };
        tokio::select! {
            _ = carried => {}
            _ = watched.weather.wait_for(|weather| *weather == Weather::Refuse) => {}
        }
    }

    async fn carry(&mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_answer: bool) -> Result<(), Broken> {
        let mut chunk = vec![0; CHUNK];
        loop {
            let length = from.read(&mut chunk).await?;
            self.passable().await?;
            if length == 0 {
                let _ = to.shutdown().await;
                return Ok(());
            }
            if is_answer && *self.weather.borrow() == Weather::Cut {
                self.cuts.fetch_add(1, Ordering::Relaxed);
                return Err(Broken);
            }
            to.write_all(&chunk[..length]).await?;
        }
    }

    /// Waits until the weather lets something pass.
    async fn passable(&mut self) -> Result<(), Broken> {
        loop {
            let weather = *self.weather.borrow_and_update();
            match weather {
                Weather::Fair | Weather::Cut => return Ok(()),
                Weather::Refuse => return Err(Broken),
                Weather::BlackHole => self.weather.changed().await.map_err(|_| Broken)?,
                Weather::Delay(time) => {
                    tokio::time::sleep(time).await;
                    // it may have turned meanwhile: a black hole holds what was only late
                    if *self.weather.borrow() == weather {
                        return Ok(());
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::harness::wait_until;

    const TIMEOUT: Duration = Duration::from_secs(10);

    /// Answers every byte it gets with the same byte, and counts them.
    async fn echo() -> (SocketAddr, Arc<AtomicU64>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Arc::new(AtomicU64::new(0)));
        let counted = heard.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let counted = counted.clone();
                tokio::spawn(async move {
                    while let Ok(byte) = stream.read_u8().await {
                        counted.fetch_add(1, Ordering::SeqCst);
                        if stream.write_u8(byte).await.is_err() {
                            break;
                        }
                    }
                });
            }
        });
        (address, heard)
    }

    async fn set() -> (Proxy, TcpStream, Arc<AtomicU64>) {
        let (target, heard) = echo().await;
        let proxy = Proxy::start(target).await.unwrap();
        let client = TcpStream::connect(proxy.address()).await.unwrap();
        (proxy, client, heard)
    }

    async fn asked(client: &mut TcpStream, byte: u8) -> std::io::Result<u8> {
        client.write_u8(byte).await?;
        let answer = tokio::time::timeout(TIMEOUT, client.read_u8());
        answer.await.expect("an answer or a broken connection")
    }

    async fn until(heard: &AtomicU64, count: u64) {
        let what = format!("{count} bytes to arrive");
        let arrived = wait_until(&what, TIMEOUT, async || {
            (heard.load(Ordering::SeqCst) == count).then_some(())
        });
        arrived.await.unwrap();
    }

    #[tokio::test]
    async fn in_fair_weather_everything_passes_and_an_end_is_an_end() {
        let (proxy, mut client, heard) = set().await;
        for byte in 0..50 {
            assert_eq!(asked(&mut client, byte).await.unwrap(), byte);
        }
        client.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!((heard.load(Ordering::SeqCst), proxy.cuts()), (50, 0));
    }

    #[tokio::test]
    async fn a_black_hole_accepts_and_keeps_and_what_was_sent_arrives_when_it_heals() {
        let (proxy, mut old, heard) = set().await;
        assert_eq!(asked(&mut old, 1).await.unwrap(), 1);
        proxy.set(Weather::BlackHole);
        let mut new = TcpStream::connect(proxy.address()).await.unwrap();
        for client in [&mut old, &mut new] {
            client.write_u8(7).await.unwrap();
        }
        // another connection to the target itself is answered: what was sent before had its time to arrive
        let mut beside = TcpStream::connect(echo().await.0).await.unwrap();
        for byte in 0..200 {
            asked(&mut beside, byte).await.unwrap();
        }
        assert_eq!(heard.load(Ordering::SeqCst), 1);
        assert!(old.try_read(&mut [0; 1]).is_err() && new.try_read(&mut [0; 1]).is_err());
        proxy.set(Weather::Fair);
        until(&heard, 3).await;
        for client in [&mut old, &mut new] {
            assert_eq!(client.read_u8().await.unwrap(), 7);
        }
    }

    #[tokio::test]
    async fn what_a_dead_process_sent_into_a_black_hole_arrives_late() {
        let (proxy, mut client, heard) = set().await;
        proxy.set(Weather::BlackHole);
        client.write_u8(7).await.unwrap();
        drop(client);
        proxy.set(Weather::Fair);
        until(&heard, 1).await;
    }

    #[tokio::test]
    async fn a_cut_lets_the_request_arrive_and_breaks_before_the_answer() {
        let (proxy, mut client, heard) = set().await;
        assert_eq!(asked(&mut client, 1).await.unwrap(), 1);
        proxy.set(Weather::Cut);
        assert!(asked(&mut client, 2).await.is_err());
        assert_eq!((heard.load(Ordering::SeqCst), proxy.cuts()), (2, 1));
        proxy.set(Weather::Fair);
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(asked(&mut client, 3).await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_delay_is_there_and_back() {
        let (proxy, mut client, _) = set().await;
        let late = Duration::from_millis(60);
        proxy.set(Weather::Delay(late));
        let began = Instant::now();
        assert_eq!(asked(&mut client, 1).await.unwrap(), 1);
        assert!(began.elapsed() >= late * 2);
    }

    #[tokio::test]
    async fn who_is_refused_is_refused_at_once_and_only_so_long() {
        let (proxy, mut client, heard) = set().await;
        assert_eq!(asked(&mut client, 1).await.unwrap(), 1);
        proxy.set(Weather::Refuse);
        assert!(matches!(client.read(&mut [0; 1]).await, Ok(0) | Err(_)));
        let mut next = TcpStream::connect(proxy.address()).await.unwrap();
        // broken before or after it was written
        assert!(asked(&mut next, 2).await.is_err());
        proxy.set(Weather::Fair);
        let mut client = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(asked(&mut client, 3).await.unwrap(), 3);
        assert_eq!(heard.load(Ordering::SeqCst), 2);
    }
}

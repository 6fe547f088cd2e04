//! A way to Redis that ends at a commit point: the script call is carried out and its answer never comes, or it never arrives; and nothing
//! passes any more.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What ends it: a call of this script about one of these phases.
#[derive(Debug)]
pub struct Fuse {
    sha: Vec<u8>,
    arrives: bool,
    /// Once each, at the so manieth call about it.
    left: Mutex<BTreeMap<String, u32>>,
}

impl Fuse {
    /// `nth` from 1. `arrives`: it is carried out.
    pub fn new(sha: &str, nth: u32, arrives: bool, phases: impl IntoIterator<Item = String>) -> Self {
        Fuse {
            sha: sha.as_bytes().to_vec(),
            arrives,
            left: Mutex::new(phases.into_iter().map(|phase| (phase, nth)).collect()),
        }
    }

    /// Phases that were never met.
    pub fn left(&self) -> usize {
        self.left.lock().unwrap().len()
    }

    /// The phase the request commits something of, if it is to end here.
    fn met(&self, request: &[u8]) -> Option<String> {
        let at = request.windows(self.sha.len()).position(|w| w == self.sha)?;
        // an argument of its own
        let named = |phase: &String| {
            let argument = format!("\r\n{phase}\r\n");
            request[at..].windows(argument.len()).any(|w| w == argument.as_bytes())
        };
        let mut left = self.left.lock().unwrap();
        let (phase, calls) = left.iter_mut().find(|(phase, _)| named(phase))?;
        *calls -= 1;
        let met = (*calls == 0).then(|| phase.clone())?;
        left.remove(&met);
        Some(met)
    }
}

/// Stands before Redis for one worker. Ends with its connections when dropped.
pub struct Tap {
    pub address: SocketAddr,
    met: watch::Receiver<Option<String>>,
    accepting: JoinHandle<()>,
}

impl Tap {
    pub async fn start(redis: SocketAddr, fuse: Arc<Fuse>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, met) = watch::channel(None);
        let end = Arc::new(end);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (fuse, end) = (fuse.clone(), end.clone());
                tokio::spawn(async move {
                    let ended = end.subscribe();
                    tokio::select! {
                        () = pass(client, redis, &fuse, &end) => {}
                        () = over(ended) => {}
                    }
                });
            }
        });
        Tap {
            address,
            met,
            accepting,
        }
    }

    /// The phase at whose commit it ended.
    pub async fn ended(&self) -> String {
        let mut met = self.met.clone();
        let seen = met.wait_for(Option::is_some).await;
        seen.expect("it ends when it is dropped").clone().expect("it is some")
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn over(mut ended: watch::Receiver<Option<String>>) {
    // the sender goes with the tap
    let _ = ended.wait_for(Option::is_some).await;
}

async fn pass(mut client: TcpStream, redis: SocketAddr, fuse: &Fuse, end: &watch::Sender<Option<String>>) {
    let Ok(mut server) = TcpStream::connect(redis).await else {
        return;
    };
    let (mut there, mut back) = (vec![0; 1 << 20], vec![0; 1 << 16]);
    loop {
        let passed = tokio::select! {
            read = client.read(&mut there) => match read {
                Ok(n @ 1..) => {
                    let met = fuse.met(&there[..n]);
                    if (met.is_none() || fuse.arrives) && server.write_all(&there[..n]).await.is_err() {
                        return;
                    }
                    if let Some(phase) = met {
                        if fuse.arrives {
                            // it is carried out when there is an answer
                            let _ = tokio::time::timeout(Duration::from_secs(5), server.read(&mut back)).await;
                        }
                        end.send_replace(Some(phase));
                        return;
                    }
                    true
                }
                _ => false,
            },
            read = server.read(&mut back) => match read {
                Ok(n @ 1..) => client.write_all(&back[..n]).await.is_ok(),
                _ => false,
            },
        };
        if !passed {
            return;
        }
    }
}

//! A private `redis-server` for a test: its own directory, a free loopback port, killed and removed when dropped.
//!
//! It may be killed and started again on the same data (`kill` + `restart`), frozen (`pause`/`resume`, SIGSTOP and SIGCONT), or
//! started with little memory, an append-only file, or as a one-node cluster.

#![expect(clippy::disallowed_methods, reason = "waits for a process, without a runtime")]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Until a fresh server answers: a busy machine may need seconds for what takes 30 ms.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// Ports tried before giving up; another test may take one between our look and the server's bind.
const PORT_TRIES: u32 = 20;
/// Below the range the kernel gives to outgoing connections (32768 up), so a killed server's port stays free for its restart.
const PORTS: std::ops::Range<u32> = 15_000..32_000;

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("redis-server is not installed (or not on PATH, or not named by REDIS_SERVER_BIN): {0}")]
    Missing(std::io::Error),
    #[error("redis-server did not start on port {port}: {log}")]
    NotStarted { port: u16, log: String },
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// How the server is started. The default keeps nothing on disk.
#[derive(Debug, Clone, Default)]
pub struct Options {
    pub appendonly: bool,
    /// `always`, `everysec` (the default) or `no`.
    pub appendfsync: Option<&'static str>,
    /// Bytes; the policy is `noeviction`.
    pub maxmemory: Option<u64>,
    /// A cluster of one node; its slots are still to be assigned.
    pub cluster: bool,
    /// A sentinel instead: what stands in its file, without port and folder.
    pub sentinel: Option<String>,
    /// Its files in memory (`/dev/shm`), where there is such a thing: they survive a kill of the process all the same, and
    /// `appendfsync always` costs nothing.
    pub in_memory: bool,
    /// None: a free one.
    pub port: Option<u16>,
    /// None: `REDIS_SERVER_BIN`, or `redis-server` on PATH.
    pub binary: Option<PathBuf>,
    /// More `--name value` pairs.
    pub extra: Vec<(&'static str, String)>,
}

/// A running (or killed, but restartable) server.
#[derive(Debug)]
pub struct RedisServer {
    options: Options,
    port: u16,
    dir: tempfile::TempDir,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    pub fn start(options: Options) -> Result<Self, ServerError> {
        let memory = Path::new("/dev/shm");
        let mut named = tempfile::Builder::new();
        named.prefix("phaseline-redis-");
        let dir = if options.in_memory && memory.is_dir() {
            named.tempdir_in(memory)?
        } else {
            named.tempdir()?
        };
        let mut server = RedisServer {
            port: 0,
            options,
            dir,
            child: None,
        };
        let mut last = None;
        for _ in 0..PORT_TRIES {
            server.port = match server.options.port {
                Some(p) => p,
                None => free_port()?,
            };
            match server.spawn(START_TIMEOUT) {
                Ok(()) => return Ok(server),
                Err(e @ ServerError::NotStarted { .. }) if server.options.port.is_none() => last = Some(e),
                Err(e) => return Err(e),
            }
        }
        Err(last.unwrap_or(ServerError::NotStarted {
            port: server.port,
            log: String::new(),
        }))
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Where it keeps its files and its log (`log`).
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts it again on the same port and files; kills it first when it runs.
    pub fn restart(&mut self) -> Result<(), ServerError> {
        self.kill();
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            match self.spawn(START_TIMEOUT) {
                // somebody has the port for a moment: it is ours by right, try again
                Err(ServerError::NotStarted { .. }) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                other => return other,
            }
        }
    }

    /// SIGSTOP: it accepts connections (the kernel does) and answers nothing.
    pub fn pause(&self) -> Result<(), ServerError> {
        self.signal("-STOP")
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<(), ServerError> {
        self.signal("-CONT")
    }

    fn signal(&self, name: &str) -> Result<(), ServerError> {
        let Some(pid) = self.pid() else { return Ok(()) };
        let done = Command::new("kill").arg(name).arg(pid.to_string()).status()?;
        if done.success() {
            Ok(())
        } else {
            Err(std::io::Error::other(format!("kill {name} {pid} failed")).into())
        }
    }

    fn spawn(&mut self, timeout: Duration) -> Result<(), ServerError> {
        let binary = match &self.options.binary {
            Some(path) => path.clone().into_os_string(),
            None => std::env::var_os("REDIS_SERVER_BIN").unwrap_or_else(|| "redis-server".into()),
        };
        let dir: PathBuf = self.dir.path().to_owned();
        let yes = |b: bool| if b { "yes" } else { "no" };
        let mut c = Command::new(binary);
        if let Some(text) = &self.options.sentinel {
            // it writes its file anew, with what it has learned
            let file = dir.join("sentinel.conf");
            if !file.exists() {
                std::fs::write(&file, text)?;
            }
            c.arg(file).arg("--sentinel");
        }
        c.args(["--bind", "127.0.0.1", "--save", "", "--logfile", "log"])
            .args(["--port", &self.port.to_string()])
            .arg("--dir")
            .arg(&dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        if self.options.sentinel.is_none() {
            c.args(["--appendonly", yes(self.options.appendonly)])
                .args(["--appendfsync", self.options.appendfsync.unwrap_or("everysec")])
                .args(["--enable-debug-command", "local"]);
        }
        if let Some(bytes) = self.options.maxmemory {
            c.args(["--maxmemory", &bytes.to_string(), "--maxmemory-policy", "noeviction"]);
        }
        if self.options.cluster {
            let bus = free_port()?;
            c.args(["--cluster-enabled", "yes", "--cluster-port", &bus.to_string()]);
        }
        for (name, value) in &self.options.extra {
            c.arg(format!("--{name}")).arg(value);
        }
        let child = c.spawn().map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => ServerError::Missing(e),
            _ => ServerError::Io(e),
        })?;
        let pid = child.id();
        self.child = Some(child);
        let deadline = Instant::now() + timeout;
        loop {
            if answers(self.port, pid) {
                return Ok(());
            }
            let exited = match &mut self.child {
                Some(c) => c.try_wait()?.is_some(),
                None => true,
            };
            if exited || Instant::now() >= deadline {
                self.kill();
                return Err(ServerError::NotStarted {
                    port: self.port,
                    log: tail(&dir.join("log")),
                });
            }
            std::thread::sleep(Duration::from_millis(4));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether *this* process answers on the port: a stranger that took it first would answer a PING just as well.
fn answers(port: u16, pid: u32) -> bool {
    let ask = || -> std::io::Result<String> {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut s = TcpStream::connect_timeout(&addr, Duration::from_millis(500))?;
        s.set_read_timeout(Some(Duration::from_millis(500)))?;
        s.write_all(b"*1\r\n$4\r\nPING\r\n*2\r\n$4\r\nINFO\r\n$6\r\nserver\r\n")?;
        let (mut seen, mut buf) = (String::new(), [0u8; 4096]);
        // the PING fails while the data is being loaded
        while !(seen.contains("-LOADING") || seen.contains("process_id:") && seen.contains("uptime_in_seconds")) {
            let n = s.read(&mut buf)?;
            if n == 0 {
                break;
            }
            seen.push_str(&String::from_utf8_lossy(&buf[..n]));
        }
        Ok(seen)
    };
    ask().is_ok_and(|seen| seen.starts_with("+PONG") && seen.contains(&format!("process_id:{pid}\r\n")))
}

/// A port nobody listens on now. Processes that ask at the same time start at different places.
fn free_port() -> std::io::Result<u16> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let clock = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.subsec_nanos());
    let span = PORTS.end - PORTS.start;
    let mut last = None;
    for _ in 0..200 {
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let mixed = (std::process::id() ^ clock.rotate_left(7))
            .wrapping_mul(2_654_435_761)
            .wrapping_add(n.wrapping_mul(7919));
        let port = u16::try_from(PORTS.start + mixed % span).expect("the range fits 16 bits");
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(e) => last = Some(e),
        }
    }
    Err(last.unwrap_or_else(|| std::io::Error::other("no free port")))
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_its_data_over_a_kill_and_is_gone_after_a_drop() {
        let mut s = RedisServer::start(Options {
            appendonly: true,
            appendfsync: Some("always"),
            ..Options::default()
        })
        .unwrap();
        let run = |port: u16, line: &[u8]| {
            let mut c = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            c.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            c.write_all(line).unwrap();
            let mut buf = [0u8; 64];
            let n = c.read(&mut buf).unwrap();
            String::from_utf8_lossy(&buf[..n]).into_owned()
        };
        assert_eq!(run(s.port(), b"SET a 7\r\n"), "+OK\r\n");
        s.kill();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, s.port())).is_err());
        s.restart().unwrap();
        assert_eq!(run(s.port(), b"GET a\r\n"), "$1\r\n7\r\n");

        s.pause().unwrap();
        let mut c = TcpStream::connect((Ipv4Addr::LOCALHOST, s.port())).unwrap();
        c.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        c.write_all(b"PING\r\n").unwrap();
        assert!(c.read(&mut [0u8; 16]).is_err(), "a stopped server answers nothing");
        s.resume().unwrap();
        c.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        assert_eq!(c.read(&mut [0u8; 16]).unwrap(), 7);

        let (port, dir) = (s.port(), s.dir().to_owned());
        drop(s);
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() && !dir.exists());
    }

    #[test]
    fn a_taken_port_is_a_clear_error() {
        let first = RedisServer::start(Options::default()).unwrap();
        let e = RedisServer::start(Options {
            port: Some(first.port()),
            ..Options::default()
        })
        .unwrap_err();
        assert!(e.to_string().contains(&first.port().to_string()), "{e}");
    }

    #[test]
    fn a_missing_binary_is_a_clear_error() {
        let e = RedisServer::start(Options {
            binary: Some("/nowhere/redis-server".into()),
            ..Options::default()
        })
        .unwrap_err();
        assert!(e.to_string().starts_with("redis-server is not installed"), "{e}");
    }
}

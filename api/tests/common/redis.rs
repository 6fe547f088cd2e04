//! A Redis server of a test's own: a fresh folder, a free port, killed at the end.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::disallowed_methods, reason = "waits for a process, without a runtime")]

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub struct Redis {
    pub port: u16,
    folder: PathBuf,
    child: Child,
}

impl Redis {
    /// `REDIS_SERVER` names the binary; `redis-server` of the path unless told.
    pub fn start(extra: &[&str]) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::start_with(port, extra)
    }

    pub fn start_on(port: u16) -> Self {
        Self::start_with(port, &[])
    }

    fn start_with(port: u16, extra: &[&str]) -> Self {
        let folder = std::env::temp_dir().join(format!("phaseline-redis-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let child = spawn(port, &folder, extra);
        let redis = Redis { port, folder, child };
        redis.wait();
        redis
    }

    fn wait(&self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not answer");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// As with `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// `-STOP`: it takes connections (the kernel does) and answers nothing; `-CONT`.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    pub fn start_again(&mut self) {
        self.child = spawn(self.port, &self.folder, &[]);
        self.wait();
    }

    /// Runs a command, e.g. `["DBSIZE"]`, in the database of the product; what `redis-cli` prints.
    pub fn cli(&self, command: &[&str]) -> Vec<u8> {
        let port = self.port.to_string();
        let output = Command::new("redis-cli")
            .args(["-p", &port, "-n", "1", "--raw"])
            .args(command)
            .output()
            .unwrap();
        assert!(output.status.success());
        output.stdout
    }

    pub fn lines(&self, command: &[&str]) -> Vec<String> {
        String::from_utf8_lossy(&self.cli(command))
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Everything ever written, as it lies on the disk.
    pub fn disk(&self) -> Vec<u8> {
        let mut all = Vec::new();
        for entry in std::fs::read_dir(self.folder.join("appendonlydir")).unwrap() {
            all.extend(std::fs::read(entry.unwrap().path()).unwrap());
        }
        all
    }
}

fn spawn(port: u16, folder: &std::path::Path, extra: &[&str]) -> Child {
    let binary = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
    Command::new(binary)
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir"])
        .arg(folder)
        .args(["--appendonly", "yes", "--save", "", "--maxmemory-policy", "noeviction"])
        .args(extra)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server is installed, or REDIS_SERVER names it")
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

//! One process of ours: its log file, signals, and its certain end.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;

use super::guard::Guard;
use super::wait::wait_until;

/// How long a process may take to end after SIGTERM: the workers' grace time and some.
const END_TIMEOUT: Duration = Duration::from_secs(40);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Kill,
    Stop,
    Continue,
    Terminate,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Signal::Kill => "KILL",
            Signal::Stop => "STOP",
            Signal::Continue => "CONT",
            Signal::Terminate => "TERM",
        }
    }
}

/// Sends a signal to a process that is ours and not yet waited for.
pub fn signal(pid: u32, signal: Signal) -> std::io::Result<()> {
    let done = Command::new("sh")
        .args(["-c", &format!("kill -s {} {pid}", signal.name())])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if done.success() {
        Ok(())
    } else {
        Err(std::io::Error::other(format!(
            "cannot send SIG{} to process {pid}",
            signal.name()
        )))
    }
}

/// Killed and waited for when dropped.
pub struct Process {
    pub name: String,
    pub log: PathBuf,
    child: Child,
    guard: Guard,
    ended: Option<ExitStatus>,
}

impl Process {
    /// Starts it in a process group of its own, so that Ctrl-C at the terminal reaches us alone; both outputs go to `<name>.log`.
    pub fn spawn(name: &str, mut command: Command, folder: &Path, guard: &Guard) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = OpenOptions::new().create(true).append(true).open(&log);
        let file: File = file.with_context(|| format!("cannot write {}", log.display()))?;
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0);
        let child = command
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        guard.watch(child.id());
        Ok(Process {
            name: name.to_owned(),
            log,
            child,
            guard: guard.clone(),
            ended: None,
        })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn is_running(&mut self) -> bool {
        self.status().is_none()
    }

    fn status(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            self.guard.forget(self.child.id());
            self.ended = Some(status);
        }
        self.ended
    }

    pub fn signal(&mut self, what: Signal) -> std::io::Result<()> {
        if !self.is_running() {
            return Err(std::io::Error::other(format!("{} has ended", self.name)));
        }
        signal(self.pid(), what)
    }

    /// SIGKILL, and waits until it is gone.
    pub fn kill(&mut self) {
        if self.is_running() {
            let _ = self.child.kill();
            if let Ok(status) = self.child.wait() {
                self.guard.forget(self.child.id());
                self.ended = Some(status);
            }
        }
    }

    /// SIGTERM, and waits until it has ended by itself.
    pub async fn terminate(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::Terminate)?;
        self.ended_within(END_TIMEOUT).await
    }

    pub async fn ended_within(&mut self, timeout: Duration) -> anyhow::Result<ExitStatus> {
        let what = format!("{} to end", self.name);
        wait_until(&what, timeout, async || self.status())
            .await
            .map_err(Into::into)
    }

    /// The first JSON line of the log, from byte `from` on, whose message begins with `message`.
    pub fn logged(&self, message: &str, from: u64) -> Option<Value> {
        let text = std::fs::read(&self.log).ok()?;
        let text = String::from_utf8_lossy(text.get(usize::try_from(from).ok()?..)?).into_owned();
        text.lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .find(|line| line["message"].as_str().is_some_and(|m| m.starts_with(message)))
    }

    /// The log's last lines, for an error message.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        format!("{}:\n  {}", self.log.display(), lines.join("\n  "))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

//! Kills what is left when this process dies without cleaning up.
//!
//! A small shell reads our processes' ids from a pipe. When the pipe closes, because we ended in whatever way (SIGKILL included), it
//! kills those that were not taken off the list again. It ignores Ctrl-C and hangs on to nothing else.

use std::io::Write;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

const SCRIPT: &str = r#"trap '' INT TERM HUP
pids=
while read -r op pid; do
  case $op in
    +) pids="$pids $pid" ;;
    -) rest=; for p in $pids; do [ "$p" = "$pid" ] || rest="$rest $p"; done; pids=$rest ;;
  esac
done
for p in $pids; do kill -s KILL "$p" 2>/dev/null; done
exit 0"#;

/// One for all processes of a fleet. Cheap to clone.
#[derive(Clone)]
pub struct Guard(Arc<Mutex<Shell>>);

struct Shell {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Guard {
    pub fn start() -> std::io::Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", SCRIPT])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let pipe = child.stdin.take();
        Ok(Guard(Arc::new(Mutex::new(Shell { child, pipe }))))
    }

    /// The process must not outlive us.
    pub fn watch(&self, pid: u32) {
        self.tell('+', pid);
    }

    /// It is gone and waited for: its id may soon be somebody else's.
    pub fn forget(&self, pid: u32) {
        self.tell('-', pid);
    }

    fn tell(&self, op: char, pid: u32) {
        let mut shell = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pipe) = &mut shell.pipe {
            // without the guard everything works but the cleaning up after a SIGKILL
            let _ = writeln!(pipe, "{op} {pid}");
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        drop(self.pipe.take());
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    #[test]
    fn what_is_still_watched_dies_with_the_guard_and_what_was_forgotten_lives() {
        let sleeper = || Command::new("sleep").arg("60").spawn().unwrap();
        let (mut watched, mut forgotten) = (sleeper(), sleeper());
        let guard = Guard::start().unwrap();
        guard.watch(watched.id());
        guard.watch(forgotten.id());
        guard.forget(forgotten.id());
        drop(guard);
        assert_eq!(watched.wait().unwrap().signal(), Some(9));
        assert!(forgotten.try_wait().unwrap().is_none());
        forgotten.kill().unwrap();
        forgotten.wait().unwrap();
    }
}

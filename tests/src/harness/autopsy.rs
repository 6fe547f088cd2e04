//! What stays of a fleet whose test fails: its logs are kept below the target folder, their ends and the fleet's state are printed.
//!
//! Runs when the fleet is dropped while a panic unwinds, before anything of it is killed. A test that passes takes away what an
//! earlier failure of it had left.

use std::fs;
use std::path::{Path, PathBuf};

use super::dump::dump;
use super::fleet::Fleet;

/// Lines of each log that are printed; the files have all.
const LINES: usize = 40;

/// Called when the fleet ends.
pub fn perform(fleet: &Fleet) {
    let Some(folder) = folder() else { return };
    // whatever is there is of an earlier run
    let _ = fs::remove_dir_all(&folder);
    if !std::thread::panicking() {
        return;
    }
    let state = dump(fleet);
    let mut told = format!("\n==== what the fleet was doing; kept in {}\n{state}", folder.display());
    let kept = fs::create_dir_all(&folder).and_then(|()| fs::write(folder.join("state.txt"), &state));
    if let Err(e) = kept {
        told.push_str(&format!("(not kept: {e})\n"));
    }
    for (path, text) in fleet.logs().unwrap_or_default() {
        let name = log_name(&path);
        let _ = fs::write(folder.join(&name), &text);
        told.push_str(&format!("== {name}, its last {LINES} lines\n{}\n", tail(&text)));
    }
    #[expect(clippy::print_stderr, reason = "captured with the test's own output")]
    let () = eprintln!("{told}==== end of what the fleet was doing");
}

/// `target/test-logs/<test>`: a test's thread has its name. None: not a test (the demo keeps its own folder).
fn folder() -> Option<PathBuf> {
    let exe = std::env::current_exe().ok()?;
    // target/debug/deps/e2e-0123456789abcdef
    let deps = exe.parent().filter(|folder| folder.ends_with("deps"))?;
    let thread = std::thread::current();
    let test = thread.name()?.replace("::", ".");
    Some(deps.parent()?.parent()?.join("test-logs").join(test))
}

/// Redis' own log has no ending.
fn log_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name == "log" {
        "redis.log".to_owned()
    } else {
        name.into_owned()
    }
}

fn tail(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

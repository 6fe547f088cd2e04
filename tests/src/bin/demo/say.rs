//! What the demo says on the way: to standard error, so that it keeps clear of the summary, and past a progress bar on a terminal.

use std::io::{IsTerminal, Write};

/// A line of the story.
pub fn line(text: &str) {
    let mut err = std::io::stderr().lock();
    // the progress bar of the client command may stand in the line: it draws itself anew
    let clear = if err.is_terminal() { "\r\x1b[2K" } else { "" };
    // nobody reads any more: nothing to be done about it
    let _ = writeln!(err, "{clear}{text}");
}

pub fn error(text: &str) {
    line(&format!("demo: {text}"));
}

/// A line of the summary, to standard output.
pub fn result(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

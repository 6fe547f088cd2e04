//! The programs under test: they lie beside the program that runs.

use std::path::PathBuf;

use anyhow::{Context, bail};

/// `phaseline-api`, `phaseline-worker`, `phaseline`, `simulator`.
pub fn find(name: &str) -> anyhow::Result<PathBuf> {
    let ours = std::env::current_exe().context("where this program is")?;
    // target/debug/demo, or target/debug/deps/e2e-0123456789abcdef
    let folders = ours.ancestors().skip(1).take(2);
    for folder in folders.clone() {
        let path = folder.join(name);
        if path.is_file() {
            return Ok(path);
        }
    }
    let looked: Vec<String> = folders.map(|folder| folder.display().to_string()).collect();
    bail!(
        "{name} is not built (looked in {}): run `cargo build --workspace --bins`{}",
        looked.join(" and "),
        if looked.iter().any(|l| l.contains("release")) {
            " with --release"
        } else {
            ""
        }
    )
}

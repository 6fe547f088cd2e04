//! The short form of `tests/chaos`: every kind of fault once, with real processes, and nothing lost or done twice.

use std::process::{Command, Stdio};

use testkit::harness::binaries;

/// With this seed all sixteen kinds have had their turn after so long.
const ARGUMENTS: [&str; 4] = ["--start", "1", "--minutes", "1.05"];

#[test]
fn every_kind_of_fault_once_and_nothing_is_lost_or_done_twice() {
    let mut chaos = Command::new(binaries::find("chaos").unwrap());
    let ended = chaos.args(ARGUMENTS).stdin(Stdio::null()).output().unwrap();
    let said = [ended.stderr, ended.stdout].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(ended.status.success(), "{said}");
    let last = said.lines().last().unwrap_or_default();
    assert!(
        last.contains(": 16 faults of 16 kinds, ") && last.ends_with(", lost 0, duplicated 0, wrong 0"),
        "{said}"
    );
}

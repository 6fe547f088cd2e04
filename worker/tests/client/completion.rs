//! `phaseline completion`: needs no API, and shells take what it prints.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::double::{code, err, run};

#[test]
fn bash_takes_its_script_and_completes_with_it() {
    let output = run("not an address", &["completion", "bash"]);
    assert_eq!(code(&output), 0, "{}", err(&output));
    let mut bash = Command::new("bash")
        .arg("-n")
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin.take().unwrap().write_all(&output.stdout).unwrap();
    let judged = bash.wait_with_output().unwrap();
    assert!(judged.status.success() && judged.stderr.is_empty(), "{}", err(&judged));

    // as the shell would ask for `phaseline tasks JOB --status F<tab>` and `phaseline admin <tab>`
    let asked = r#"
        eval "$(cat)"
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _phaseline phaseline "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; echo "${COMPREPLY[*]}"; }
        ask phaseline tasks j --status F
        ask phaseline admin ""
        ask phaseline rep
    "#;
    let mut bash = Command::new("bash")
        .args(["--norc", "-c", asked])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    bash.stdin.take().unwrap().write_all(&output.stdout).unwrap();
    let answered = bash.wait_with_output().unwrap();
    let text = String::from_utf8(answered.stdout).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], "FAILED", "{text}");
    assert!(
        ["streams", "workers", "limits"].iter().all(|w| lines[1].contains(w)),
        "{text}"
    );
    assert_eq!(lines[2], "report", "{text}");
}

#[test]
fn a_shell_it_does_not_know_is_told_the_known_ones() {
    let output = run("not an address", &["completion", "tcsh"]);
    assert_eq!(code(&output), 1);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(err(&output).contains(shell), "{}", err(&output));
    }
}

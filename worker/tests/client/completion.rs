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

    // as the shell would ask for `phaseline tasks JOB --status F<tab>`, `phaseline admin <tab>` and so on
    let asked = r#"
        eval "$(cat)"
        ask() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _phaseline_more phaseline "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; echo "${COMPREPLY[*]}"; }
        ask phaseline tasks j --status F
        ask phaseline admin ""
        ask phaseline rep
        ask phaseline tasks j --status FAILED,U
        ask phaseline jobs --status PARTIAL,FAILED,C
        ask phaseline import x --option group
        complete -p phaseline
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
    assert_eq!(lines[3], "FAILED,UNKNOWN", "{text}");
    let ends = ["CANCELLING", "CANCELLED", "COMPLETED"].map(|end| format!("PARTIAL,FAILED,{end}"));
    let mut completed: Vec<_> = lines[4].split(' ').collect();
    completed.sort_unstable();
    let mut wanted: Vec<_> = ends.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    assert_eq!(completed, wanted, "{text}");
    assert_eq!(lines[5], "group_by_vlan=", "{text}");
    assert!(lines[6].contains("-F _phaseline_more"), "{text}");
}

/// As the help says it, on an account that has no such folder.
#[test]
fn what_the_help_says_of_bash_works_in_an_empty_home() {
    let help = String::from_utf8(run("not an address", &["completion", "--help"]).stdout).unwrap();
    let from = help.find("  bash ").unwrap() + "  bash ".len();
    let commands = &help[from..from + help[from..].find("  zsh ").unwrap()];
    let home = std::env::temp_dir().join(format!("phaseline-home-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&home).unwrap();
    let bin = std::path::Path::new(env!("CARGO_BIN_EXE_phaseline")).parent().unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["--norc", "-ec", commands])
        .env("HOME", &home)
        .env("PATH", path)
        .output()
        .unwrap();
    let installed = std::fs::read_to_string(home.join(".local/share/bash-completion/completions/phaseline"));
    let _ = std::fs::remove_dir_all(&home);
    assert!(output.status.success(), "{}", err(&output));
    assert!(installed.unwrap().contains("complete -F _phaseline"));
}

#[test]
fn a_shell_it_does_not_know_is_told_the_known_ones() {
    let output = run("not an address", &["completion", "tcsh"]);
    assert_eq!(code(&output), 1);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(err(&output).contains(shell), "{}", err(&output));
    }
}

//! What the structure promises, checked on the text: who may name whom, how long a file may be, and tables that repeat the code.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// (path relative to the root, text) of every file below `folder` with one of the endings.
fn files(folder: &str, endings: &[&str]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    let mut todo = vec![root().join(folder)];
    while let Some(at) = todo.pop() {
        if at.is_dir() {
            todo.extend(fs::read_dir(&at).unwrap().map(|e| e.unwrap().path()));
        } else if endings.iter().any(|e| at.extension().is_some_and(|x| x == *e)) {
            let name = at.strip_prefix(root()).unwrap().display().to_string();
            out.push((name, fs::read_to_string(&at).unwrap()));
        }
    }
    assert!(!out.is_empty(), "nothing found below {folder}: has it moved?");
    out
}

/// Code without comments and without the test modules at the end of files.
fn code(text: &str) -> String {
    let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    text.lines()
        .filter(|l| !l.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn forbid(folder: &str, words: &[&str], why: &str) {
    for (name, text) in files(folder, &["rs"]) {
        if name.contains("/tests") {
            continue;
        }
        let code = code(&text);
        for word in words {
            assert!(!code.contains(word), "{name} names `{word}`: {why}");
        }
    }
}

#[test]
fn arrows_point_down() {
    forbid(
        "worker/src/engine",
        &["crate::r1", "ruckus", "cloudpath", "dpsk"],
        "the engine names no vendor",
    );
    forbid(
        "worker/src/r1",
        &["shared::store", "crate::engine", "crate::executors", "JobId"],
        "clients know nothing of jobs",
    );
    forbid("worker/src/client", &["shared::"], "the client command talks HTTP only");
    forbid(
        "tests/src/sim",
        &["shared::", "worker::", "api::"],
        "the simulator imports nothing of ours",
    );
    for part in ["api/src", "worker/src"] {
        forbid(part, &["redis::"], "the store is the only door to Redis");
    }
    forbid("worker/src", &["actix"], "only the API serves with actix-web");
    forbid(
        "api/src",
        &["reqwest", "worker::"],
        "the API calls nobody, and does not know the worker",
    );
}

#[test]
fn dependencies_say_the_same() {
    let manifest = |p: &str| fs::read_to_string(root().join(p).join("Cargo.toml")).unwrap();
    for (package, banned) in [
        ("api", vec!["redis.workspace", "reqwest", "worker.workspace"]),
        ("worker", vec!["redis.workspace", "actix", "phaseline-api"]),
        ("shared", vec!["reqwest", "actix", "worker.workspace"]),
    ] {
        let text = manifest(package);
        let own = text.split("[dev-dependencies]").next().unwrap();
        for b in banned {
            assert!(!own.contains(b), "{package}/Cargo.toml names {b}");
        }
    }
}

#[test]
fn pure_modules_are_pure() {
    for folder in [
        "shared/src/job",
        "shared/src/workflow",
        "shared/src/limit",
        "shared/src/cloudpath",
        "shared/src/store/model.rs",
        "worker/src/engine/batch",
    ] {
        forbid(
            folder,
            &[
                "tokio",
                "SystemTime::now",
                "Instant::now",
                "Timestamp::now",
                "now_ms()",
                "rand::",
                "std::fs",
                "redis",
            ],
            "this module is pure",
        );
    }
}

#[test]
fn no_file_hides_a_second_job() {
    for folder in ["api/src", "worker/src", "shared/src", "tests/src", "tests/tests"] {
        for (name, text) in files(folder, &["rs", "lua"]) {
            let lines = text.lines().count();
            assert!(lines <= 500, "{name} has {lines} lines: split it");
        }
    }
}

/// Elsewhere it would be without a header, without a measured time, and not asked whether it stays in its slot.
#[test]
fn scripts_are_files_of_their_own() {
    for (name, text) in files("shared/src", &["rs"]) {
        let code = code(&text);
        let inline = ["EVAL", "redis.call", "#!lua"].iter().find(|w| code.contains(**w));
        assert!(
            inline.is_none() || name.ends_with("store/scripts.rs"),
            "{name} has {inline:?}: scripts are files below store/lua, named in the table of scripts.rs"
        );
    }
}

#[test]
fn every_script_says_what_it_takes_and_answers() {
    for (name, text) in files("shared/src/store/lua", &["lua"]) {
        if name.ends_with("_prelude.lua") {
            continue;
        }
        let head: String = text.lines().take_while(|l| l.starts_with("--")).collect();
        for part in ["KEYS[1]", "->"] {
            assert!(head.contains(part), "{name}: its header does not say {part}");
        }
    }
}

#[test]
fn the_readme_lists_every_setting_as_it_is() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for (name, default, takes, meaning) in shared::config::VARIABLES {
        let default = if default.is_empty() {
            "none".to_owned()
        } else {
            format!("`{default}`")
        };
        let row = format!("| `{name}` | {default} | {takes} | {meaning} |");
        assert!(readme.contains(&row), "README.md lacks the row\n{row}");
    }
}

#[test]
fn the_example_of_an_environment_names_every_setting_with_its_default() {
    let example = fs::read_to_string(root().join(".env.example")).unwrap();
    let lines: Vec<&str> = example.lines().map(|line| line.trim_start_matches('#')).collect();
    for (name, default, ..) in shared::config::VARIABLES {
        let line = format!("{name}={default}");
        assert!(lines.contains(&line.as_str()), "{line} is not in .env.example");
    }
}

/// What a server without WAITAOF would not take in its file of users, what is asked of sentinels, and what is only a look.
const NOT_GRANTED: [&str; 3] = ["WAITAOF", "SENTINEL", "CONFIG"];

/// A test runs as that user, but not every line of every script runs in it.
#[test]
fn the_redis_user_may_call_what_scripts_and_store_call() {
    let users = fs::read_to_string(root().join("deploy/redis/users.acl")).unwrap();
    let granted: Vec<&str> = users
        .split_whitespace()
        .filter_map(|word| word.strip_prefix('+'))
        .map(|command| command.split('|').next().unwrap_or_default())
        .collect();
    let mut seen = 0;
    // scripts call it `call` or `c`
    for (ending, before) in [("rs", "cmd(\""), ("lua", "call('"), ("lua", "c('")] {
        for (name, text) in files("shared/src/store", &[ending]) {
            let code = text.lines().filter(|l| !l.trim_start().starts_with("--"));
            for rest in code.flat_map(|l| l.split(before).skip(1)) {
                let command: String = rest.chars().take_while(char::is_ascii_uppercase).collect();
                if command.is_empty() || NOT_GRANTED.contains(&command.as_str()) {
                    continue;
                }
                seen += 1;
                let known = granted.contains(&command.to_ascii_lowercase().as_str());
                assert!(
                    known,
                    "{name} calls {command}, which deploy/redis/users.acl does not grant"
                );
            }
        }
    }
    assert!(seen > 200, "{seen} calls are not all there are");
}

#[test]
fn the_witnesses_use_nothing_of_the_product() {
    for folder in [
        "tests/src/harness",
        "tests/src/bin/demo",
        "tests/src/bin/measure",
        "tests/src/bin/chaos",
        "tests/src/verify",
    ] {
        forbid(
            folder,
            &["use shared", "use worker", "shared::config", "worker::engine"],
            "a witness imports nothing of ours",
        );
    }
}

/// Another version reads what this one stores, and the other way round: what is said to be stored has lines that say how.
#[test]
fn what_is_persisted_has_lines_that_are_read_for_ever() {
    let mut held = 0;
    for (name, text) in ["api/src", "worker/src", "shared/src"]
        .iter()
        .flat_map(|f| files(f, &["rs"]))
    {
        let comments = text.lines().filter(|l| l.trim_start().starts_with("//"));
        let comments = comments.collect::<Vec<_>>().join("\n").to_lowercase();
        let is_persisted = ["persisted", "fields are only ever added"]
            .iter()
            .any(|w| comments.contains(w));
        if !is_persisted {
            continue;
        }
        held += 1;
        assert!(
            text.contains("fn persisted_forms_are_read_for_ever()"),
            "{name}: a type of it is stored, and no test holds it to what is stored already"
        );
    }
    assert!(held > 10, "{held} files: are they told in other words now?");
}

#[test]
fn nothing_is_left_unfinished() {
    let unfinished = [
        ["to", "do!("].concat(),
        ["unimple", "mented!("].concat(),
        ["FIX", "ME"].concat(),
        ["dbg", "!("].concat(),
    ];
    for folder in ["api/src", "worker/src", "shared/src", "tests/src", "tests/tests"] {
        for (name, text) in files(folder, &["rs", "lua"]) {
            for word in &unfinished {
                assert!(!text.contains(word.as_str()), "{name} has {word}");
            }
        }
    }
}

/// The text of the arguments of each tracing macro, from its opening parenthesis to the closing one.
fn tracing_calls(code: &str) -> Vec<String> {
    let mut calls = Vec::new();
    for level in ["trace", "debug", "info", "warn", "error", "event", "span"] {
        for start in ["", "_span"].map(|kind| format!("tracing::{level}{kind}!(")) {
            for (at, _) in code.match_indices(&start) {
                let (mut depth, mut is_text, mut is_escaped) = (1, false, false);
                let arguments = code[at + start.len()..].chars().take_while(|c| {
                    match c {
                        _ if is_escaped => is_escaped = false,
                        '\\' => is_escaped = is_text,
                        '"' => is_text = !is_text,
                        '(' if !is_text => depth += 1,
                        ')' if !is_text => depth -= 1,
                        _ => {}
                    }
                    depth > 0
                });
                calls.push(arguments.collect());
            }
        }
    }
    calls
}

/// Whether a field of a tracing call is called `message`: `message`, `%message`, `message = …`.
fn has_field_message(arguments: &str) -> bool {
    let fields = arguments.split('"').step_by(2).collect::<Vec<_>>().join("\"\"");
    fields.split([',', '(', ';', '{']).any(|field| {
        let name = field.split('=').next().unwrap_or_default();
        name.trim().trim_start_matches(['%', '?']) == "message"
    })
}

/// The sentence of a log line is its field `message`: another one would stand in the JSON twice, and readers drop one of them.
#[test]
fn no_log_line_has_its_message_twice() {
    for (call, is_bad) in [
        ("code, message, \"it failed\"", true),
        ("unit = %u(a, b), %message, \"it failed\"", true),
        ("message = e.message, \"it failed\"", true),
        ("code, error = message, \"a message, message, is sent\"", false),
        ("error = %e.message, \"it failed\"", false),
    ] {
        assert_eq!(has_field_message(call), is_bad, "{call}");
    }
    let mut seen = 0;
    for folder in ["api/src", "worker/src", "shared/src", "tests/src"] {
        for (name, text) in files(folder, &["rs"]) {
            for call in tracing_calls(&code(&text)) {
                seen += 1;
                assert!(!has_field_message(&call), "{name}: a field `message` in: {call}");
            }
        }
    }
    assert!(
        seen > 40,
        "only {seen} calls of tracing: are they written in another way now?"
    );
}

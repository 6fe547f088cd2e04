//! The binary: what it prints, writes and obeys.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::http;

struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_binary_serves_records_and_ends_on_sigterm() {
    let place = tempfile::tempdir().unwrap();
    let path = |name: &str| place.path().join(name);
    std::fs::write(
        path("seed.json"),
        json!({"tenant": "t9", "venues": [{"id": "v9", "name": "Ninth"}]}).to_string(),
    )
    .unwrap();
    std::fs::write(
        path("plan.json"),
        json!({"rules": [{"operation": "read", "nth": [2], "kind": "html_503"}]}).to_string(),
    )
    .unwrap();
    let child = Command::new(env!("CARGO_BIN_EXE_simulator"))
        .args(["--rate", "6000", "--write-ms", "0", "--read-ms", "0"])
        .arg("--ready-file")
        .arg(path("ready"))
        .arg("--seed-file")
        .arg(path("seed.json"))
        .arg("--fault-plan")
        .arg(path("plan.json"))
        .env("SIM_RECORD", path("traffic.jsonl"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = Process(child);
    let mut out = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let base = line
        .trim_end()
        .strip_prefix("simulator listening on ")
        .unwrap()
        .to_owned();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !path("ready").exists() {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(std::fs::read_to_string(path("ready")).unwrap().trim_end(), base);

    let http = http();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", "me"),
        ("client_secret", "sim-secret"),
    ];
    let token: Value = http
        .post(format!("{base}/oauth2/token/t9"))
        .form(&form)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let token = token["access_token"].as_str().unwrap();
    for status in [200, 503] {
        let answer = http
            .get(format!("{base}/venues/v9"))
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status);
    }
    let settings: Value = http
        .get(format!("{base}/_sim/settings"))
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(
        (&settings["calls_per_minute"], &settings["capacity"]),
        (&json!(6000.0), &json!(102.0))
    );

    let pid = child.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let deadline = Instant::now() + Duration::from_secs(10);
    let status = loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "still there");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(status.success());
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "", "one line and no more");
    assert_eq!(
        std::fs::read_to_string(path("traffic.jsonl")).unwrap().lines().count(),
        3
    );
}

#[test]
fn a_wrong_plan_or_address_stops_the_start_with_a_reason() {
    let place = tempfile::tempdir().unwrap();
    let plan = place.path().join("plan.json");
    std::fs::write(&plan, r#"{"rules": [{"operation": "reed", "kind": "html_503"}]}"#).unwrap();
    let run = |args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_simulator"))
            .args(args)
            .output()
            .unwrap()
    };
    let refused = run(&["--fault-plan", plan.to_str().unwrap()]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no such operation: reed"));
    assert!(!run(&["--bind", "0.0.0.0:0"]).status.success());
}

//! API and workers as the one Redis user of `deploy/redis/users.acl`, on a server on which nobody else may do anything. A command that
//! is not granted fails here.

use std::process::Stdio;

use serde_json::json;
use testkit::harness::resp::{Reply, Resp};
use testkit::harness::wait_until;
use testkit::redis_server::{Options, RedisServer};

use crate::world::{TIMEOUT, World};

const PASSWORD: &str = "a password";
const USERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/redis/users.acl");

/// A server with the users of that file, and without the `without` of their rights.
fn server(without: &str) -> RedisServer {
    let server = RedisServer::start(Options {
        appendonly: true,
        ..Options::default()
    })
    .unwrap();
    let mut c = Resp::connect(server.port()).unwrap();
    // the default user goes last: it is us
    let users = std::fs::read_to_string(USERS).unwrap();
    for line in users.lines().rev() {
        let line = line.strip_prefix("user ").expect("a line of an ACL file names a user");
        let words = line.split(' ').filter(|word| without.is_empty() || *word != without);
        let words: Vec<String> = words
            .map(|w| w.replace(">CHANGE-ME", &format!(">{PASSWORD}")))
            .collect();
        let mut call = vec!["ACL", "SETUSER"];
        call.extend(words.iter().map(String::as_str));
        c.call(&call).unwrap();
    }
    assert!(
        Resp::connect(server.port()).unwrap().call(&["PING"]).is_err(),
        "nobody is anybody without a password"
    );
    server
}

async fn world(redis: &RedisServer) -> World {
    let variables = [
        ("REDIS_URL", String::new()),
        ("REDIS_PORT", redis.port().to_string()),
        ("REDIS_USERNAME", "phaseline".to_owned()),
        ("REDIS_PASSWORD", PASSWORD.to_owned()),
    ];
    World::with(60, 60_000, 2, |plan| {
        plan.environment
            .extend(variables.map(|(name, value)| (name.to_owned(), value)));
    })
    .await
}

#[tokio::test]
async fn the_user_of_the_acl_file_may_do_all_that_is_needed_and_nothing_else() {
    let redis = server("");
    let world = world(&redis).await;
    let api = &world.fleet.api;
    // steered in every way, then imported, planned, retried in vain, cleaned up; lists, reports, figures
    let held = api
        .import(1, &world.export, json!({"require_confirmation": true}))
        .await
        .unwrap();
    for call in ["confirm", "pause", "resume", "cancel"] {
        let (status, answer) = api.steer(&held, call).await.unwrap();
        assert_eq!(status, 200, "{call}: {answer}");
    }
    world.ended(&held).await;
    let job = world.import().await;
    let job = world.ended(&job).await;
    assert_eq!(job["status"], "COMPLETED", "{}", testkit::harness::api::summary(&job));
    let id = job["id"].as_str().unwrap();
    assert!(api.tasks(id).await.unwrap().len() > 60);
    for path in [
        "/api/v1/jobs?status=COMPLETED,CANCELLED",
        &format!("/api/v1/jobs/{id}/report?format=csv"),
        &format!("/api/cloudpath-dpsk/jobs/{id}/status"),
        "/api/v1/admin/streams",
        "/api/v1/admin/workers",
        "/api/v1/admin/limits",
        "/readyz",
    ] {
        let (status, answer) = api.get_text(path).await.unwrap();
        assert_eq!(status, 200, "{path}: {answer}");
    }
    let (_, metrics) = api.get_text("/metrics").await.unwrap();
    assert!(metrics.contains("phaseline_redis_up 1"), "{metrics}");
    let path = format!("/api/cloudpath-dpsk/jobs/{id}/cleanup");
    let (status, answer) = api
        .post(&path, Some(&json!({"delete_partial_resources": true})))
        .await
        .unwrap();
    assert!(status == 200 || status == 202, "{answer}");
    // two that want the same names: the second has to look whether the first has them
    let again = [(); 2].map(|()| world.import());
    for job in futures_util::future::join_all(again).await {
        let job = world.ended(&job).await;
        assert_eq!(job["status"], "COMPLETED", "{}", testkit::harness::api::summary(&job));
    }
    let cleanup = world.ended(answer["job_id"].as_str().unwrap()).await;
    assert_eq!(
        cleanup["status"],
        "COMPLETED",
        "{}",
        testkit::harness::api::summary(&cleanup)
    );
    for command in [
        ["inspect", "stream"],
        ["inspect", "consumers"],
        ["dead-letters", "list"],
    ] {
        let ran = world
            .fleet
            .command("phaseline-worker")
            .unwrap()
            .args(command)
            .output()
            .unwrap();
        assert!(
            ran.status.success(),
            "{command:?}: {}",
            String::from_utf8_lossy(&ran.stderr)
        );
    }
    for (path, text) in world.fleet.logs().unwrap() {
        let text = String::from_utf8_lossy(&text);
        let refused: Vec<&str> = text
            .lines()
            .filter(|l| l.contains("no permissions") || l.contains("can't run this command"))
            .collect();
        assert!(refused.is_empty(), "{}: {refused:#?}", path.display());
    }
    // and nothing else
    let mut c = Resp::connect(redis.port()).unwrap();
    c.call(&["AUTH", "phaseline", PASSWORD]).unwrap();
    for call in [
        ["CONFIG", "GET", "*"],
        ["SET", "other", "1"],
        ["KEYS", "*", ""],
        ["FLUSHALL", "", ""],
    ] {
        let words: Vec<&str> = call.into_iter().filter(|w| !w.is_empty()).collect();
        let e = c.call(&words).unwrap_err().to_string();
        assert!(e.contains("NOPERM"), "{call:?}: {e}");
    }
}

/// One line that names the command, and no start.
#[tokio::test]
async fn a_right_that_is_missing_is_named_in_one_line() {
    let redis = server("+xgroup|create");
    let folder = tempfile::tempdir().unwrap();
    let fleet = testkit::harness::Fleet::start(testkit::harness::Plan::simple(folder.path(), 60_000, 0));
    let fleet = fleet.await.unwrap();
    let mut command = fleet.command("phaseline-worker").unwrap();
    command
        .env_remove("REDIS_URL")
        .env("REDIS_PORT", redis.port().to_string());
    let ran = command
        .env("REDIS_USERNAME", "phaseline")
        .env("REDIS_PASSWORD", PASSWORD)
        .output()
        .unwrap();
    assert!(!ran.status.success());
    let told = String::from_utf8_lossy(&ran.stderr);
    let lines: Vec<&str> = told.lines().filter(|l| l.contains("no permissions")).collect();
    assert_eq!(lines.len(), 1, "{told}");
    assert!(
        lines[0].contains("lacks a right") && lines[0].contains("xgroup|create"),
        "{told}"
    );
    assert!(!told.contains(PASSWORD), "{told}");
}

/// Redis acts as the default user while it reads its file: one without rights would leave out what scripts have written.
#[tokio::test]
async fn a_server_started_anew_with_the_acl_file_has_lost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let users = std::fs::read_to_string(USERS).unwrap().replace(">CHANGE-ME", ">secret");
    std::fs::write(folder.path().join("users.acl"), users).unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let binary = std::env::var("REDIS_SERVER_BIN").unwrap_or_else(|_| "redis-server".to_owned());
    let start = || {
        let mut command = tokio::process::Command::new(&binary);
        command
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--appendonly",
            "yes",
        ]);
        command.args(["--appendfsync", "always", "--save", "", "--aclfile", "users.acl"]);
        command.spawn().unwrap()
    };
    let log_in = async || {
        let there = wait_until("Redis to let us in", TIMEOUT, async || {
            let mut c = Resp::connect(port).ok()?;
            c.call(&["AUTH", "phaseline", "secret"]).ok()?;
            c.call(&["PING"]).ok().map(|_| c)
        });
        there.await.unwrap()
    };
    let mut server = start();
    let mut c = log_in().await;
    // as the effects of a script are written
    for call in [
        &["MULTI"][..],
        &["SET", "workflow:a", "1"],
        &["SET", "workflow:b", "2"],
        &["EXEC"],
    ] {
        c.call(call).unwrap();
    }
    server.kill().await.unwrap();
    let _again = start();
    let mut c = log_in().await;
    assert_eq!(c.call(&["EXISTS", "workflow:a", "workflow:b"]).unwrap(), Reply::Int(2));
    let mut nobody = Resp::connect(port).unwrap();
    for call in [&["PING"][..], &["AUTH", ""], &["AUTH", "default", ""]] {
        assert!(nobody.call(call).is_err(), "{call:?}");
    }
}

//! Our own limits: what they say, and that they end.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::harness::resp::Resp;
use testkit::harness::{VENUE, wait_until};

use crate::fleet::World;

const SOON: Duration = Duration::from_secs(30);
const MIB: usize = 1024 * 1024;

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

fn import_of(rows: &Value) -> Value {
    json!({"controller_id": 1, "venue_id": VENUE, "dpsk_data": rows})
}

/// The service's own limiter answered 500 instead of 429, without `Retry-After`; and a counter whose time to live was lost locked people
/// out for ever. We have no such limiter: what refuses for a while is a Redis that is away, and the limits of a controller are in
/// Redis. Here: each such refusal says when to come back, and is over when its cause is; and of a controller's keys none stays that
/// could lock anybody out, nor grows.
#[tokio::test]
async fn own_refusals_say_when_to_come_back_and_lock_nobody_out() {
    let mut world = World::new(40, 60_000, 1).await;
    let job = world.import().await;
    world.assert_done(&world.ended(&job).await).await;
    let mut redis = world.fleet.redis_connection().unwrap();
    let keys = redis.call(&["KEYS", "workflow:{c:*"]).unwrap();
    assert!(!keys.list().is_empty());
    for key in keys.list() {
        let key = key.text();
        let ttl: i64 = redis.call(&["TTL", &key]).unwrap().text().parse().unwrap();
        let bytes: i64 = redis.call(&["MEMORY", "USAGE", &key]).unwrap().text().parse().unwrap();
        assert!(ttl > 0 && ttl <= 24 * 3600, "{key} lives {ttl} s");
        assert!(bytes < 4096, "{key} has {bytes} bytes after the job");
    }
    drop(redis);
    world.fleet.kill_redis();
    let (base, client) = (world.fleet.api.base().to_owned(), client());
    let import = client
        .post(format!("{base}/api/cloudpath-dpsk/import"))
        .json(&import_of(&world.export));
    for request in [client.get(format!("{base}/api/v1/jobs/{job}")), import] {
        let answer = request.send().await.unwrap();
        let after = answer
            .headers()
            .get("retry-after")
            .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        assert_eq!(answer.status(), 503);
        assert!(
            after.is_some_and(|seconds| (1..=60).contains(&seconds)),
            "Retry-After: {after:?}"
        );
        let problem: Value = answer.json().await.unwrap();
        assert!(
            problem["detail"].as_str().is_some_and(|text| text.contains("Redis")),
            "{problem}"
        );
    }
    world.fleet.restart_redis().unwrap();
    let back = wait_until("the API to answer again", SOON, async || {
        world
            .fleet
            .api
            .job(&job)
            .await
            .ok()
            .filter(|job| job["status"] == "COMPLETED")
    });
    back.await.unwrap();
}

fn connections(redis: &mut Resp) -> usize {
    redis.call(&["CLIENT", "LIST"]).unwrap().text().lines().count()
}

/// Every caller who hung up in the middle of a poll left a connection to Redis behind, until the pool was empty and nobody was answered.
/// Here: 200 callers ask and go, 60 more break off in the middle of an upload; the connections stay as many as they were, and the next
/// caller is answered.
#[tokio::test]
async fn redis_connections_of_callers_that_hang_up() {
    let world = World::new(4, 60_000, 0).await;
    let job = world.import().await;
    let address = world.fleet.api.base().trim_start_matches("http://").to_owned();
    let mut redis = world.fleet.redis_connection().unwrap();
    let before = connections(&mut redis);
    let paths = [
        format!("/api/v1/jobs/{job}"),
        format!("/api/v1/jobs/{job}/tasks"),
        format!("/api/cloudpath-dpsk/jobs/{job}/status"),
        format!("/api/v1/jobs/{job}/events"),
        "/api/v1/jobs".to_owned(),
    ];
    let mut most = before;
    for n in 0..200 {
        let mut caller = TcpStream::connect(&address).unwrap();
        write!(
            caller,
            "GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n",
            paths[n % paths.len()]
        )
        .unwrap();
        if n % 20 == 0 {
            most = most.max(connections(&mut redis));
        }
    }
    for _ in 0..60 {
        let mut caller = TcpStream::connect(&address).unwrap();
        write!(
            caller,
            "POST /api/cloudpath-dpsk/import HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n{{\"controller_id\": 1"
        )
        .unwrap();
    }
    let begun = Instant::now();
    assert_eq!(world.fleet.api.job(&job).await.unwrap()["id"], job.as_str());
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "the next caller waited {:?}",
        begun.elapsed()
    );
    most = most.max(connections(&mut redis));
    assert!(most <= before + 8, "{most} connections, {before} before");
    let gone = wait_until("connections to be as before", SOON, async || {
        (connections(&mut redis) <= before + 2).then_some(())
    });
    gone.await.unwrap();
}

/// Uploads of more than 20 MB were answered 413 by something in between, without a word of the limit. Here the limit is ours, is told,
/// and an export of 100,000 keys in a body of just 64 MiB is taken.
#[tokio::test]
async fn upload_too_large_or_just_not() {
    let world = World::new(1, 60_000, 0).await;
    let base = world.fleet.api.base().to_owned();
    let mut caller = TcpStream::connect(base.trim_start_matches("http://")).unwrap();
    caller.set_read_timeout(Some(SOON)).unwrap();
    let size = 64 * MIB + 1;
    // it need not come to be refused
    write!(
        caller,
        "POST /api/cloudpath-dpsk/import HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let (mut text, mut part) = (String::new(), [0; 4096]);
    while !text.contains("67108864") {
        let length = caller.read(&mut part).unwrap();
        assert!(length > 0, "the answer names no limit: {text}");
        text.push_str(&String::from_utf8_lossy(&part[..length]));
    }
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");

    let rows = (0..100_000).map(|n| format!(r#"{{"guid":"d-{n}","name":"user-{n}","passphrase":"secret-{n:06}"}}"#));
    let rows: Vec<String> = rows.collect();
    let head = format!(r#"{{"controller_id": 1, "venue_id": "{VENUE}", "dpsk_data": ["#);
    let mut body = format!("{head}{}]}}", rows.join(","));
    // white space is part of the body, too
    let padding = " ".repeat(64 * MIB - body.len());
    body.insert_str(head.len(), &padding);
    assert_eq!(body.len(), 64 * MIB);
    let request = client().post(format!("{base}/api/cloudpath-dpsk/import"));
    let answer = request
        .header("content-type", "application/json")
        .body(body)
        .send()
        .await
        .unwrap();
    let (status, answer) = (answer.status(), answer.text().await.unwrap());
    assert_eq!(status, 202, "{answer}");
    let accepted: Value = serde_json::from_str(&answer).unwrap();
    let path = format!(
        "/api/cloudpath-dpsk/jobs/{}/status",
        accepted["job_id"].as_str().unwrap()
    );
    let (_, status) = world.fleet.api.get(&path).await.unwrap();
    assert!(
        status["progress"]["total_tasks"].as_u64().unwrap() >= 100_000,
        "{}",
        status["progress"]
    );
}

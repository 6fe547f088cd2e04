//! How processes start, or do not: in order, with one clear line; and what goes on when Redis is full.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::harness::metrics::Metrics;
use testkit::harness::process::Process;
use testkit::harness::{VENUE, wait_until};
use testkit::redis_server::{Options, RedisServer};

use crate::world::{TIMEOUT, World};

/// Starts the program in the world's folder and waits for its end: exit code, and its log line by line.
async fn end_of(world: &World, program: &str, change: &[(&str, &str)]) -> (Option<i32>, Vec<String>) {
    let mut command = world.fleet.command(program).unwrap();
    command.envs(change.iter().copied());
    command.env("API_BIND", "127.0.0.1:0");
    let name = format!("{program}-refused");
    let log = world.fleet.folder.join(format!("{name}.log"));
    let _ = std::fs::remove_file(&log);
    let mut process = Process::spawn(&name, command, &world.fleet.folder, &world.fleet.guard).unwrap();
    let status = process.ended_within(Duration::from_secs(20)).await.unwrap();
    let text = std::fs::read_to_string(&log).unwrap();
    (status.code(), text.lines().map(str::to_owned).collect())
}

const PROGRAMS: [&str; 2] = ["phaseline-api", "phaseline-worker"];

/// The last line says why, once, and nothing before it speaks of serving or running.
fn assert_one_reason(program: &str, log: &[String], words: &[&str]) {
    let told: Vec<&String> = log.iter().filter(|l| words.iter().all(|w| l.contains(w))).collect();
    assert_eq!(told.len(), 1, "{program}: {log:#?}");
    assert_eq!(told[0], log.last().unwrap(), "{program}: {log:#?}");
    for never in ["serving on", "starting", "worker runs", "panicked"] {
        assert!(
            !log.iter().any(|l| l.contains(never)),
            "{program} said {never}: {log:#?}"
        );
    }
}

#[tokio::test]
async fn a_process_that_does_not_fit_ends_with_the_reason() {
    let world = World::new(1, 60_000, 0).await;
    let other_key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for program in PROGRAMS {
        let (code, log) = end_of(&world, program, &[("PAYLOAD_KEY", other_key)]).await;
        assert_eq!(code, Some(1), "{program}: {log:#?}");
        assert_one_reason(program, &log, &["PAYLOAD_KEY does not fit"]);
        assert!(!log.iter().any(|l| l.contains(other_key)));
    }
    let volatile = RedisServer::start(Options::default()).unwrap();
    let url = volatile.url();
    for program in PROGRAMS {
        let (code, log) = end_of(&world, program, &[("REDIS_URL", &url)]).await;
        assert_eq!(code, Some(1), "{program}: {log:#?}");
        assert_one_reason(program, &log, &["does not fit", "appendonly is off"]);
    }
}

/// What runs goes on without memory for anything new; what is new is refused with the reason, and taken when there is room again.
#[tokio::test]
async fn running_work_goes_on_while_redis_is_full() {
    let world = World::new(300, 6000, 2).await;
    let job = world.import().await;
    world.written(60).await;
    // accepted, and with most of its phases still to be planned: that has to wait, and must not hold up the others
    let second = world.import().await;
    let mut redis = world.fleet.redis_connection().unwrap();
    redis.call(&["CONFIG", "SET", "maxmemory", "1"]).unwrap();

    let body = json!({"controller_id": 1, "venue_id": VENUE, "dpsk_data": world.export, "options": {}});
    let api = &world.fleet.api;
    let (status, refused) = api.post("/api/cloudpath-dpsk/import", Some(&body)).await.unwrap();
    assert_eq!(status, 503, "{refused}");
    assert!(
        refused["detail"].as_str().unwrap().contains("Redis is full"),
        "{refused}"
    );
    // jobs can still be looked at and steered
    let (status, said) = api.get("/readyz").await.unwrap();
    assert!(
        status == 200 && said["status"].as_str().unwrap().contains("full"),
        "{status} {said}"
    );

    let keys_done = |job: &Value| {
        let phases = job["phases"].as_array().unwrap();
        let phase = phases.iter().find(|p| p["id"] == "create_passphrases").unwrap();
        phase["tasks"]["completed"] == 300
    };
    api.job_until(&job, "to have its keys made", TIMEOUT, keys_done)
        .await
        .unwrap();
    let numbers = async || Metrics::parse(&api.get_text("/metrics").await.unwrap().1);
    assert_eq!(numbers().await.get("phaseline_redis_memory_max_bytes"), 1.0);

    redis.call(&["CONFIG", "SET", "maxmemory", "0"]).unwrap();
    let job = world.ended(&job).await;
    world.assert_done(&job).await;
    let ready = wait_until("the API to be ready", TIMEOUT, async || {
        (api.get("/readyz").await.ok()?.1["status"] == "ok").then_some(())
    });
    ready.await.unwrap();
    world.assert_done(&world.ended(&second).await).await;
    let ended = wait_until("the job to be counted", TIMEOUT, async || {
        let m = numbers().await;
        let of =
            |name: &str, labels: &str| m.get(&format!(r#"{name}{{{labels}service_type="cloudpath_dpsk_import"}}"#));
        let counted = (
            of("lifecycle_workflow_started_total", ""),
            of("lifecycle_workflow_completed_total", ""),
            of("lifecycle_workflow_failed_total", ""),
            of("lifecycle_workflow_duration_seconds_bucket", r#"le="+Inf","#),
            of("lifecycle_workflow_duration_seconds_count", ""),
        );
        (counted == (2.0, 2.0, 0.0, 2.0, 2.0)).then_some(m)
    });
    let m = ended.await.unwrap();
    assert_eq!(
        (m.get("phaseline_backlog_tasks"), m.get("phaseline_stream_entries")),
        (0.0, 0.0)
    );
}

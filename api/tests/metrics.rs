//! `/metrics` and `/readyz` on a real Redis: under a known state, when it is full, and when it goes away.

mod common;
#[path = "common/redis.rs"]
mod redis;

use actix_web::test::{TestRequest, call_service, init_service, read_body};
use api::auth::Verifier;
use api::body::BodyLimits;
use api::server::{Parts, app};
use common::{SECRET, settings, storeless, token};
use redis::Redis;
use serde_json::{Value, json};
use shared::id::WorkerId;
use shared::limit::aimd::Limit;
use shared::store::{LimitRequest, Partition, Store};

async fn world(redis: &Redis) -> (Parts, Store) {
    let settings = settings(redis.port);
    let store = Store::open(&settings.redis, &settings.engine).unwrap();
    store.prepare(&settings.redis).await.unwrap();
    let verifier = Verifier::tokens(Some(SECRET), None).unwrap();
    let parts = common::parts(&settings, store.clone(), verifier, BodyLimits::default());
    parts.state.set_prepared();
    (parts, store)
}

async fn get(parts: &Parts, path: &str) -> (u16, String, String) {
    let app = init_service(app(parts.clone())).await;
    let answer = call_service(&app, TestRequest::get().uri(path).to_request()).await;
    let kind = answer
        .headers()
        .get("content-type")
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    let status = answer.status().as_u16();
    (
        status,
        kind,
        String::from_utf8(read_body(answer).await.to_vec()).unwrap(),
    )
}

/// The value of a series; none when it is not there.
fn value(page: &str, series: &str) -> Option<f64> {
    let line = page
        .lines()
        .find(|l| l.strip_prefix(series).is_some_and(|r| r.starts_with(' ')))?;
    line.rsplit(' ').next()?.parse().ok()
}

async fn import(parts: &Parts, rows: usize) -> (u16, Value) {
    let app = init_service(app(parts.clone())).await;
    let dpsks: Vec<_> = (0..rows)
        .map(|i| json!({"guid": format!("g-{i}"), "name": format!("user{i}"), "passphrase": format!("long-enough-{i}"), "status": "ACTIVE"}))
        .collect();
    let body = json!({"controller_id": 1, "venue_id": "v-1", "dpsk_data": dpsks});
    let request = TestRequest::post()
        .uri("/api/cloudpath-dpsk/import")
        .insert_header(("authorization", format!("Bearer {}", token(Some("acme"), &["user"]))))
        .set_json(body);
    let answer = call_service(&app, request.to_request()).await;
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&read_body(answer).await).unwrap())
}

#[actix_web::test]
async fn the_fleet_is_shown_and_asked_after_once_for_many_scrapes() {
    let redis = Redis::start(&[]);
    let (parts, store) = world(&redis).await;
    assert_eq!(import(&parts, 30).await.0, 202);
    let worker = WorkerId::generate();
    store
        .heartbeat(Partition(0), &worker, 12, "{}", 15_000, &[])
        .await
        .unwrap();
    let limiter = parts.state.controllers.current().get(1).unwrap().limiter_key();
    let request = LimitRequest {
        tokens: 1,
        give_back: 0,
        concurrency: 3,
        in_flight: 0,
        lease_ms: 60_000,
        rate_max: 2000.0 / 60.0,
        burst: 17.0,
        concurrency_max: 50,
    };
    store.limit_acquire(&limiter, &worker, &request).await.unwrap();
    let slower = Limit {
        rate: 20.0,
        concurrency: 40,
    };
    assert!(store.limit_report(&limiter, 0, Some(slower), 0).await.unwrap());

    let (status, kind, page) = get(&parts, "/metrics").await;
    assert_eq!(status, 200);
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    assert!(page.ends_with("# EOF\n") && page.matches("# EOF").count() == 1);
    let of = |name: &str| value(&page, name).unwrap_or_else(|| panic!("no {name} in\n{page}"));
    let one = r#"{controller="one",controller_id="1"}"#;
    let two = r#"{controller="two",controller_id="2"}"#;
    for (name, expected) in [
        ("phaseline_redis_up", 1.0),
        ("phaseline_redis_memory_max_bytes", 0.0),
        (r#"phaseline_jobs_unfinished{status="PENDING"}"#, 1.0),
        (r#"phaseline_jobs_unfinished{status="RUNNING"}"#, 0.0),
        ("phaseline_stream_entries", 1.0),
        ("phaseline_stream_lag_entries", 1.0),
        ("phaseline_batches_in_flight", 0.0),
        ("phaseline_batches_in_flight_age_seconds", 0.0),
        ("phaseline_batches_parked", 0.0),
        ("phaseline_dead_letters", 0.0),
        ("phaseline_fleet_workers", 1.0),
        ("phaseline_fleet_slots", 12.0),
        (&format!("phaseline_controller_rate_limit_calls_per_second{one}"), 20.0),
        (&format!("phaseline_controller_concurrency_limit{one}"), 40.0),
        (&format!("phaseline_controller_concurrency_configured{one}"), 50.0),
        (&format!("phaseline_controller_concurrency_leased{one}"), 3.0),
        (&format!("phaseline_controller_concurrency_limit{two}"), 50.0),
        (&format!("phaseline_controller_cool_down_seconds{two}"), 0.0),
        (
            r#"lifecycle_workflow_started_total{service_type="cloudpath_dpsk_import"}"#,
            0.0,
        ),
        (
            r#"lifecycle_workflow_failed_total{service_type="cloudpath_dpsk_import"}"#,
            0.0,
        ),
        (
            r#"phaseline_jobs_ended_total{workflow="cloudpath_dpsk_import",status="PARTIAL"}"#,
            0.0,
        ),
        (r#"phaseline_api_script_duration_seconds_count{script="submit"}"#, 1.0),
    ] {
        assert_eq!(of(name), expected, "{name}");
    }
    assert!(of("phaseline_backlog_tasks") >= 30.0);
    assert!(of("phaseline_redis_memory_used_bytes") > 100_000.0);
    let configured = of(&format!("phaseline_controller_rate_configured_calls_per_second{two}"));
    assert!((configured - 33.3).abs() < 0.1);

    // twenty scrapers within the time a reading is kept: one reading
    for _ in 0..20 {
        get(&parts, "/metrics").await;
    }
    let (_, _, page) = get(&parts, "/metrics").await;
    let readings = value(
        &page,
        r#"phaseline_api_script_duration_seconds_count{script="figures"}"#,
    )
    .unwrap();
    assert!(readings <= 3.0, "{readings} readings for 22 scrapes");
}

#[actix_web::test]
async fn a_store_that_is_away_takes_nothing_from_our_own_numbers() {
    let (status, _, page) = get(&storeless(), "/metrics").await;
    assert_eq!((status, value(&page, "phaseline_redis_up")), (200, Some(0.0)));
    assert_eq!(value(&page, "phaseline_api_panics_total"), Some(0.0));
    assert!(!page.contains("phaseline_backlog_tasks") && page.ends_with("# EOF\n"));

    let mut redis = Redis::start(&[]);
    let (parts, _) = world(&redis).await;
    redis.kill();
    let (status, _, page) = get(&parts, "/metrics").await;
    assert_eq!((status, value(&page, "phaseline_redis_up")), (200, Some(0.0)));
}

#[actix_web::test]
async fn a_full_redis_is_told_and_new_jobs_are_refused() {
    let redis = Redis::start(&[]);
    let (parts, _) = world(&redis).await;
    assert_eq!(get(&parts, "/readyz").await.0, 200);
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    // callers can still look at jobs and steer them
    let (status, _, said) = get(&parts, "/readyz").await;
    assert!(status == 200 && said.contains("Redis is full"), "{status} {said}");
    let (status, problem) = import(&parts, 3).await;
    assert_eq!(status, 503, "{problem}");
    assert!(
        problem["detail"].as_str().unwrap().contains("Redis is full"),
        "{problem}"
    );
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    let (status, _, said) = get(&parts, "/readyz").await;
    assert!(status == 200 && !said.contains("full"), "{status} {said}");
    assert_eq!(import(&parts, 3).await.0, 202);
}

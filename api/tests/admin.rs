//! What operators and administrators see of the fleet, under a known state.

mod common;
#[path = "common/fleet.rs"]
mod fleet;
#[path = "common/redis.rs"]
mod redis;

use std::time::{Duration, Instant};

use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use api::auth::Verifier;
use api::body::BodyLimits;
use api::server::{Parts, app};
use common::{SECRET, token};
use fleet::{Hands, P, definition, new_job, task, tenant};
use redis::Redis;
use serde_json::{Value, json};
use shared::config::Settings;
use shared::id::{Lane, WorkerId};
use shared::limit::aimd::Limit;
use shared::seal::Sealer;
use shared::store::model::Outage;
use shared::store::{LimitRequest, Partition, Store};

async fn world(partitions: &str) -> (Redis, Store, Parts) {
    let redis = Redis::start(&[]);
    let (key, port) = (Sealer::generate_key(), redis.port.to_string());
    let pairs = [
        ("PAYLOAD_KEY", key.as_str()),
        ("REDIS_PORT", &port),
        ("PARTITIONS", partitions),
    ];
    let settings = Settings::from_pairs(&pairs).unwrap();
    let store = Store::open(&settings.redis, &settings.engine).unwrap();
    store.prepare(&settings.redis).await.unwrap();
    let verifier = Verifier::tokens(Some(SECRET), None).unwrap();
    let parts = common::parts(&settings, store.clone(), verifier, BodyLimits::default());
    parts.state.set_prepared();
    (redis, store, parts)
}

async fn get(parts: &Parts, tenant: Option<&str>, roles: &[&str], path: &str) -> Value {
    let app = init_service(app(parts.clone())).await;
    let request = TestRequest::get()
        .uri(path)
        .insert_header(("authorization", format!("Bearer {}", token(tenant, roles))));
    let answer = call_service(&app, request.to_request()).await;
    assert_eq!(answer.status(), 200, "{path}");
    read_body_json(answer).await
}

async fn operator(parts: &Parts, path: &str) -> Value {
    get(parts, None, &["operator"], path).await
}

/// All items of a list, a page at a time.
async fn pages(parts: &Parts, path: &str, limit: usize) -> Vec<Value> {
    let (mut items, mut next) = (Vec::new(), format!("{path}?limit={limit}"));
    loop {
        let page = operator(parts, &next).await;
        let found = page["items"].as_array().unwrap();
        assert!(found.len() <= limit);
        items.extend(found.iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else {
            return items;
        };
        assert!(!found.is_empty(), "there is more, so something is here");
        next = format!("{path}?limit={limit}&cursor={cursor}");
    }
}

#[actix_web::test]
async fn a_stream_is_shown_with_the_lanes_in_front_of_it() {
    let (_redis, store, parts) = world("1").await;
    let mut hands = Hands::of(&store).await;
    let workflow = definition(&[("first", "toy.first")]);
    let quiet = operator(&parts, "/api/v1/admin/streams").await;
    assert_eq!(quiet["items"][0]["lanes"], json!([]));
    assert_eq!(quiet["items"][0]["lag_seconds"], Value::Null);

    let mut big = new_job("acme", workflow);
    big.expected_tasks = 30;
    hands.submit(&big).await;
    let batches = (0..3).map(|b| (b * 10..b * 10 + 10).map(|i| task(i, "n", json!({}))).collect());
    hands.plan(&batches.collect::<Vec<_>>(), true).await;
    let parked = hands.claim().await;
    store
        .park(P, &parked.unit, &parked.token, Some(60_000), 10, &[])
        .await
        .unwrap();
    let held = hands.claim().await;
    let mut small = new_job("other", workflow);
    small.controller = 2;
    hands.submit(&small).await;
    let other = Lane::new(&tenant("other"), 2);
    let now = u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap();
    let outage = Outage::new(now, now - 5_000, "refused".into(), Duration::from_secs(40));
    store.note_outage(P, &other, Some(&outage)).await.unwrap();
    store.cool_lane(P, &other, 60_000).await.unwrap();

    // within the two seconds that figures are kept it is as quiet as before
    let page = operator(&parts, "/api/v1/admin/streams").await;
    assert_eq!(page["items"][0]["lanes_total"], 0);
    let stream = &stream_with(&parts, 2).await;
    for (field, value) in [
        ("partition", json!(0)),
        ("stream", json!("workflow:{p0}:work")),
        ("group", json!("workers")),
        ("entries", json!(3)),
        ("lag_entries", json!(2)),
        ("in_flight", json!(1)),
        ("parked", json!(1)),
        ("dead_letters", json!(0)),
        ("jobs_unfinished", json!(2)),
        ("backlog_tasks", json!(31)),
        ("lanes_total", json!(2)),
    ] {
        assert_eq!(stream[field], value, "{field} of {stream}");
    }
    assert!(stream["lag_seconds"].is_f64() && stream["in_flight_age_seconds"].is_f64());
    let lanes = stream["lanes"].as_array().unwrap();
    assert_eq!(
        (&lanes[0]["tenant"], &lanes[1]["tenant"]),
        (&json!("acme"), &json!("other")),
        "busiest first"
    );
    assert_eq!(
        (
            &lanes[0]["in_stream"],
            &lanes[0]["parked"],
            &lanes[0]["outage"],
            &lanes[0]["controller_id"]
        ),
        (&json!(20), &json!(1), &Value::Null, &json!(1))
    );
    assert!(lanes[1]["cool_down_seconds"].as_f64().unwrap() > 30.0);
    assert_eq!(
        (
            &lanes[1]["outage"]["reason"],
            &lanes[1]["outage"]["tried_every_seconds"]
        ),
        (&json!("refused"), &json!(40))
    );
    drop(held);
}

/// The one stream, once it is shown with so many lanes.
async fn stream_with(parts: &Parts, lanes: u64) -> Value {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let page = operator(parts, "/api/v1/admin/streams").await;
        assert_eq!(page["next_cursor"], Value::Null);
        let stream = &page["items"][0];
        if stream["lanes_total"] == lanes {
            return stream.clone();
        }
        assert!(Instant::now() < deadline, "{lanes} lanes are not shown: {stream}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[actix_web::test]
async fn lanes_are_counted_all_and_ranked_before_they_are_cut() {
    let (redis, _store, parts) = world("1").await;
    // the busiest come last in the alphabet
    let names: Vec<String> = (0..1_200).map(|i| format!("t{i:04}|1")).collect();
    let tasks: Vec<String> = (1..=1_200).map(|n| n.to_string()).collect();
    let mut command = vec!["HSET", "workflow:{p0}:tin"];
    command.extend(names.iter().zip(&tasks).flat_map(|(name, n)| [name.as_str(), n]));
    redis.cli(&command);
    let stream = stream_with(&parts, 1_200).await;
    let lanes = stream["lanes"].as_array().unwrap();
    assert_eq!((lanes.len(), &lanes[0]["tenant"]), (50, &json!("t1199")));
    assert_eq!(lanes[49]["in_stream"], 1_151);
}

#[actix_web::test]
async fn a_lane_with_held_or_parked_work_only_is_shown() {
    let (_redis, store, parts) = world("1").await;
    let mut hands = Hands::of(&store).await;
    let workflow = definition(&[("first", "toy.first")]);
    let parked = hands.submit(&new_job("acme", workflow)).await;
    let claim = hands.claim().await;
    store
        .park(P, &claim.unit, &claim.token, Some(60_000), 1, &[])
        .await
        .unwrap();
    store.pause(&tenant("acme"), parked, "lunch").await.unwrap();
    let mut paused = new_job("other", workflow);
    paused.controller = 2;
    hands.submit(&paused).await;
    let claim = hands.claim().await;
    store.pause(&tenant("other"), paused.id, "lunch").await.unwrap();
    store.park(P, &claim.unit, &claim.token, None, 1, &[]).await.unwrap();

    let mut to_confirm = new_job("waiting", workflow);
    to_confirm.require_confirmation = true;
    hands.submit(&to_confirm).await;

    let stream = stream_with(&parts, 3).await;
    assert_eq!(stream["jobs_unfinished"], 0, "held ones are not counted");
    let lanes = stream["lanes"].as_array().unwrap();
    let told = |lane: &Value| {
        (
            lane["tenant"].clone(),
            lane["parked"].clone(),
            lane["jobs_paused"].clone(),
            lane["jobs_to_confirm"].clone(),
        )
    };
    assert_eq!(told(&lanes[0]), (json!("acme"), json!(1), json!(1), json!(0)));
    assert_eq!(told(&lanes[1]), (json!("other"), json!(0), json!(1), json!(0)));
    assert_eq!(told(&lanes[2]), (json!("waiting"), json!(0), json!(0), json!(1)));
}

/// Its paused job is older than those that are looked through, or its hash is gone: what workers have noted of the lane is left.
#[actix_web::test]
async fn a_lane_is_known_by_the_rate_that_workers_noted() {
    let (redis, store, parts) = world("1").await;
    for name in ["acme", "quiet"] {
        store
            .set_lane_rate(P, &Lane::new(&tenant(name), 1), 33.0)
            .await
            .unwrap();
    }
    redis.cli(&["SADD", "workflow:{p0}:pk:acme|1", "j|first|0"]);
    let stream = stream_with(&parts, 1).await;
    let lane = &stream["lanes"][0];
    assert_eq!((&lane["tenant"], &lane["parked"]), (&json!("acme"), &json!(1)));
}

#[actix_web::test]
async fn partitions_are_shown_page_by_page() {
    let (_redis, _store, parts) = world("5").await;
    for limit in [1, 2, 5, 7] {
        let found = pages(&parts, "/api/v1/admin/streams", limit).await;
        let numbers: Vec<_> = found.iter().map(|s| s["partition"].as_u64().unwrap()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4], "by {limit}");
    }
}

#[actix_web::test]
async fn workers_are_shown_live_ones_and_dead_ones_that_own_entries() {
    let (redis, store, parts) = world("1").await;
    let mut hands = Hands::of(&store).await;
    hands
        .submit(&new_job("acme", definition(&[("first", "toy.first")])))
        .await;
    let claim = hands.claim().await;
    let units = [(claim.unit.clone(), claim.token.clone())];
    let info = r#"{"version":"1.2.3","pid":77}"#;
    store
        .heartbeat(P, &hands.worker, 9, info, 15_000, &units)
        .await
        .unwrap();
    let page = operator(&parts, "/api/v1/admin/workers").await;
    let worker = &page["items"][0];
    for (field, value) in [
        ("id", json!(hands.worker.to_string())),
        ("partition", json!(0)),
        ("alive", json!(true)),
        ("slots", json!(9)),
        ("slots_busy", json!(1)),
        ("pending", json!(1)),
        ("version", json!("1.2.3")),
        ("pid", json!(77)),
    ] {
        assert_eq!(worker[field], value, "{field} of {worker}");
    }
    assert!(worker["seen_at"].as_str().unwrap().starts_with("20"));
    // silent: it is dead, but what it owns is not lost
    let until = redis.lines(&["ZADD", "workflow:{p0}:workers", "XX", "CH", "1", hands.worker.as_str()]);
    assert_eq!(until, ["1"]);
    let page = operator(&parts, "/api/v1/admin/workers").await;
    assert_eq!(
        (&page["items"][0]["alive"], &page["items"][0]["pending"]),
        (&json!(false), &json!(1))
    );
    assert!(store.release(P, &claim.unit, &claim.token).await.is_ok());
    let page = operator(&parts, "/api/v1/admin/workers").await;
    assert_eq!(page["items"], json!([]));
}

#[actix_web::test]
async fn workers_are_shown_page_by_page_in_each_partition() {
    let (redis, store, parts) = world("2").await;
    let workers: Vec<WorkerId> = (0..5).map(|_| WorkerId::generate()).collect();
    for worker in &workers {
        for p in [0, 1] {
            store
                .heartbeat(Partition(p), worker, 3, "{}", 60_000, &[])
                .await
                .unwrap();
        }
    }
    let mut wanted: Vec<(u64, String)> = Vec::new();
    let mut ids: Vec<String> = workers.iter().map(ToString::to_string).collect();
    ids.sort();
    for p in [0, 1] {
        wanted.extend(ids.iter().map(|id| (p, id.clone())));
    }
    for limit in [1, 3, 5, 10, 11] {
        let found = pages(&parts, "/api/v1/admin/workers", limit).await;
        let found: Vec<_> = found
            .iter()
            .map(|w| (w["partition"].as_u64().unwrap(), w["id"].as_str().unwrap().to_owned()))
            .collect();
        assert_eq!(found, wanted, "by {limit}");
    }
    // somebody has deleted a stream: still no error
    redis.cli(&["DEL", "workflow:{p1}:work"]);
    assert_eq!(pages(&parts, "/api/v1/admin/workers", 50).await.len(), 10);
    redis.cli(&["XADD", "workflow:{p1}:work", "*", "a", "stream without a group"]);
    assert_eq!(pages(&parts, "/api/v1/admin/workers", 50).await.len(), 10);
    // anything else that the server says is not "nobody"
    redis.cli(&["SET", "workflow:{p1}:work", "no stream"]);
    let app = init_service(app(parts.clone())).await;
    let bearer = format!("Bearer {}", token(None, &["operator"]));
    let request = TestRequest::get()
        .uri("/api/v1/admin/workers")
        .insert_header(("authorization", bearer));
    assert_eq!(call_service(&app, request.to_request()).await.status(), 500);
}

#[actix_web::test]
async fn limits_are_shown_to_operators_and_each_tenant_its_own() {
    let (_redis, store, parts) = world("1").await;
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
    store
        .limit_acquire(&limiter, &WorkerId::generate(), &request)
        .await
        .unwrap();
    let slower = Limit {
        rate: 20.0,
        concurrency: 40,
    };
    assert!(store.limit_report(&limiter, 0, Some(slower), 30_000).await.unwrap());

    let all = pages(&parts, "/api/v1/admin/limits", 1).await;
    assert_eq!(all.len(), 2);
    assert_eq!(all[0]["tenants"], json!(["acme", "dev"]));
    assert_eq!(
        all[0]["rate"],
        json!({"limit_per_minute": 1200.0, "configured_per_minute": 2000.0})
    );
    assert_eq!(
        all[0]["concurrency"],
        json!({"limit": 40, "configured": 50, "leased": 3})
    );
    assert!(all[0]["cool_down_seconds"].as_f64().unwrap() > 10.0);
    assert_eq!(all[1]["rate"]["limit_per_minute"], 2000.0);

    let own = get(&parts, Some("acme"), &["admin"], "/api/v1/admin/limits").await;
    let own = own["items"].as_array().unwrap();
    assert_eq!((own.len(), &own[0]["controller_id"]), (1, &json!(1)));
    assert_eq!(own[0]["tenants"], json!(["acme"]), "who else uses it is not told");
    let nobody = get(&parts, Some("nobody"), &["admin"], "/api/v1/admin/limits").await;
    assert_eq!(nobody["items"], json!([]));
}

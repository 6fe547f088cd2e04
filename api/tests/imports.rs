//! Imports on a real Redis: what is accepted, what is refused, and that what is refused leaves nothing behind.

mod common;
#[path = "common/redis.rs"]
mod redis;

use std::pin::Pin;
use std::time::Duration;

use actix_web::dev::{Payload, ServiceResponse};
use actix_web::error::PayloadError;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::web::Bytes;
use api::auth::Verifier;
use api::body::BodyLimits;
use api::server::{Parts, app};
use common::{SECRET, settings, token};
use futures_util::stream::{self, Stream, StreamExt};
use redis::Redis;
use serde_json::{Value, json};
use shared::blob;
use shared::cloudpath::Row;
use shared::config::Settings;
use shared::store::Store;

/// Found nowhere but in sealed boxes.
const PASSPHRASE: &str = "Xq7-secret-";

struct World {
    redis: Redis,
    settings: Settings,
    parts: Parts,
}

async fn world(limits: BodyLimits) -> World {
    world_on(Redis::start(&[]), limits).await
}

async fn world_on(redis: Redis, limits: BodyLimits) -> World {
    let settings = settings(redis.port);
    let store = Store::open(&settings.redis, &settings.engine).unwrap();
    store.prepare(&settings.redis).await.unwrap();
    let verifier = Verifier::tokens(Some(SECRET), None).unwrap();
    let parts = common::parts(&settings, store, verifier, limits);
    parts.state.set_prepared();
    World { redis, settings, parts }
}

fn export(rows: usize) -> Value {
    let dpsks: Vec<_> = (0..rows)
        .map(|i| json!({"guid": format!("g-{i}"), "name": format!("user{i}"), "passphrase": format!("{PASSPHRASE}{i:05}"), "status": "ACTIVE"}))
        .collect();
    Value::Array(dpsks)
}

fn body(controller: i64, rows: usize) -> Vec<u8> {
    let body = json!({"controller_id": controller, "venue_id": "v-1", "dpsk_data": export(rows)});
    serde_json::to_vec(&body).unwrap()
}

fn post(tenant: &str, body: Vec<u8>) -> TestRequest {
    TestRequest::post()
        .uri("/api/cloudpath-dpsk/import")
        .insert_header(("content-type", "application/json"))
        .insert_header(("authorization", format!("Bearer {}", token(Some(tenant), &["user"]))))
        .set_payload(body)
}

fn get(tenant: Option<&str>, roles: &[&str], path: &str) -> TestRequest {
    TestRequest::get()
        .uri(path)
        .insert_header(("authorization", format!("Bearer {}", token(tenant, roles))))
}

fn steer(tenant: Option<&str>, roles: &[&str], path: &str) -> TestRequest {
    get(tenant, roles, path).method(actix_web::http::Method::POST)
}

macro_rules! send {
    ($app:expr, $request:expr) => {{
        let answer: ServiceResponse = call_service(&$app, $request.to_request()).await;
        let status = answer.status().as_u16();
        let headers = answer.headers().clone();
        let body: Value = read_body_json(answer).await;
        (status, headers, body)
    }};
}

#[actix_web::test]
async fn an_accepted_import_is_stored_whole_sealed_and_readable() {
    let w = world(BodyLimits::default()).await;
    let app = init_service(app(w.parts.clone())).await;
    let (status, headers, accepted) = send!(app, post("acme", body(1, 2_300)));
    assert_eq!(status, 202, "{accepted}");
    let id = accepted["job_id"].as_str().unwrap();
    assert_eq!(accepted["status"], "PENDING");
    assert!(accepted["estimated_duration_seconds"].as_u64().unwrap() > 60);
    assert_eq!(accepted["durability"], "accepted");
    assert_eq!(
        headers.get("location").unwrap().to_str().unwrap(),
        format!("/api/cloudpath-dpsk/jobs/{id}/status")
    );

    let key = format!("workflow:{{p0}}:jobs:{id}");
    assert_eq!(w.redis.lines(&["HLEN", &format!("{key}:input")]), ["3"]);
    assert_eq!(w.redis.lines(&["TTL", &format!("{key}:input")]), ["-1"]);
    let store = Store::open(&w.settings.redis, &w.settings.engine).unwrap();
    let mut found = 0;
    for chunk in 0..3 {
        let (rows, sealed) = read_chunk(&store, id, chunk).await;
        let rows: Vec<Row> = blob::unpack(&rows).unwrap();
        let place = format!("{id}|input|{chunk}");
        let secrets = w.settings.sealer.open_column(&place, &sealed, rows.len()).unwrap();
        for (row, secret) in rows.iter().zip(&secrets) {
            assert_eq!(
                (row.row, secret.as_ref().unwrap().expose()),
                (found, format!("{PASSPHRASE}{found:05}").as_str())
            );
            found += 1;
        }
    }
    assert_eq!(found, 2_300);
    let disk = w.redis.disk();
    assert!(!disk.windows(PASSPHRASE.len()).any(|part| part == PASSPHRASE.as_bytes()));

    let (status, _, view) = send!(
        app,
        get(
            Some("acme"),
            &["viewer"],
            &format!("/api/cloudpath-dpsk/jobs/{id}/status")
        )
    );
    assert_eq!(
        (status, view["progress"]["total_tasks"].as_u64()),
        (200, Some(2_304)),
        "{view}"
    );
    assert_eq!(view["phases"].as_array().unwrap().len(), 8);
    assert_eq!(view["created_resources"]["passphrases"], json!([]));
    let (_, _, job) = send!(app, get(Some("acme"), &["viewer"], &format!("/api/v1/jobs/{id}")));
    assert_eq!(
        (&job["tenant_id"], &job["controller_id"], &job["submitted_by"]),
        (&json!("acme"), &json!(1), &json!("u1"))
    );
    assert_eq!(job["options"]["just_copy_dpsks"], true);
}

async fn read_chunk(store: &Store, id: &str, chunk: u32) -> (Vec<u8>, Vec<u8>) {
    let tenant = "acme".parse().unwrap();
    let p = store.partition_of(&tenant);
    store.input_chunk(p, id.parse().unwrap(), chunk).await.unwrap().unwrap()
}

#[actix_web::test]
async fn what_is_refused_leaves_nothing_behind_and_tells_every_fault() {
    let limits = BodyLimits {
        bytes_max: 20_000,
        idle: Duration::from_millis(50),
        drain: Duration::from_millis(50),
        ..BodyLimits::default()
    };
    let w = world(limits).await;
    let app = init_service(app(w.parts.clone())).await;
    let before = w.redis.lines(&["DBSIZE"]);

    let mut bad =
        json!({"controller_id": 1, "venue_id": "v 1", "dpsk_data": export(3), "options": {"group_by_vlan": "yes"}});
    bad["dpsk_data"][1]["passphrase"] = json!("Xq7-sec");
    bad["dpsk_data"][2]["vlanid"] = json!("9999");
    let (status, _, problem) = send!(app, post("acme", serde_json::to_vec(&bad).unwrap()));
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(status, 400);
    for pointer in [
        "/venue_id",
        "/options/group_by_vlan",
        "/dpsk_data/1/passphrase",
        "/dpsk_data/2/vlanid",
    ] {
        assert!(pointers.contains(&pointer), "{pointer} is not among {pointers:?}");
    }
    assert!(!problem.to_string().contains("Xq7-sec"), "{problem}");

    // Another tenant's controller is as unknown as one that never was.
    for controller in [2, 99] {
        let (status, _, problem) = send!(app, post("acme", body(controller, 1)));
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (400, &json!("/controller_id"))
        );
        let said = problem.to_string().replace(&controller.to_string(), "N");
        assert!(said.contains("there is no controller N"), "{said}");
    }
    let whole = body(1, 2);
    let (status, _, problem) = send!(app, post("acme", whole[..whole.len() - 5].to_vec()));
    assert_eq!((status, &problem["errors"][0]["code"]), (400, &json!("MALFORMED_JSON")));
    let (status, _, problem) = send!(app, post("acme", [body(1, 2), vec![b' '; 20_000]].concat()));
    assert_eq!((status, &problem["limit_bytes"]), (413, &json!(20_000)));
    for key in ["", "a\tb", &"k".repeat(256)] {
        let (status, _, problem) = send!(app, post("acme", body(1, 1)).insert_header(("idempotency-key", key)));
        assert_eq!(
            (status, &problem["errors"][0]["header"]),
            (400, &json!("Idempotency-Key")),
            "{key:?}"
        );
    }
    assert_eq!(w.redis.lines(&["DBSIZE"]), before);
}

#[actix_web::test]
async fn a_body_that_breaks_off_or_stops_leaves_nothing_behind() {
    let limits = BodyLimits {
        idle: Duration::from_millis(50),
        ..BodyLimits::default()
    };
    let w = world(limits).await;
    let before = w.redis.lines(&["DBSIZE"]);
    let whole = body(1, 2);
    let cases: [(Option<PayloadError>, u16); 2] = [(Some(PayloadError::Incomplete(None)), 400), (None, 408)];
    for (end, status) in cases {
        // All of the JSON arrives; only the transport says that there was more to come, or never ends.
        let begun = stream::iter([Ok(Bytes::from(whole.clone()))]);
        let stream: Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>> = match end {
            Some(error) => Box::pin(begun.chain(stream::iter([Err(error)]))),
            None => Box::pin(begun.chain(stream::pending())),
        };
        let payload = Payload::Stream { payload: stream };
        let app = init_service(app(w.parts.clone())).await;
        let (request, _) = post("acme", Vec::new()).to_request().replace_payload(payload);
        let answer: ServiceResponse = call_service(&app, request).await;
        assert_eq!(answer.status().as_u16(), status);
    }
    assert_eq!(w.redis.lines(&["DBSIZE"]), before);
}

#[actix_web::test]
async fn the_same_key_gives_the_same_job_and_another_body_none() {
    let w = world(BodyLimits::default()).await;
    let app = init_service(app(w.parts.clone())).await;
    let keyed = |tenant, rows| post(tenant, body(1, rows)).insert_header(("idempotency-key", "k 1"));
    let (first, _, accepted) = send!(app, keyed("acme", 5));
    let after_first = w.redis.lines(&["DBSIZE"]);
    let (second, headers, again) = send!(app, keyed("acme", 5));
    assert_eq!((first, second), (202, 200));
    assert_eq!(headers.get("idempotent-replayed").unwrap(), "true");
    assert_eq!(accepted, again);
    let (status, _, problem) = send!(app, keyed("acme", 6));
    assert_eq!(
        (status, &problem["type"]),
        (422, &json!("urn:phaseline:problem:idempotency-key-reused"))
    );
    assert_eq!(
        w.redis.lines(&["DBSIZE"]),
        after_first,
        "what a replay staged is taken back"
    );
    // Keys belong to tenants.
    let (status, _, other) = send!(app, keyed("dev", 5));
    assert_eq!(status, 202);
    assert_ne!(other["job_id"], accepted["job_id"]);
    // At the same moment.
    let race = |n| {
        post("acme", body(1, n))
            .insert_header(("idempotency-key", "race"))
            .to_request()
    };
    let answers = futures_util::future::join_all((0..8).map(|_| call_service(&app, race(7)))).await;
    let created = answers.iter().filter(|a| a.status() == 202).count();
    assert_eq!((created, answers.len()), (1, 8));
}

#[actix_web::test]
async fn another_tenants_job_is_as_absent_as_none() {
    let w = world(BodyLimits::default()).await;
    let app = init_service(app(w.parts.clone())).await;
    let (_, _, accepted) = send!(app, post("acme", body(1, 1)));
    let id = accepted["job_id"].as_str().unwrap();
    for path in ["", "/tasks"] {
        let path = format!("/api/v1/jobs/{id}{path}");
        assert_eq!(send!(app, get(Some("other"), &["admin"], &path)).0, 404, "{path}");
        assert_eq!(send!(app, get(Some("acme"), &["viewer"], &path)).0, 200, "{path}");
        assert_eq!(send!(app, get(None, &["operator"], &path)).0, 200, "{path}");
    }
    let status = format!("/api/cloudpath-dpsk/jobs/{id}/status");
    assert_eq!(send!(app, get(Some("other"), &["admin"], &status)).0, 404);
    for call in ["pause", "resume", "cancel"] {
        let path = format!("/api/v1/jobs/{id}/{call}");
        let (status, _, theirs) = send!(app, steer(Some("other"), &["admin"], &path));
        assert_eq!(status, 404);
        let none = path.replace(id, "0197a1b2-0000-7000-8000-000000000000");
        let (_, _, nobodys) = send!(app, steer(Some("other"), &["admin"], &none));
        assert_eq!(theirs["title"], nobodys["title"]);
    }
    let (_, _, list) = send!(app, get(Some("other"), &["admin"], "/api/v1/jobs"));
    assert_eq!(list["items"], json!([]));
    let (_, _, list) = send!(app, get(None, &["operator"], "/api/v1/jobs?status=PENDING"));
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
}

#[actix_web::test]
async fn tasks_of_a_phase_that_is_none_are_refused_and_not_an_empty_page() {
    let w = world(BodyLimits::default()).await;
    let app = init_service(app(w.parts.clone())).await;
    let (_, _, accepted) = send!(app, post("acme", body(1, 1)));
    let path = format!("/api/v1/jobs/{}/tasks", accepted["job_id"].as_str().unwrap());
    let asked = |query: &str| get(Some("acme"), &["viewer"], &format!("{path}?{query}"));
    assert_eq!(send!(app, asked("phase=create_passphrases&cursor=5.0.7")).0, 200);
    let (status, _, problem) = send!(app, asked("phase=foo"));
    assert_eq!(
        (status, &problem["errors"][0]["code"]),
        (400, &json!("UNKNOWN_PHASE")),
        "{problem}"
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.contains("`foo`") && detail.contains("create_passphrases, activate_networks"),
        "{detail}"
    );
    for cursor in ["8.0.0", "99.0.0", "1.2", "x", "0.0.0.0"] {
        let (status, _, problem) = send!(app, asked(&format!("cursor={cursor}")));
        assert_eq!(
            (status, &problem["errors"][0]["parameter"]),
            (400, &json!("cursor")),
            "{cursor}: {problem}"
        );
    }
    let (_, _, problem) = send!(app, asked("phase=foo&cursor=99.0.0"));
    assert_eq!(problem["errors"].as_array().unwrap().len(), 2, "{problem}");
}

#[actix_web::test]
async fn steering_says_what_it_did_and_names_the_state_when_it_cannot() {
    let w = world(BodyLimits::default()).await;
    let app = init_service(app(w.parts.clone())).await;
    let (_, _, accepted) = send!(app, post("acme", body(1, 1)));
    let id = accepted["job_id"].as_str().unwrap();
    let call = |what: &str| steer(Some("acme"), &["user"], &format!("/api/v1/jobs/{id}/{what}"));
    let steps = [
        ("resume", 409, "PENDING", None),
        ("pause", 200, "PAUSED", Some(true)),
        ("pause", 200, "PAUSED", Some(false)),
        ("resume", 200, "PENDING", Some(true)),
        ("pause", 200, "PAUSED", Some(true)),
        ("cancel", 200, "CANCELLING", Some(true)),
        ("cancel", 200, "CANCELLING", Some(false)),
        ("pause", 409, "CANCELLING", None),
    ];
    for (what, code, state, changed) in steps {
        let (status, _, answer) = send!(app, call(what));
        assert_eq!(status, code, "{what}: {answer}");
        let told = if code == 200 {
            &answer["status"]
        } else {
            &answer["state"]
        };
        assert_eq!(told, state, "{what}: {answer}");
        assert_eq!(answer["changed"].as_bool(), changed, "{what}: {answer}");
        assert!(
            code == 200 || answer["detail"].as_str().unwrap().contains(state),
            "{answer}"
        );
    }
}

#[actix_web::test]
async fn a_store_that_goes_away_is_503_and_comes_back_by_itself() {
    let mut w = world(BodyLimits::default()).await;
    let app = init_service(app(w.parts.clone())).await;
    let (_, _, accepted) = send!(app, post("acme", body(1, 3)));
    let id = accepted["job_id"].as_str().unwrap().to_owned();
    w.redis.kill();
    let (status, headers, problem) = send!(app, get(Some("acme"), &["user"], "/api/v1/jobs"));
    assert_eq!((status, headers.contains_key("retry-after")), (503, true), "{problem}");
    let said = problem["detail"].as_str().unwrap();
    assert_eq!(said, "Redis cannot be reached right now; try again later");
    assert!(!problem.to_string().contains("127.0.0.1"), "{problem}");
    assert_eq!(send!(app, TestRequest::get().uri("/readyz")).0, 503);
    assert_eq!(send!(app, TestRequest::get().uri("/healthz")).0, 200);
    let (status, _, _) = send!(app, post("acme", body(1, 3)));
    assert_eq!(status, 503);
    w.redis.start_again();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while send!(app, TestRequest::get().uri("/readyz")).0 != 200 {
        assert!(std::time::Instant::now() < deadline, "not ready again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (status, _, job) = send!(app, get(Some("acme"), &["user"], &format!("/api/v1/jobs/{id}")));
    assert_eq!((status, &job["status"]), (200, &json!("PENDING")));
    // nobody has taken it, and nobody is there to take it
    assert_eq!(
        (&job["warnings"], &job["limited_by"], &job["eta_seconds"]),
        (
            &json!(["no worker is running: the job waits until one is started"]),
            &json!("workers"),
            &Value::Null
        )
    );
    let phases = job["phases"].as_array().unwrap();
    assert!(phases.iter().all(|p| p["status"] == "PENDING"), "{job}");
    assert_eq!(job["current_phase_id"], Value::Null);
}

#[actix_web::test]
async fn a_full_store_is_503_and_takes_nothing_by_half() {
    let w = world_on(Redis::start(&["--maxmemory", "6mb"]), BodyLimits::default()).await;
    let app = init_service(app(w.parts.clone())).await;
    w.redis.cli(&["SET", "filler", &"x".repeat(100_000)]);
    w.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let before = w.redis.lines(&["DBSIZE"]);
    let (status, headers, problem) = send!(app, post("acme", body(1, 1_500)));
    assert_eq!((status, headers.contains_key("retry-after")), (503, true), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("full"), "{problem}");
    assert_eq!(w.redis.lines(&["DBSIZE"]), before);
    w.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    assert_eq!(send!(app, post("acme", body(1, 1_500))).0, 202);
}

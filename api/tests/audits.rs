//! Audits over HTTP: how what a job left behind stands is looked at by a job of its own, which is told like a cleanup.

mod common;
#[path = "common/fleet.rs"]
mod fleet;
#[path = "common/redis.rs"]
mod redis;
#[path = "common/world.rs"]
mod world;

use actix_web::dev::ServiceResponse;
use actix_web::test::{TestRequest, call_service, init_service, read_body, read_body_json};
use api::server::app;
use common::token;
use fleet::{Hands, P, made, new_job, task};
use serde_json::{Value, json};
use shared::id::JobId;
use shared::job::audit::AuditOrder;
use shared::job::outcome::Outcome;
use shared::store::Store;
use shared::store::model::{PlanCommitted, TakesUp};
use shared::workflow::catalog::CLOUDPATH_DPSK_AUDIT;
use shared::workflow::{Definition, parse};
use world::{World, world};

const TENANT: &str = "acme";
const GENERIC: &str = "/api/v1/jobs/{id}/audit";
const IMPORTS: &str = "/api/cloudpath-dpsk/jobs/{id}/audit";

/// An import of one phase: what an audit asks of the others is the same.
fn workflow(name: &str) -> &'static Definition {
    let text = format!(
        "name: {name}\nversion: 7\nphases:\n  - {{id: create_passphrases, name: Keys, executor: keys, batch_size: 3}}\n"
    );
    Box::leak(Box::new(parse::parse(&text).unwrap()))
}

async fn ended(store: &Store, name: &str) -> JobId {
    let mut hands = Hands::of(store).await;
    let id = hands.submit(&new_job(TENANT, workflow(name))).await;
    let tasks: Vec<_> = (0..3).map(|n| task(n, &format!("user{n}"), json!({}))).collect();
    hands.plan(&[tasks], true).await;
    hands
        .complete_with(|t| made(t, "passphrase"), [("passphrase|c", 3)])
        .await;
    id
}

fn bare(request: TestRequest, path: &str, job: &str) -> TestRequest {
    request
        .uri(&path.replace("{id}", job))
        .insert_header(("authorization", format!("Bearer {}", token(Some(TENANT), &["user"]))))
}

fn post(path: &str, job: &str) -> TestRequest {
    bare(TestRequest::post(), path, job).insert_header(("prefer", "wait=0"))
}

fn get(path: &str, job: &str) -> TestRequest {
    bare(TestRequest::get(), path, job)
}

macro_rules! send {
    ($app:expr, $request:expr) => {{
        let answer: ServiceResponse = call_service(&$app, $request.to_request()).await;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let body: Value = read_body_json(answer).await;
        (status, headers, body)
    }};
}

#[actix_web::test]
async fn what_a_job_left_is_looked_at_by_a_job_of_its_own_which_is_not_taken_up_itself() {
    let World { store, parts, redis } = world().await;
    let app = init_service(app(parts)).await;
    let old = ended(&store, "cloudpath_dpsk_import").await.to_string();
    let other = ended(&store, "cloudpath_dpsk_import").await.to_string();
    let key = |job: &str| format!("workflow:{{p0}}:jobs:{job}");
    redis.cli(&["EXPIRE", &key(&old), "100"]);
    redis.cli(&["EXPIRE", &(key(&old) + ":out:create_passphrases"), "100"]);

    let keyed = |path: &str| post(path, &old).insert_header(("idempotency-key", "once"));
    let (status, headers, told) = send!(app, keyed(IMPORTS));
    assert_eq!((status, &told["status"]), (202, &json!("auditing")), "{told}");
    assert_eq!((&told["audit_of"], &told["is_as_left"]), (&json!(old), &Value::Null));
    assert_eq!(told["missing"], json!([]));
    let id = told["job_id"].as_str().unwrap().to_owned();
    assert_eq!(headers.get("location").unwrap(), format!("/api/v1/jobs/{id}").as_str());
    let spec = store.job_spec(P, id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(
        (spec.definition.name.as_str(), spec.controller),
        (CLOUDPATH_DPSK_AUDIT, 1)
    );
    let order = AuditOrder::of(&spec.input).unwrap();
    assert_eq!((order.audit_of.to_string(), order.kin), (old.clone(), Vec::new()));
    let tenant = TENANT.parse().unwrap();
    let stood = order.stood.unwrap();
    assert_eq!(store.stand(&tenant, order.audit_of).await.unwrap(), Some(stood));
    let ended = store.job(&tenant, order.audit_of).await.unwrap().unwrap();
    assert_eq!((stood.status, stood.since_ms), (ended.status, ended.completed_ms));
    // what should be there is read from it meanwhile
    for part in ["", ":out:create_passphrases"] {
        let ttl: u64 = redis.lines(&["TTL", &(key(&old) + part)])[0].parse().unwrap();
        assert!(ttl > 3_000, "{part}: {ttl}");
    }
    let job = async |id: &str| {
        let tenant = TENANT.parse().unwrap();
        store.job(&tenant, id.parse().unwrap()).await.unwrap().unwrap()
    };
    assert_eq!(job(&old).await.audited_by, Some(id.parse().unwrap()));
    assert_eq!(job(&id).await.audit_of, Some(old.parse().unwrap()));

    let (status, headers, again) = send!(app, keyed(IMPORTS));
    assert_eq!((status, again["job_id"].as_str()), (200, Some(id.as_str())), "{again}");
    assert_eq!(headers.get("idempotent-replayed").unwrap(), "true");
    // another one beside it is no harm, but not under the key of another job
    assert_eq!(send!(app, post(GENERIC, &old)).0, 202);
    let reused = post(GENERIC, &other).insert_header(("idempotency-key", "once"));
    assert_eq!(send!(app, reused).0, 422);

    assert_eq!(
        send!(app, bare(TestRequest::post(), "/api/v1/jobs/{id}/cancel", &id)).0,
        200
    );
    let mut hands = Hands::of(&store).await;
    while job(&id).await.status.as_str() != "CANCELLED" {
        let _ = hands.take().await;
    }
    let delete = json!({"delete_partial_resources": true});
    for (path, request) in [
        (GENERIC, post(GENERIC, &id)),
        ("cleanup", post("/api/v1/jobs/{id}/cleanup", &id).set_json(&delete)),
        ("retry", post("/api/v1/jobs/{id}/retry", &id)),
    ] {
        let (status, _, problem) = send!(app, request);
        let names_it = problem["detail"].as_str().unwrap().contains(&old);
        assert!(status == 409 && names_it, "{path}: {problem}");
    }
    assert_eq!(send!(app, post(IMPORTS, &id)).0, 404, "it is no import");
}

#[actix_web::test]
async fn what_was_found_is_told_by_the_answer_the_job_its_tasks_and_its_report() {
    let World {
        store,
        parts,
        redis: _redis,
    } = world().await;
    let app = init_service(app(parts)).await;
    let old = ended(&store, "cloudpath_dpsk_import").await.to_string();
    let (_, _, told) = send!(app, post(GENERIC, &old));
    let id = told["job_id"].as_str().unwrap().to_owned();
    let mut hands = Hands::of(&store).await;
    let finding = |verdict: &str, more: Value| {
        let mut data = json!({"v": verdict, "t": "passphrase", "d": "k", "w": "Lobby-DPSK"});
        for (name, value) in more.as_object().into_iter().flatten() {
            data[name] = value.clone();
        }
        data
    };
    let rows = [
        ("anna", finding("present", json!({"a": "created"}))),
        ("ben", finding("missing", json!({"a": "created"}))),
        (
            "carl",
            finding(
                "changed",
                json!({"a": "adopted", "f": [{"n": "passphrase"}, {"n": "vlanId", "v": ["45", "44"]}]}),
            ),
        ),
        (
            "dora",
            finding(
                "not_expected",
                json!({"x": "the job did not make it: its task is FAILED (X)"}),
            ),
        ),
        ("zoe", finding("extra", json!({}))),
    ];
    let tasks: Vec<_> = (0..)
        .zip(&rows)
        .map(|(n, (name, data))| task(n, name, data.clone()))
        .collect();
    let facts = json!({"audit": {"verdicts": {"present": 1, "missing": 1, "changed": 1, "not_expected": 1, "extra": 1},
        "first": {"missing": [1], "changed": [2], "extra": [4]}, "there": 4, "of_others": 0, "extra_untold": 0}});
    let groups = json!({"audit": {"verdicts": {"present": 1}, "first": {}, "there": 1, "venue_name": "Annex"}});
    let mut left = 0;
    while let Ok(claim) = hands.take().await {
        let (unit, token) = (&claim.unit, claim.token.as_str());
        if !unit.is_plan() {
            let outcomes: Vec<Outcome> = tasks.iter().map(|t| Outcome::completed(t.index, None)).collect();
            let result = shared::store::model::BatchResult {
                blob: shared::blob::pack(&outcomes).unwrap(),
                done: 5,
                ..Default::default()
            };
            store.complete(P, unit, token, &result).await.unwrap();
            left += 1;
        } else {
            let is_keys = unit.phase.as_str() == "audit_passphrases";
            if is_keys {
                let blob = shared::blob::pack(&tasks).unwrap();
                store.plan_put(P, unit, token, &[(0, blob, Vec::new())]).await.unwrap();
            }
            let facts = match unit.phase.as_str() {
                "audit_passphrases" => Some(&facts),
                "audit_identity_groups" => Some(&groups),
                _ => None,
            };
            let (batches, n) = if is_keys { (1, 5) } else { (0, 0) };
            let done = store
                .plan_commit(P, unit, token, batches, n, 200, 0, facts, false)
                .await;
            assert_eq!(done.unwrap(), PlanCommitted::Ok);
            left += 1;
        }
        if left == 7 {
            break;
        }
    }
    let (status, _, job) = send!(app, get("/api/v1/jobs/{id}", &id));
    assert_eq!((status, &job["status"]), (200, &json!("COMPLETED")), "{job}");
    let audit = &job["audit"];
    assert_eq!(
        (&audit["status"], &audit["is_as_left"]),
        (&json!("audited"), &json!(false)),
        "{audit}"
    );
    assert_eq!(
        (
            &audit["venue_name"],
            &audit["total_identity_groups"],
            &audit["total_passphrases"]
        ),
        (&json!("Annex"), &json!(1), &json!(4))
    );
    assert_eq!(
        (&audit["missing"][0]["name"], &audit["extra"][0]["name"]),
        (&json!("ben"), &json!("zoe"))
    );
    assert_eq!(
        audit["changed"][0]["differences"],
        json!([{"field": "passphrase", "found": "***", "expected": "***"}, {"field": "vlanId", "found": "45", "expected": "44"}])
    );
    let missing = format!("/api/v1/jobs/{id}/tasks?verdict=missing");
    assert_eq!(audit["totals"]["missing"], json!({"total": 1, "link": missing}));
    let (_, _, page) = send!(app, get(&missing, &id));
    assert_eq!(page["items"].as_array().unwrap().len(), 1, "{page}");
    assert_eq!(page["items"][0]["input_data"]["verdict"], "missing");
    let report = call_service(
        &app,
        get("/api/v1/jobs/{id}/report?format=csv&verdict=changed,extra", &id).to_request(),
    )
    .await;
    let text = String::from_utf8(read_body(report).await.to_vec()).unwrap();
    let lines: Vec<_> = text.lines().skip(1).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(
        lines[0].contains(",carl,Lobby-DPSK,COMPLETED,changed,passphrase,k,"),
        "{text}"
    );
    assert!(
        lines[0].ends_with("\"passphrase differs | vlanId is 45, expected 44\""),
        "{text}"
    );
    assert!(lines[1].contains(",zoe,Lobby-DPSK,COMPLETED,extra,"), "{text}");
    // of a job that is no audit nothing is judged
    let (status, _, problem) = send!(app, get("/api/v1/jobs/{id}/tasks?verdict=missing", &old));
    assert_eq!(
        (status, &problem["errors"][0]["code"]),
        (400, &json!("NOT_AN_AUDIT")),
        "{problem}"
    );
    let (_, _, job) = send!(app, get("/api/v1/jobs/{id}", &old));
    assert_eq!((&job["audited_by"], job.get("audit")), (&json!(id), None));
}

/// Nothing that was found differs; what could not be told, or was not even listed, may.
#[actix_web::test]
async fn what_could_not_be_judged_is_no_all_clear() {
    for (verdicts, hidden, known) in [
        (json!({"present": 3}), 0, json!(true)),
        (json!({"present": 3, "not_judged": 1}), 0, Value::Null),
        (json!({"present": 3}), 2, Value::Null),
        (json!({"missing": 1, "not_judged": 1}), 2, json!(false)),
    ] {
        let World {
            store,
            parts,
            redis: _redis,
        } = world().await;
        let app = init_service(app(parts)).await;
        let old = ended(&store, "cloudpath_dpsk_import").await.to_string();
        let (_, _, told) = send!(app, post(GENERIC, &old));
        let id = told["job_id"].as_str().unwrap().to_owned();
        let mut hands = Hands::of(&store).await;
        let facts = json!({"audit": {"verdicts": verdicts, "there": 3, "hidden": hidden}});
        for _ in 0..6 {
            let claim = hands.claim().await;
            let facts = (claim.unit.phase.as_str() == "audit_passphrases").then_some(&facts);
            let done = store.plan_commit(P, &claim.unit, &claim.token, 0, 0, 200, 0, facts, false);
            assert_eq!(done.await.unwrap(), PlanCommitted::Ok);
        }
        let (_, _, job) = send!(app, get("/api/v1/jobs/{id}", &id));
        assert_eq!(job["status"], "COMPLETED", "{job}");
        assert_eq!(job["audit"]["is_as_left"], known, "{}", job["audit"]);
    }
}

#[actix_web::test]
async fn what_leaves_nothing_of_the_kind_is_not_audited_and_a_body_has_nothing_to_say() {
    let World {
        store,
        parts,
        redis: _redis,
    } = world().await;
    let app = init_service(app(parts)).await;
    let other = ended(&store, "toy").await.to_string();
    let (status, _, problem) = send!(app, post(GENERIC, &other));
    let names_it = problem["detail"].as_str().unwrap().contains("toy");
    assert!(status == 409 && names_it, "{problem}");
    assert_eq!(send!(app, post(IMPORTS, &other)).0, 404);

    let plan: &'static Definition = Box::leak(Box::new(workflow("cloudpath_dpsk_import").for_plan()));
    let mut hands = Hands::of(&store).await;
    let plan = hands.submit(&new_job(TENANT, plan)).await.to_string();
    hands.plan(&[], true).await;
    let (status, _, problem) = send!(app, post(GENERIC, &plan));
    let names_it = problem["detail"].as_str().unwrap().contains("planned");
    assert!(status == 409 && names_it, "{problem}");

    let old = ended(&store, "cloudpath_dpsk_import").await.to_string();
    let (status, _, problem) = send!(app, post(GENERIC, &old).set_json(json!({"force": true})));
    assert_eq!(
        (status, &problem["errors"][0]["code"]),
        (400, &json!("UNKNOWN_FIELD")),
        "{problem}"
    );
    assert_eq!(send!(app, post(GENERIC, &old).set_json(json!({}))).0, 202);
}

/// A retry of a job: of an import of one phase, cancelled before it has done anything, so that it can be retried itself.
async fn cancelled(store: &Store, of: Option<JobId>) -> JobId {
    let id = retry(store, of).await;
    cancel(store, id).await;
    id
}

async fn retry(store: &Store, of: Option<JobId>) -> JobId {
    let mut new = new_job(TENANT, workflow("cloudpath_dpsk_import"));
    new.takes_up = of.map(TakesUp::Retry);
    Hands::of(store).await.submit(&new).await
}

async fn cancel(store: &Store, id: JobId) {
    store.cancel(&TENANT.parse().unwrap(), id, "enough").await.unwrap();
    let left = Hands::of(store).await.take().await;
    assert!(left.is_err(), "nothing is left to be done");
}

#[actix_web::test]
async fn a_job_stands_elsewhere_once_it_has_gone_on() {
    let World {
        store, redis: _redis, ..
    } = world().await;
    let (tenant, id) = (TENANT.parse().unwrap(), retry(&store, None).await);
    let pause = async || {
        store.pause(&tenant, id, "by hand").await.unwrap();
        store.stand(&tenant, id).await.unwrap().unwrap()
    };
    let first = pause().await;
    assert!(first.since_ms.is_some());
    assert_eq!(store.stand(&tenant, id).await.unwrap(), Some(first));
    let mut then = first;
    // within the same millisecond nobody has seen it go on
    while then == first {
        store.resume(&tenant, id).await.unwrap();
        assert_eq!(store.stand(&tenant, id).await.unwrap().unwrap().since_ms, None);
        then = pause().await;
    }
    assert_eq!(then.status, first.status);
}

/// What the audit with this answer was told.
async fn order(store: &Store, told: &Value) -> AuditOrder {
    let id = told["job_id"].as_str().unwrap_or_else(|| panic!("{told}"));
    let spec = store.job_spec(P, id.parse().unwrap()).await.unwrap().unwrap();
    AuditOrder::of(&spec.input).unwrap()
}

#[actix_web::test]
async fn an_audit_knows_all_retries_before_and_after_and_waits_for_none_that_is_under_way() {
    let World { store, parts, redis } = world().await;
    let app = init_service(app(parts)).await;
    let first = cancelled(&store, None).await;
    let second = cancelled(&store, Some(first)).await;
    let third = retry(&store, Some(second)).await;
    // also not while one of a relative is: it writes to the same pools
    for of in [second, first] {
        let (status, _, problem) = send!(app, post(GENERIC, &of.to_string()));
        let names_it = problem["detail"].as_str().unwrap().contains(&third.to_string());
        assert!(status == 409 && names_it, "{problem}");
    }
    cancel(&store, third).await;
    // the first one once more: it knows the latest of its retries, and has not forgotten the one before
    let fourth = cancelled(&store, Some(first)).await;
    // as a version that kept only the latest one left it, before one that keeps all came
    let of_then = cancelled(&store, None).await;
    let earlier = cancelled(&store, Some(of_then)).await;
    redis.cli(&["HDEL", &format!("workflow:{{p0}}:jobs:{of_then}"), "retries"]);
    let later = cancelled(&store, Some(of_then)).await;
    for (of, kin) in [
        (first, vec![fourth, second, third]),
        (second, vec![first, third, fourth]),
        (third, vec![second, first, fourth]),
        (fourth, vec![first, second, third]),
        (of_then, vec![later, earlier]),
    ] {
        let (_, _, told) = send!(app, post(GENERIC, &of.to_string()));
        let order = order(&store, &told).await;
        assert_eq!((order.kin, order.cleanups), (kin, Some(Vec::new())), "of {of}");
    }
}

/// Of it, and of what it has found things of.
#[actix_web::test]
async fn an_audit_knows_the_cleanups_before_it_and_waits_for_one_that_is_under_way() {
    let World {
        store,
        parts,
        redis: _redis,
    } = world().await;
    let app = init_service(app(parts)).await;
    let first = cancelled(&store, None).await;
    let retry = cancelled(&store, Some(first)).await;
    let mut cleanup = new_job(TENANT, workflow("cloudpath_dpsk_cleanup"));
    cleanup.takes_up = Some(TakesUp::Cleanup(first));
    let cleanup = Hands::of(&store).await.submit(&cleanup).await;
    for of in [first, retry] {
        let (status, _, problem) = send!(app, post(GENERIC, &of.to_string()));
        let names_it = problem["detail"].as_str().unwrap().contains(&cleanup.to_string());
        assert!(status == 409 && names_it, "{problem}");
    }
    cancel(&store, cleanup).await;
    for of in [first, retry] {
        let (_, _, told) = send!(app, post(GENERIC, &of.to_string()));
        assert_eq!(order(&store, &told).await.cleanups, Some(vec![cleanup]), "of {of}");
    }
}

//! Cleanups over HTTP: what a job made is taken away by a job of its own, one at a time, or kept and told.

mod common;
#[path = "common/fleet.rs"]
mod fleet;
#[path = "common/redis.rs"]
mod redis;
#[path = "common/world.rs"]
mod world;

use actix_web::dev::ServiceResponse;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use api::server::app;
use common::token;
use fleet::{Hands, P, made, new_job, task};
use serde_json::{Value, json};
use shared::id::JobId;
use shared::job::cleanup::CleanupOrder;
use shared::store::Store;
use shared::workflow::catalog::CLOUDPATH_DPSK_CLEANUP;
use shared::workflow::{Definition, parse};
use world::{World, world};

const TENANT: &str = "acme";

/// An import of one phase: what a cleanup asks of the others is the same.
fn workflow(name: &str) -> &'static Definition {
    let text = format!(
        "name: {name}\nversion: 7\nphases:\n  - {{id: create_passphrases, name: Keys, executor: keys, batch_size: 3}}\n"
    );
    Box::leak(Box::new(parse::parse(&text).unwrap()))
}

/// A job that has made three keys.
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

fn bare(path: &str, job: &str) -> TestRequest {
    TestRequest::post()
        .uri(&path.replace("{id}", job))
        .insert_header(("authorization", format!("Bearer {}", token(Some(TENANT), &["user"]))))
        .insert_header(("prefer", "wait=0"))
}

const GENERIC: &str = "/api/v1/jobs/{id}/cleanup";
const IMPORTS: &str = "/api/cloudpath-dpsk/jobs/{id}/cleanup";

fn post(path: &str, job: &str, body: &Value) -> TestRequest {
    bare(path, job)
        .insert_header(("content-type", "application/json"))
        .set_payload(body.to_string())
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
async fn what_a_job_made_is_taken_away_by_a_job_of_its_own_one_at_a_time() {
    let World { store, parts, redis } = world().await;
    let app = init_service(app(parts)).await;
    let old = ended(&store, "cloudpath_dpsk_import").await.to_string();
    let key = |job: &str| format!("workflow:{{p0}}:jobs:{job}");
    redis.cli(&["EXPIRE", &key(&old), "100"]);
    redis.cli(&["EXPIRE", &(key(&old) + ":out:create_passphrases"), "100"]);

    let delete = json!({"delete_partial_resources": true, "force": true});
    let keyed = |path: &str| post(path, &old, &delete).insert_header(("idempotency-key", "once"));
    let (status, headers, told) = send!(app, keyed(IMPORTS));
    assert_eq!((status, &told["status"]), (202, &json!("cleaning")), "{told}");
    assert_eq!(
        told["deleted"],
        json!({"identity_groups": 0, "dpsk_pools": 0, "passphrases": 0})
    );
    let id = told["job_id"].as_str().unwrap().to_owned();
    assert_eq!(headers.get("location").unwrap(), format!("/api/v1/jobs/{id}").as_str());
    let spec = store.job_spec(P, id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(
        (spec.definition.name.as_str(), spec.controller),
        (CLOUDPATH_DPSK_CLEANUP, 1)
    );
    let order = CleanupOrder::of(&spec.input).unwrap();
    assert_eq!(
        (order.cleanup_of.to_string(), order.force, order.dry_run),
        (old.clone(), true, false)
    );
    // what is to be deleted is read from it meanwhile
    for part in ["", ":out:create_passphrases"] {
        let ttl: u64 = redis.lines(&["TTL", &(key(&old) + part)])[0].parse().unwrap();
        assert!(ttl > 3_000, "{part}: {ttl}");
    }
    let both = async |id: &str| {
        store
            .job(&TENANT.parse().unwrap(), id.parse().unwrap())
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!(both(&old).await.cleaned_by, Some(id.parse().unwrap()));
    assert_eq!(both(&id).await.cleanup_of, Some(old.parse().unwrap()));

    let (status, headers, again) = send!(app, keyed(IMPORTS));
    assert_eq!((status, again["job_id"].as_str()), (200, Some(id.as_str())), "{again}");
    assert_eq!(headers.get("idempotent-replayed").unwrap(), "true");
    for path in [IMPORTS, GENERIC] {
        let (status, _, problem) = send!(app, post(path, &old, &delete));
        assert!(
            status == 409 && problem["detail"].as_str().unwrap().contains(&id),
            "{problem}"
        );
    }
    let other =
        post(GENERIC, &old, &json!({"delete_partial_resources": true})).insert_header(("idempotency-key", "once"));
    assert_eq!(send!(app, other).0, 422);

    // it can't be taken up itself, in whatever way
    let (status, _, problem) = send!(app, bare("/api/v1/jobs/{id}/cancel", &id));
    assert_eq!(status, 200, "{problem}");
    assert!(
        Hands::of(&store).await.take().await.is_err(),
        "nothing is left to be done"
    );
    for path in [GENERIC, "/api/v1/jobs/{id}/retry"] {
        let request = match path {
            GENERIC => post(path, &id, &delete),
            _ => bare(path, &id),
        };
        let (status, _, problem) = send!(app, request);
        assert!(
            status == 409 && problem["detail"].as_str().unwrap().contains(&old),
            "{path}: {problem}"
        );
    }
    assert_eq!(send!(app, post(IMPORTS, &id, &delete)).0, 404, "it is no import");
    // and once it has ended there may be another
    assert_eq!(send!(app, post(GENERIC, &old, &delete)).0, 202);
}

#[actix_web::test]
async fn what_was_deleted_is_told_by_the_answer_and_by_the_job() {
    let World {
        store,
        parts,
        redis: _redis,
    } = world().await;
    let app = init_service(app(parts)).await;
    let old = ended(&store, "cloudpath_dpsk_import").await.to_string();
    let working = async {
        let mut hands = loop {
            let hands = Hands::of(&store).await;
            if store
                .job(&TENANT.parse().unwrap(), old.parse().unwrap())
                .await
                .unwrap()
                .unwrap()
                .cleaned_by
                .is_some()
            {
                break hands;
            }
        };
        hands
            .plan(&[vec![task(0, "user0", json!({})), task(1, "user1", json!({}))]], true)
            .await;
        hands
            .complete_with(
                |t| {
                    let mut outcome = made(t, "passphrase");
                    outcome.resource.as_mut().unwrap().origin = shared::job::outcome::Origin::Deleted;
                    outcome
                },
                [("passphrase|d", 2)],
            )
            .await;
        for _ in 1..7 {
            hands.plan(&[], true).await;
        }
    };
    let request = TestRequest::post()
        .uri(&GENERIC.replace("{id}", &old))
        .insert_header(("authorization", format!("Bearer {}", token(Some(TENANT), &["user"]))))
        .set_json(json!({"delete_partial_resources": true}));
    let (answer, ()) = tokio::join!(call_service(&app, request.to_request()), working);
    let status = answer.status();
    assert!(
        answer.headers().get("preference-applied").is_none(),
        "nothing was preferred"
    );
    let told: Value = read_body_json(answer).await;
    assert_eq!((status.as_u16(), &told["status"]), (200, &json!("cleaned")), "{told}");
    let deleted = json!({"identity_groups": 0, "dpsk_pools": 0, "passphrases": 2});
    assert_eq!((&told["deleted"], &told["kept"]), (&deleted, &json!({})));
    let id = told["job_id"].as_str().unwrap();
    let request = TestRequest::get()
        .uri(&format!("/api/v1/jobs/{id}"))
        .insert_header(("authorization", format!("Bearer {}", token(Some(TENANT), &["user"]))));
    let (_, _, job) = send!(app, request);
    assert_eq!((&job["deleted"], &job["cleanup_of"]), (&deleted, &json!(old)), "{job}");
    assert_eq!(job["summary"]["resources"]["passphrases"]["deleted"], 2);
    let created = &job["created_resources"];
    assert_eq!(
        (&created["totals"], &created["passphrases"]),
        (&json!({}), &json!([])),
        "{created}"
    );
}

#[actix_web::test]
async fn nothing_is_deleted_that_is_to_be_kept_and_a_dry_run_leaves_no_mark() {
    let World {
        store,
        parts,
        redis: _redis,
    } = world().await;
    let app = init_service(app(parts)).await;
    let old = ended(&store, "cloudpath_dpsk_import").await.to_string();
    let (status, headers, told) = send!(app, post(IMPORTS, &old, &json!({"delete_partial_resources": false})));
    assert_eq!(
        (status, &told["status"], &told["job_id"]),
        (200, &json!("kept"), &Value::Null),
        "{told}"
    );
    assert_eq!(
        (&told["kept"], headers.get("location")),
        (&json!({"passphrases": 3}), None)
    );

    let (status, _, told) = send!(
        app,
        post(
            GENERIC,
            &old,
            &json!({"delete_partial_resources": true, "dry_run": true})
        )
    );
    assert_eq!((status, &told["dry_run"]), (202, &json!(true)), "{told}");
    let id: JobId = told["job_id"].as_str().unwrap().parse().unwrap();
    let spec = store.job_spec(P, id).await.unwrap().unwrap();
    assert!(spec.definition.is_plan() && CleanupOrder::of(&spec.input).unwrap().dry_run);
    let job = store
        .job(&TENANT.parse().unwrap(), old.parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(job.cleaned_by, None);
    assert_eq!(
        send!(app, post(GENERIC, &old, &json!({"delete_partial_resources": true}))).0,
        202
    );
}

#[actix_web::test]
async fn what_makes_nothing_of_the_kind_is_not_cleaned_up() {
    let World {
        store,
        parts,
        redis: _redis,
    } = world().await;
    let app = init_service(app(parts)).await;
    let delete = json!({"delete_partial_resources": true});
    let other = ended(&store, "toy").await.to_string();
    let (status, _, problem) = send!(app, post(GENERIC, &other, &delete));
    assert!(
        status == 409 && problem["detail"].as_str().unwrap().contains("toy"),
        "{problem}"
    );
    assert_eq!(send!(app, post(IMPORTS, &other, &delete)).0, 404);

    let plan: &'static Definition = Box::leak(Box::new(workflow("cloudpath_dpsk_import").for_plan()));
    let mut hands = Hands::of(&store).await;
    let plan = hands.submit(&new_job(TENANT, plan)).await.to_string();
    hands.plan(&[], true).await;
    for delete in [&delete, &json!({"delete_partial_resources": false})] {
        let (status, _, problem) = send!(app, post(GENERIC, &plan, delete));
        assert!(
            status == 409 && problem["detail"].as_str().unwrap().contains("planned"),
            "{problem}"
        );
    }
}

#[actix_web::test]
async fn a_retry_and_a_cleanup_are_never_under_way_together() {
    let World {
        store,
        parts,
        redis: _redis,
    } = world().await;
    let app = init_service(app(parts)).await;
    let cancelled = async || {
        let mut hands = Hands::of(&store).await;
        let id = hands.submit(&new_job(TENANT, workflow("cloudpath_dpsk_import"))).await;
        store.cancel(&TENANT.parse().unwrap(), id, "enough").await.unwrap();
        assert!(hands.take().await.is_err(), "nothing is left to be done");
        id
    };
    let delete = json!({"delete_partial_resources": true});
    let (cleaned, retried) = (cancelled().await.to_string(), cancelled().await);
    let (_, _, told) = send!(app, post(GENERIC, &cleaned, &delete));
    let (status, _, problem) = send!(app, bare("/api/v1/jobs/{id}/retry", &cleaned));
    let id = told["job_id"].as_str().expect("a job");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        status == 409 && detail.contains(id) && detail.contains("cleanup"),
        "{problem}"
    );

    let mut retry = new_job(TENANT, workflow("cloudpath_dpsk_import"));
    retry.takes_up = Some(shared::store::model::TakesUp::Retry(retried));
    let retry = Hands::of(&store).await.submit(&retry).await.to_string();
    let (status, _, problem) = send!(app, post(GENERIC, &retried.to_string(), &delete));
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        status == 409 && detail.contains(&retry) && detail.contains("retry"),
        "{problem}"
    );
}

#[actix_web::test]
async fn every_fault_of_the_body_is_told() {
    let World {
        store,
        parts,
        redis: _redis,
    } = world().await;
    let app = init_service(app(parts)).await;
    let old = ended(&store, "cloudpath_dpsk_import").await.to_string();
    let codes = |problem: &Value| -> Vec<String> {
        let faults = problem["errors"].as_array().unwrap().iter();
        faults
            .map(|f| format!("{} {}", f["pointer"].as_str().unwrap(), f["code"].as_str().unwrap()))
            .collect()
    };
    let (status, _, problem) = send!(app, bare(GENERIC, &old));
    assert_eq!(
        (status, codes(&problem)),
        (400, vec!["/delete_partial_resources MISSING_FIELD".to_owned()])
    );
    let body = json!({"delete_partial_resources": "yes", "dry_run": 1, "nuclear": true});
    let (status, _, problem) = send!(app, post(GENERIC, &old, &body));
    assert_eq!(status, 400);
    assert_eq!(
        codes(&problem),
        [
            "/nuclear UNKNOWN_FIELD",
            "/delete_partial_resources WRONG_TYPE",
            "/dry_run WRONG_TYPE"
        ]
    );
}

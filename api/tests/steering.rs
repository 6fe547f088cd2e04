//! The table of what may be asked of a job, over HTTP: every call from every state works, or answers 409 naming the state.

mod common;
#[path = "common/fleet.rs"]
mod fleet;
#[path = "common/redis.rs"]
mod redis;
#[path = "common/world.rs"]
mod world;

use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use api::server::app;
use common::{settings, token};
use fleet::{Hands, failed, made, new_job, task};
use serde_json::{Value, json};
use shared::id::JobId;
use shared::job::{JOB_STATUSES, JobStatus, Steer};
use shared::store::Store;
use shared::store::model::{ErrorView, PlanCommitted};
use shared::workflow::{Definition, parse};
use world::{World, world};

const TENANT: &str = "acme";

/// Call, and what a job is after it, from the states it works from; and from those where it changes nothing any more.
type Row = (&'static str, &'static [(JobStatus, JobStatus)], &'static [JobStatus]);

const TABLE: [Row; 4] = {
    use JobStatus::*;
    [
        ("confirm", &[(AwaitingConfirmation, Pending)], &[]),
        ("pause", &[(Pending, Paused), (Running, Paused)], &[Paused]),
        ("resume", &[(Paused, Running)], &[]),
        (
            "cancel",
            &[
                (AwaitingConfirmation, Cancelling),
                (Pending, Cancelling),
                (Running, Cancelling),
                (Paused, Cancelling),
            ],
            &[Cancelling, Cancelled],
        ),
    ]
};

/// One phase of one task, whose failure may end the job.
fn workflow(name: &str, is_critical: bool) -> &'static Definition {
    let text = format!(
        "name: {name}\nversion: 1\nphases:\n  - {{id: only, name: Only, executor: toy, batch_size: 1, critical: {is_critical}}}\n"
    );
    Box::leak(Box::new(parse::parse(&text).unwrap()))
}

/// A job that stands at `status`, brought there as a caller and a worker would.
async fn job_at(store: &Store, status: JobStatus) -> JobId {
    job_of("toy", store, status).await
}

async fn job_of(name: &str, store: &Store, status: JobStatus) -> JobId {
    let mut hands = Hands::of(store).await;
    let mut new = new_job(TENANT, workflow(name, status == JobStatus::Failed));
    new.require_confirmation = status == JobStatus::AwaitingConfirmation;
    let id = hands.submit(&new).await;
    let one = [vec![task(0, "anna", json!({}))]];
    match status {
        JobStatus::AwaitingConfirmation | JobStatus::Pending => {}
        JobStatus::Running => drop(hands.claim().await),
        JobStatus::Paused => {
            hands.claim().await;
            store.pause(&new.tenant, id, "enough").await.unwrap();
        }
        // its batch is in a worker's hands
        JobStatus::Cancelling => {
            hands.plan(&one, true).await;
            hands.claim().await;
            store.cancel(&new.tenant, id, "enough").await.unwrap();
        }
        JobStatus::Cancelled => {
            store.cancel(&new.tenant, id, "enough").await.unwrap();
            assert!(hands.take().await.is_err(), "nothing is left to be done");
        }
        JobStatus::Completed => {
            hands.plan(&one, true).await;
            hands.complete(|t| made(t, "passphrases")).await;
        }
        JobStatus::Failed => {
            let claim = hands.claim().await;
            let error = ErrorView {
                code: "REFUSED".into(),
                message: "it can't be done".into(),
                phase: Some("only".into()),
                task: None,
                request_id: None,
                status: None,
            };
            let failed = store.plan_fail(fleet::P, &claim.unit, &claim.token, &error, None).await;
            assert_eq!(failed.unwrap(), PlanCommitted::Ok);
        }
        JobStatus::Partial => {
            hands.plan(&one, true).await;
            hands.complete(failed).await;
        }
    }
    let now = store.job_status(&new.tenant, id).await.unwrap();
    assert_eq!(now, Some(status), "brought there");
    id
}

#[actix_web::test]
async fn every_call_from_every_state_works_or_names_the_state() {
    let World { redis, store, parts } = world().await;
    let settings = settings(redis.port);
    let app = init_service(app(parts)).await;

    for (call, works, changes_nothing) in TABLE {
        for from in JOB_STATUSES {
            let id = job_at(&store, from).await;
            let request = TestRequest::post()
                .uri(&format!("/api/v1/jobs/{id}/{call}"))
                .insert_header(("authorization", format!("Bearer {}", token(Some(TENANT), &["user"]))));
            let answer = call_service(&app, request.to_request()).await;
            let status = answer.status().as_u16();
            let told: Value = read_body_json(answer).await;
            let after = store.job_status(&TENANT.parse().unwrap(), id).await.unwrap().unwrap();
            let case = format!(
                "{call} from {}: {status} {told}, then {}",
                from.as_str(),
                after.as_str()
            );
            if let Some((_, to)) = works.iter().find(|(state, _)| *state == from) {
                assert_eq!((status, &told["changed"]), (200, &json!(true)), "{case}");
                // a job of which nothing is in anybody's hands is cancelled at once
                let is_there = after == *to || (*to == JobStatus::Cancelling && after == JobStatus::Cancelled);
                assert!(is_there && told["status"] == after.as_str(), "{case}");
            } else if changes_nothing.contains(&from) {
                assert_eq!((status, &told["changed"]), (200, &json!(false)), "{case}");
                assert!(after == from && told["status"] == from.as_str(), "{case}");
            } else {
                assert_eq!((status, &told["state"]), (409, &json!(from.as_str())), "{case}");
                assert!(told["detail"].as_str().unwrap().contains(from.as_str()), "{case}");
                assert_eq!(after, from, "{case}");
            }
            // what is left of it would be read by the hands of the next
            redis.cli(&["FLUSHALL"]);
            store.prepare(&settings.redis).await.unwrap();
        }
    }
}

#[actix_web::test]
async fn a_retry_from_every_state_is_a_job_of_its_own_or_names_the_state() {
    let World { redis, store, parts } = world().await;
    let settings = settings(redis.port);
    let app = init_service(app(parts)).await;
    let tenant = TENANT.parse().unwrap();
    for from in JOB_STATUSES {
        let id = job_at(&store, from).await;
        let request = TestRequest::post()
            .uri(&format!("/api/v1/jobs/{id}/retry"))
            .insert_header(("authorization", format!("Bearer {}", token(Some(TENANT), &["user"]))));
        let answer = call_service(&app, request.to_request()).await;
        let status = answer.status().as_u16();
        let told: Value = read_body_json(answer).await;
        let case = format!("retry from {}: {status} {told}", from.as_str());
        let old = store.job(&tenant, id).await.unwrap().unwrap();
        assert_eq!(old.status, from, "{case}");
        if from.allows(Steer::Retry) {
            let new: JobId = told["job_id"].as_str().expect(&case).parse().unwrap();
            assert_eq!((status, &told["status"]), (202, &json!("PENDING")), "{case}");
            assert_eq!(old.retried_by, Some(new), "{case}");
        } else {
            assert_eq!((status, &told["state"]), (409, &json!(from.as_str())), "{case}");
            assert_eq!(old.retried_by, None, "{case}");
        }
        redis.cli(&["FLUSHALL"]);
        store.prepare(&settings.redis).await.unwrap();
    }
}

#[actix_web::test]
async fn a_cleanup_from_every_state_is_a_job_of_its_own_or_names_the_state() {
    let World { redis, store, parts } = world().await;
    let settings = settings(redis.port);
    let app = init_service(app(parts)).await;
    let tenant = TENANT.parse().unwrap();
    for from in JOB_STATUSES {
        let id = job_of("cloudpath_dpsk_import", &store, from).await;
        let request = TestRequest::post()
            .uri(&format!("/api/v1/jobs/{id}/cleanup"))
            .insert_header(("authorization", format!("Bearer {}", token(Some(TENANT), &["user"]))))
            .insert_header(("prefer", "wait=0"))
            .set_json(json!({"delete_partial_resources": true}));
        let answer = call_service(&app, request.to_request()).await;
        let status = answer.status().as_u16();
        let told: Value = read_body_json(answer).await;
        let case = format!("cleanup from {}: {status} {told}", from.as_str());
        let old = store.job(&tenant, id).await.unwrap().unwrap();
        assert_eq!(old.status, from, "{case}");
        if from.allows(Steer::Cleanup) {
            let new: JobId = told["job_id"].as_str().expect(&case).parse().unwrap();
            assert_eq!((status, &told["job_status"]), (202, &json!("PENDING")), "{case}");
            assert_eq!(old.cleaned_by, Some(new), "{case}");
        } else {
            assert_eq!((status, &told["state"]), (409, &json!(from.as_str())), "{case}");
            assert_eq!(old.cleaned_by, None, "{case}");
        }
        redis.cli(&["FLUSHALL"]);
        store.prepare(&settings.redis).await.unwrap();
    }
}

#[actix_web::test]
async fn an_audit_from_every_state_is_a_job_of_its_own_or_names_the_state() {
    let World { redis, store, parts } = world().await;
    let settings = settings(redis.port);
    let app = init_service(app(parts)).await;
    let tenant = TENANT.parse().unwrap();
    for from in JOB_STATUSES {
        let id = job_of("cloudpath_dpsk_import", &store, from).await;
        let request = TestRequest::post()
            .uri(&format!("/api/v1/jobs/{id}/audit"))
            .insert_header(("authorization", format!("Bearer {}", token(Some(TENANT), &["user"]))))
            .insert_header(("prefer", "wait=0"));
        let answer = call_service(&app, request.to_request()).await;
        let status = answer.status().as_u16();
        let told: Value = read_body_json(answer).await;
        let case = format!("audit from {}: {status} {told}", from.as_str());
        let old = store.job(&tenant, id).await.unwrap().unwrap();
        assert_eq!(old.status, from, "{case}");
        let ttl: i64 = redis.lines(&["TTL", &format!("workflow:{{p0}}:jobs:{id}")])[0]
            .parse()
            .unwrap();
        assert_eq!(
            ttl > 0,
            from.is_terminal(),
            "what has not ended has no time to live: {case}"
        );
        if from.allows(Steer::Audit) {
            let new: JobId = told["job_id"].as_str().expect(&case).parse().unwrap();
            assert_eq!((status, &told["job_status"]), (202, &json!("PENDING")), "{case}");
            assert_eq!(old.audited_by, Some(new), "{case}");
        } else {
            assert_eq!((status, &told["state"]), (409, &json!(from.as_str())), "{case}");
            assert_eq!(old.audited_by, None, "{case}");
        }
        redis.cli(&["FLUSHALL"]);
        store.prepare(&settings.redis).await.unwrap();
    }
}

/// Whoever is to approve an import can see when it will be cancelled, and nobody is told so of a job that goes on.
#[actix_web::test]
async fn a_held_job_says_by_when_to_confirm_it() {
    let World {
        redis: _redis,
        store,
        parts,
    } = world().await;
    let app = init_service(app(parts)).await;
    let id = job_at(&store, JobStatus::AwaitingConfirmation).await;
    let token = format!("Bearer {}", token(Some(TENANT), &["user"]));
    let ask = async |uri: String| -> Value {
        let request = TestRequest::get()
            .uri(&uri)
            .insert_header(("authorization", token.as_str()));
        read_body_json(call_service(&app, request.to_request()).await).await
    };
    let job = ask(format!("/api/v1/jobs/{id}")).await;
    let at = |member: &str| job[member].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    let held_ms = at("confirm_by").as_millisecond() - at("created_at").as_millisecond();
    assert_eq!(held_ms, 3_600_000, "as long as an ended one is kept");
    let list = ask("/api/v1/jobs".to_owned()).await;
    assert_eq!(list["items"][0]["confirm_by"], job["confirm_by"]);
    store.confirm(&TENANT.parse().unwrap(), id).await.unwrap();
    assert_eq!(ask(format!("/api/v1/jobs/{id}")).await["confirm_by"], Value::Null);
}

//! `Prefer: wait`: whoever waits is answered when the job ends, when the time is over, when the process stops, and never with an error.

mod common;
#[path = "common/fleet.rs"]
mod fleet;
#[path = "common/redis.rs"]
mod redis;
#[path = "common/world.rs"]
mod world;

use std::time::{Duration, Instant};

use actix_web::dev::ServiceResponse;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use api::server::app;
use api::state::State;
use common::token;
use fleet::Hands;
use serde_json::{Value, json};
use shared::store::Store;
use shared::store::model::{JobFilter, Scope};
use world::world;

fn post(prefer: &str) -> TestRequest {
    let keys = json!([{"guid": "g-1", "name": "anna", "passphrase": "long-enough-1", "status": "ACTIVE"}]);
    TestRequest::post()
        .uri("/api/cloudpath-dpsk/import")
        .insert_header(("authorization", format!("Bearer {}", token(Some("acme"), &["user"]))))
        .insert_header(("prefer", prefer))
        .set_json(json!({"controller_id": 1, "venue_id": "v-1", "dpsk_data": keys}))
}

/// Status, `Preference-Applied`, body.
async fn told(answer: ServiceResponse) -> (u16, Option<String>, Value) {
    let status = answer.status().as_u16();
    assert!(answer.headers().contains_key("location"));
    let applied = answer.headers().get("preference-applied");
    let applied = applied.map(|v| v.to_str().unwrap().to_owned());
    (status, applied, read_body_json(answer).await)
}

/// Cancels the one job there is as soon as there is one.
async fn cancel(store: &Store) {
    let tenant = "acme".parse().unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let scope = Scope::All;
        let page = store.jobs(&scope, &JobFilter::default(), None, 1).await.unwrap();
        if let Some(job) = page.items.first() {
            store.cancel(&tenant, job.id, "enough").await.unwrap();
            // the plan of its first phase is in the stream: whoever takes it finds that nothing is to be done any more
            assert!(Hands::of(store).await.take().await.is_err());
            return;
        }
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Until a job was accepted and its end is waited for.
async fn somebody_waits(state: &State) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while state.waits.available_permits() == State::WAITS_MAX {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[actix_web::test]
async fn an_end_within_the_wait_is_200_and_told_soon() {
    let w = world().await;
    let app = init_service(app(w.parts.clone())).await;
    let began = Instant::now();
    let (answer, ()) = tokio::join!(call_service(&app, post("wait=50").to_request()), cancel(&w.store));
    let (status, applied, body) = told(answer).await;
    assert_eq!((status, applied.as_deref()), (200, Some("wait=50")));
    assert_eq!(body["status"], "CANCELLED");
    assert!(body["estimated_duration_seconds"].is_u64());
    assert!(
        began.elapsed() < Duration::from_secs(25),
        "it did not wait until its time was over"
    );
}

#[actix_web::test]
async fn without_an_end_it_is_202_after_the_time_preferred() {
    let w = world().await;
    let app = init_service(app(w.parts.clone())).await;
    for (prefer, seconds, applied) in [
        ("respond-async, wait=1", 1, Some("wait=1")),
        ("wait=0", 0, Some("wait=0")),
        ("wait=soon", 0, None),
        ("respond-async", 0, None),
    ] {
        let began = Instant::now();
        let answer = call_service(&app, post(prefer).to_request()).await;
        let waited = began.elapsed();
        assert_eq!(told(answer).await.0, 202, "{prefer}");
        assert!(waited >= Duration::from_secs(seconds), "{prefer}: {waited:?}");
        let answer = call_service(&app, post(prefer).to_request()).await;
        assert_eq!(told(answer).await.1.as_deref(), applied, "{prefer}");
    }
}

#[actix_web::test]
async fn when_too_many_wait_the_answer_comes_at_once() {
    let w = world().await;
    let app = init_service(app(w.parts.clone())).await;
    let _all = w.parts.state.waits.acquire_many(State::WAITS_MAX as u32).await.unwrap();
    let began = Instant::now();
    let (status, applied, body) = told(call_service(&app, post("wait=60").to_request()).await).await;
    assert_eq!((status, applied, &body["status"]), (202, None, &json!("PENDING")));
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[actix_web::test]
async fn redis_that_goes_away_meanwhile_is_no_error() {
    let mut w = world().await;
    let app = init_service(app(w.parts.clone())).await;
    let state = w.parts.state.clone();
    let accepted = async {
        somebody_waits(&state).await;
        w.redis.kill();
    };
    let (answer, ()) = tokio::join!(call_service(&app, post("wait=4").to_request()), accepted);
    let (status, applied, body) = told(answer).await;
    assert_eq!((status, applied.as_deref()), (202, Some("wait=4")));
    assert_eq!(body["status"], "PENDING");
}

#[actix_web::test]
async fn nobody_is_kept_waiting_by_a_process_that_stops() {
    let w = world().await;
    let app = init_service(app(w.parts.clone())).await;
    let began = Instant::now();
    let stop = async {
        somebody_waits(&w.parts.state).await;
        w.parts.state.stopping.cancel();
    };
    let (answer, ()) = tokio::join!(call_service(&app, post("wait=60").to_request()), stop);
    assert_eq!(told(answer).await.0, 202);
    assert!(began.elapsed() < Duration::from_secs(30));
}

#[actix_web::test]
async fn a_replay_waits_for_the_job_of_then() {
    let w = world().await;
    let app = init_service(app(w.parts.clone())).await;
    let keyed = |prefer| post(prefer).insert_header(("idempotency-key", "k1")).to_request();
    let (status, _, first) = told(call_service(&app, keyed("wait=0")).await).await;
    assert_eq!(status, 202);
    cancel(&w.store).await;
    let (status, applied, again) = told(call_service(&app, keyed("wait=30")).await).await;
    assert_eq!((status, applied.as_deref()), (200, Some("wait=30")));
    assert_eq!(
        (&again["job_id"], &again["status"]),
        (&first["job_id"], &json!("CANCELLED"))
    );
}

//! Every route while Redis is away: killed, frozen, or full. Nobody hangs, nobody gets a 500, and 503 says when to come back.

#![allow(clippy::print_stdout, reason = "times for whoever reads the test's output")]

mod common;
#[path = "common/fleet.rs"]
mod fleet;
#[path = "common/redis.rs"]
mod redis;

use std::time::{Duration, Instant};

use actix_web::http::Method;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use api::auth::Verifier;
use api::body::BodyLimits;
use api::routes::{self, Access};
use api::server::{Parts, app};
use common::{SECRET, settings, token};
use fleet::{Hands, definition, new_job, task};
use futures_util::future::join_all;
use redis::Redis;
use serde_json::{Value, json};
use shared::id::JobId;
use shared::store::Store;

/// What answers without Redis.
const WITHOUT: [&str; 5] = [
    "/healthz",
    "/metrics",
    "/api/openapi.json",
    "/api/v1/workflows",
    "/api/v1/workflows/{name}",
];
/// Two time-outs of the store and some air for a busy machine.
const SOON: Duration = Duration::from_secs(8);

async fn world() -> (Redis, Parts, JobId) {
    let redis = Redis::start(&[]);
    let settings = settings(redis.port);
    let store = Store::open(&settings.redis, &settings.engine).unwrap();
    store.prepare(&settings.redis).await.unwrap();
    let mut hands = Hands::of(&store).await;
    let id = hands
        .submit(&new_job("acme", definition(&[("first", "toy.first")])))
        .await;
    hands.plan(&[vec![task(0, "n", json!({}))]], true).await;
    let verifier = Verifier::tokens(Some(SECRET), None).unwrap();
    let parts = common::parts(&settings, store, verifier, BodyLimits::default());
    parts.state.set_prepared();
    (redis, parts, id)
}

fn request(method: &Method, template: &str, job: JobId, roles: &[&str]) -> TestRequest {
    let path = template
        .replace("{id}", &job.to_string())
        .replace("{letter}", "0.1-1")
        .replace("{name}", "cloudpath_dpsk_import");
    let tenant = Some("acme").filter(|_| !roles.contains(&"operator"));
    let request = TestRequest::default()
        .method(method.clone())
        .uri(&path)
        .insert_header(("authorization", format!("Bearer {}", token(tenant, roles))));
    if template.ends_with("/import") || template.ends_with("/plan") {
        let keys = json!([{"guid": "g-1", "name": "anna", "passphrase": "long-enough-1", "status": "ACTIVE"}]);
        return request.set_json(json!({"controller_id": 1, "venue_id": "v-1", "dpsk_data": keys}));
    }
    request
}

/// Calls every route at once, each as somebody of a tenant and as an operator, and looks at the answers of those that need Redis.
async fn every_route(parts: &Parts, job: JobId, what: &str) {
    let app = init_service(app(parts.clone())).await;
    let endpoints: Vec<_> = routes::all().into_iter().filter(|e| !e.is_page).collect();
    let mut calls = Vec::new();
    for endpoint in &endpoints {
        for roles in [&["user", "admin"][..], &["operator"]] {
            let request = request(&endpoint.method, endpoint.path, job, roles).to_request();
            let call = call_service(&app, request);
            calls.push(async move {
                let began = Instant::now();
                let answer = call.await;
                (
                    format!("{what}: {} {} as {roles:?}", endpoint.method, endpoint.path),
                    endpoint.path,
                    began.elapsed(),
                    answer,
                )
            });
        }
    }
    let mut called = 0;
    for (route, path, took, answer) in join_all(calls).await {
        let status = answer.status().as_u16();
        println!("{route}: {status} after {took:?}");
        assert!(took < SOON, "{route} took {took:?}");
        if WITHOUT.contains(&path) {
            assert_eq!(status, 200, "{route}");
            continue;
        }
        if status == 403 {
            continue;
        }
        called += 1;
        assert_eq!(status, 503, "{route}");
        assert!(answer.headers().contains_key("retry-after"), "{route}");
        let problem: Value = read_body_json(answer).await;
        assert_eq!(problem["type"], "urn:phaseline:problem:unavailable", "{route}");
    }
    assert!(called > 20, "{called}");
}

#[actix_web::test]
async fn a_killed_redis_is_503_on_every_route_that_needs_it() {
    let (mut redis, parts, job) = world().await;
    redis.kill();
    every_route(&parts, job, "killed").await;
}

#[actix_web::test]
async fn a_frozen_redis_is_503_within_seconds_on_every_route_that_needs_it() {
    let (redis, parts, job) = world().await;
    redis.signal("-STOP");
    // the second time there is no connection any more, and none to be had
    every_route(&parts, job, "frozen").await;
    every_route(&parts, job, "still frozen").await;
    redis.signal("-CONT");
}

#[actix_web::test]
async fn a_full_redis_refuses_new_jobs_and_answers_everything_else() {
    let (redis, parts, job) = world().await;
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    let app = init_service(app(parts.clone())).await;
    for endpoint in routes::all().into_iter().filter(|e| !e.is_page) {
        let roles = match endpoint.access {
            Access::Operate => "operator",
            _ => "admin",
        };
        let request = request(&endpoint.method, endpoint.path, job, &[roles]).to_request();
        let answer = call_service(&app, request).await;
        let route = format!("{} {}", endpoint.method, endpoint.path);
        let status = answer.status().as_u16();
        if endpoint.path.ends_with("/import") || endpoint.path.ends_with("/plan") {
            assert_eq!(status, 503, "{route}");
            assert!(answer.headers().contains_key("retry-after"), "{route}");
        } else {
            assert!(!answer.status().is_server_error(), "{route}: {status}");
        }
    }
}

//! A job that is looked at again and again: what is kept of it in memory never stands in for what Redis has now.

mod common;
#[path = "common/fleet.rs"]
mod fleet;
#[path = "common/redis.rs"]
mod redis;
#[path = "common/world.rs"]
mod world;

use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use api::server::app;
use common::token;
use fleet::{Hands, made, new_job, task};
use serde_json::{Value, json};
use shared::workflow::catalog;
use world::{World, world};

async fn get(w: &World, tenant: Option<&str>, path: &str) -> (u16, Value) {
    let app = init_service(app(w.parts.clone())).await;
    let role = if tenant.is_some() { "viewer" } else { "operator" };
    let request = TestRequest::get()
        .uri(path)
        .insert_header(("authorization", format!("Bearer {}", token(tenant, &[role]))));
    let answer = call_service(&app, request.to_request()).await;
    (answer.status().as_u16(), read_body_json(answer).await)
}

#[actix_web::test]
async fn a_status_follows_its_job_to_its_end() {
    let w = world().await;
    let workflow = catalog::find(catalog::CLOUDPATH_DPSK_IMPORT).unwrap();
    let mut hands = Hands::of(&w.store).await;
    let id = hands.submit(&new_job("acme", workflow)).await;
    let paths = [
        format!("/api/cloudpath-dpsk/jobs/{id}/status"),
        format!("/api/v1/jobs/{id}"),
        format!("/api/v1/jobs/{id}/tasks"),
        format!("/api/v1/jobs/{id}/report"),
    ];
    assert_eq!(get(&w, Some("acme"), &paths[0]).await.1["status"], "PENDING");
    hands.plan(&[vec![task(0, "check", json!({}))]], true).await;
    hands.complete(|t| made(t, "identity_group")).await;
    for who in [Some("acme"), None] {
        let (_, status) = get(&w, who, &paths[0]).await;
        assert_eq!(
            (&status["status"], &status["progress"]["completed"]),
            (&json!("RUNNING"), &json!(1))
        );
        assert_eq!(status["phases"][0]["status"], "COMPLETED");
    }
    for path in &paths {
        assert_eq!(get(&w, Some("other"), path).await.0, 404, "{path} of another tenant");
    }
    // its time is over: all its keys go at once
    for key in w.redis.lines(&["KEYS", &format!("*jobs:{id}*")]) {
        w.redis.cli(&["UNLINK", &key]);
    }
    for path in &paths {
        for who in [Some("acme"), None] {
            assert_eq!(get(&w, who, path).await.0, 404, "{path} of a job that is gone");
        }
    }
}

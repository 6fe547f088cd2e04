//! Dead letters that no retry takes up. Those that one does are in `retries`.

mod common;
#[path = "common/redis.rs"]
mod redis;
#[path = "common/world.rs"]
mod world;

use actix_web::dev::ServiceResponse;
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use api::server::app;
use common::token;
use serde_json::{Value, json};
use shared::id::JobId;
use world::{World, world};

const TENANT: &str = "acme";

macro_rules! send {
    ($app:expr, $request:expr) => {{
        let answer: ServiceResponse = call_service(&$app, $request.to_request()).await;
        let status = answer.status().as_u16();
        let body: Value = read_body_json(answer).await;
        (status, body)
    }};
}

fn admin(method: TestRequest, path: &str, tenant: Option<&str>, roles: &[&str]) -> TestRequest {
    let path = format!("/api/v1/admin/dead-letters{path}");
    method
        .uri(&path)
        .insert_header(("authorization", format!("Bearer {}", token(tenant, roles))))
}

/// What can't be taken up by a retry says what to do instead, and is dismissed; what says nothing to anybody goes by itself.
#[actix_web::test]
async fn a_dead_letter_that_can_not_be_replayed_says_so_and_is_dismissed() {
    let World { store, parts, redis } = world().await;
    let app = init_service(app(parts)).await;
    let of = "01a21c3f-b648-7329-8625-546bb5256438";
    let write = |fields: &[&str]| {
        let entry = redis.lines(&[&["XADD", "workflow:{p0}:dlq", "*"], fields].concat());
        format!("0.{}", entry[0])
    };
    let bury = |job: &str| write(&["j", job, "ph", "a", "b", "0", "l", "acme|1", "crashes", "5", "why", "w"]);
    let job = |fields: &[&str]| {
        let id = JobId::generate().to_string();
        let key = format!("workflow:{{p0}}:jobs:{id}");
        redis.cli(&[&["HSET", &key, "t", TENANT], fields].concat());
        bury(&id)
    };
    let letters = [
        (
            job(&["status", "RUNNING"]),
            "RUNNING",
            "replay it when the job has ended",
        ),
        (job(&["status", "COMPLETED"]), "COMPLETED", "dismiss this letter"),
        (job(&["status", "PARTIAL", "cleanup_of", of]), "", of),
        (job(&["status", "PARTIAL", "audit_of", of]), "", of),
        (job(&["status", "PARTIAL", "plan", "7"]), "", "make a new one"),
    ];
    let unreadable = write(&["j", of, "x", "y"]);
    // more than a page of them, and none is shown; the oldest is behind them
    let expired: Vec<String> = (0..201).map(|_| bury(&JobId::generate().to_string())).collect();
    let newest = job(&["status", "FAILED"]);

    let first = admin(TestRequest::get(), "?limit=2", Some(TENANT), &["admin"]);
    let (_, page) = send!(app, first);
    let ids: Vec<_> = page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [newest.as_str(), &letters[4].0], "{page}");
    assert_eq!(page["items"][0]["replayable"], true);
    let rest = format!("?cursor={}", page["next_cursor"].as_str().unwrap());
    let (_, page) = send!(app, admin(TestRequest::get(), &rest, Some(TENANT), &["admin"]));
    assert_eq!(page["items"].as_array().unwrap().len(), 4, "{page}");
    assert_eq!(
        redis.lines(&["XLEN", "workflow:{p0}:dlq"]),
        ["7"],
        "what says nothing is gone"
    );
    let path = |letter: &str, call: &str| format!("/{letter}{call}");
    let dismissed = async |letter: &str, tenant, roles: &[&str]| {
        let request = admin(TestRequest::delete(), &path(letter, ""), tenant, roles);
        let answer: ServiceResponse = call_service(&app, request.to_request()).await;
        answer.status().as_u16()
    };
    assert_eq!(dismissed(&expired[0], Some(TENANT), &["admin"]).await, 404);

    for (letter, state, advice) in &letters {
        let listed = page["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|l| l["id"] == json!(letter));
        if let Some(listed) = listed {
            let told = listed["advice"].as_str().unwrap();
            assert!(listed["replayable"] == false && told.contains(advice), "{listed}");
        }
        let replay = path(letter, "/replay");
        let (status, problem) = send!(app, admin(TestRequest::post(), &replay, Some(TENANT), &["admin"]));
        assert_eq!(
            (status, problem["state"].as_str().unwrap_or_default()),
            (409, *state),
            "{problem}"
        );
        assert!(problem["detail"].as_str().unwrap().contains(advice), "{problem}");
        assert_eq!(
            dismissed(letter, Some("umbrella"), &["admin"]).await,
            404,
            "of another tenant"
        );
        assert_eq!(dismissed(letter, Some(TENANT), &["admin"]).await, 204);
        assert_eq!(dismissed(letter, Some(TENANT), &["admin"]).await, 404, "once");
    }
    // nobody's: the operator's
    let (_, page) = send!(app, admin(TestRequest::get(), "", None, &["operator"]));
    assert_eq!(page["items"].as_array().unwrap().len(), 2, "{page}");
    let told = &page["items"][1];
    assert_eq!(
        (&told["id"], &told["why"], &told["job_id"]),
        (&json!(unreadable), &json!("unreadable"), &Value::Null)
    );
    let replay = path(&unreadable, "/replay");
    assert_eq!(
        send!(app, admin(TestRequest::post(), &replay, Some(TENANT), &["admin"])).0,
        404
    );
    let (status, problem) = send!(app, admin(TestRequest::post(), &replay, None, &["operator"]));
    assert!(
        status == 409 && problem["detail"].as_str().unwrap().contains("can't be read"),
        "{problem}"
    );
    assert_eq!(dismissed(&unreadable, Some(TENANT), &["admin"]).await, 404);
    assert_eq!(dismissed(&unreadable, None, &["operator"]).await, 204);

    // what an earlier version replayed is found where it has put it
    let entry = unreadable.strip_prefix("0.").unwrap();
    redis.cli(&["HSET", "workflow:{p0}:dlq:replayed", entry, of]);
    let replayed = store.replay_of(&unreadable.parse().unwrap()).await.unwrap();
    assert_eq!(replayed, Some(of.parse().unwrap()));
}

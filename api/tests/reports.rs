//! Reports: what is in them, who gets them, and that a broken one never looks whole.

mod common;
#[path = "common/fleet.rs"]
mod fleet;
#[path = "common/redis.rs"]
mod redis;
#[path = "common/world.rs"]
mod world;

use std::pin::Pin;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::Version;
use actix_web::test::{TestRequest, call_service, init_service, read_body, read_body_json};
use api::server::app;
use bytes::Bytes;
use common::token;
use fleet::{Hands, definition, failed, made, new_job, task};
use serde_json::{Value, json};
use shared::id::JobId;
use shared::job::task::TaskInput;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use world::{World, world};

fn get(tenant: &str, path: &str) -> TestRequest {
    TestRequest::get()
        .uri(path)
        .insert_header(("authorization", format!("Bearer {}", token(Some(tenant), &["viewer"]))))
}

/// One pool, and `batches` batches of 100 keys in it, ended as `end` has it; those beyond `ended` are left alone.
async fn job(w: &World, batches: u32, ended: u32) -> JobId {
    let phases = [
        ("create_dpsk_pools", "cloudpath.create_dpsk_pools"),
        ("create_passphrases", "cloudpath.create_passphrases"),
    ];
    let mut hands = Hands::of(&w.store).await;
    let id = hands.submit(&new_job("acme", definition(&phases))).await;
    hands.plan(&[vec![task(0, "Lobby-DPSK", json!(null))]], true).await;
    hands.complete(|t| made(t, "dpsk_pool")).await;
    let key = |i: u32| {
        let mut data = json!({"p": "dpsk_pool-0", "v": 44});
        if i == 3 {
            data["changes"] = json!(["deviceCountLimit: 600 → 512 (so it is)", "ssidList: dropped (so it is)"]);
        }
        task(i, &format!("user{i}"), data)
    };
    let keys: Vec<Vec<TaskInput>> = (0..batches)
        .map(|b| (b * 100..b * 100 + 100).map(key).collect())
        .collect();
    hands.plan(&keys, true).await;
    for _ in 0..ended {
        let end = |t: &TaskInput| {
            if t.index % 10 == 3 {
                failed(t)
            } else {
                made(t, "passphrase")
            }
        };
        hands.complete(end).await;
    }
    id
}

#[actix_web::test]
async fn a_report_has_a_row_for_each_task_in_both_formats() {
    let w = world().await;
    let id = job(&w, 12, 11).await;
    let app = init_service(app(w.parts.clone())).await;
    let path = format!("/api/v1/jobs/{id}/report");
    let answer = call_service(&app, get("acme", &path).to_request()).await;
    assert_eq!(answer.headers().get("content-type").unwrap(), "application/json");
    let report: Value = read_body_json(answer).await;
    assert_eq!(
        (&report["job_id"], &report["status"]),
        (&json!(id.to_string()), &json!("RUNNING"))
    );
    assert_eq!(report["rows_total"], 1_201);
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 1_201);
    assert_eq!(
        rows[4],
        json!({"phase": "create_passphrases", "row": 3, "task_id": format!("{id}:create_passphrases:3"), "name": "user3",
            "pool": "Lobby-DPSK", "status": "FAILED", "outcome": null, "resource_type": null, "resource_id": null,
            "resource_name": null, "error_code": "HTTP_400", "error_message": "=refused", "request_id": null, "attempts": 3,
            "polls": 0, "started_at": "1970-01-01T00:00:01.000Z", "completed_at": "1970-01-01T00:00:02.500Z",
            "changes": ["deviceCountLimit: 600 → 512 (so it is)", "ssidList: dropped (so it is)"]})
    );
    assert_eq!(
        (&rows[5]["outcome"], &rows[5]["resource_id"]),
        (&json!("created"), &json!("passphrase-4"))
    );
    assert_eq!(
        (&rows[1_200]["status"], &rows[1_200]["attempts"]),
        (&json!("PENDING"), &json!(0))
    );
    let order: Vec<u64> = rows[1..].iter().map(|r| r["row"].as_u64().unwrap()).collect();
    assert!(order.is_sorted());

    let answer = call_service(&app, get("acme", &format!("{path}?format=csv")).to_request()).await;
    let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(
        header("content-disposition"),
        format!("attachment; filename=\"phaseline-{id}-running.csv\"")
    );
    assert_eq!(header("phaseline-job-status"), "RUNNING");
    let text = String::from_utf8(read_body(answer).await.to_vec()).unwrap();
    assert!(
        text.starts_with(
            "phase,row,task_id,name,pool,status,outcome,resource_type,resource_id,resource_name,error_code,"
        )
    );
    assert_eq!(text.matches("\r\n").count(), 1_202);
    let line = text.lines().nth(5).unwrap();
    assert!(
        line.ends_with(
            "HTTP_400,'=refused,,3,0,1970-01-01T00:00:01.000Z,1970-01-01T00:00:02.500Z,deviceCountLimit: 600 → 512 (so it is) | \
             ssidList: dropped (so it is)"
        ),
        "{line}"
    );

    let some = format!("{path}?status=FAILED,PENDING&phase=create_passphrases");
    let report: Value = read_body_json(call_service(&app, get("acme", &some).to_request()).await).await;
    assert_eq!(report["rows_total"], 110 + 100);
    let none = format!("{path}?status=CANCELLED");
    let report: Value = read_body_json(call_service(&app, get("acme", &none).to_request()).await).await;
    assert_eq!((&report["rows_total"], &report["rows"]), (&json!(0), &json!([])));
}

/// Of a running job, a paused one and one that has ended: a CSV looks the same.
#[actix_web::test]
async fn a_report_tells_whether_its_job_has_ended() {
    let w = world().await;
    let id = job(&w, 2, 1).await;
    let app = init_service(app(w.parts.clone())).await;
    let told = async |format: &str| {
        let path = format!("/api/v1/jobs/{id}/report?format={format}");
        let answer = call_service(&app, get("acme", &path).to_request()).await;
        let header = |name: &str| answer.headers().get(name).unwrap().to_str().unwrap().to_owned();
        let name = header("content-disposition");
        let name = name.strip_prefix("attachment; filename=\"phaseline-").unwrap();
        (header("phaseline-job-status"), name.replace(&id.to_string(), "ID"))
    };
    let said = |status: &str, name: &str| (status.to_owned(), format!("{name}\""));
    assert_eq!(told("csv").await, said("RUNNING", "ID-running.csv"));
    assert_eq!(told("json").await, said("RUNNING", "ID-running.json"));
    w.store.pause(&"acme".parse().unwrap(), id, "lunch").await.unwrap();
    assert_eq!(told("csv").await, said("PAUSED", "ID-paused.csv"));
    w.store.resume(&"acme".parse().unwrap(), id).await.unwrap();
    let mut hands = Hands::of(&w.store).await;
    hands.complete(|t| made(t, "passphrase")).await;
    assert_eq!(told("csv").await, said("PARTIAL", "ID.csv"));
}

#[actix_web::test]
async fn what_is_asked_wrongly_or_by_others_is_refused() {
    let w = world().await;
    let id = job(&w, 1, 1).await;
    let app = init_service(app(w.parts.clone())).await;
    let path = format!("/api/v1/jobs/{id}/report");
    let bad = format!("{path}?format=xlsx&status=FAILED,BAD&limit=3");
    let problem: Value = read_body_json(call_service(&app, get("acme", &bad).to_request()).await).await;
    let names: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["parameter"].clone())
        .collect();
    assert_eq!(names, ["format", "status", "limit"]);
    for (tenant, query, version, status) in [
        ("other", "", Version::HTTP_11, 404),
        ("acme", "?phase=nope", Version::HTTP_11, 400),
        ("acme", "?format=csv", Version::HTTP_10, 505),
        ("acme", "?format=csv", Version::HTTP_11, 200),
        ("acme", "?format=json", Version::HTTP_10, 200),
    ] {
        let request = get(tenant, &format!("{path}{query}")).version(version);
        let answer = call_service(&app, request.to_request()).await;
        assert_eq!(answer.status().as_u16(), status, "{tenant} {query} {version:?}");
    }
}

#[actix_web::test]
async fn so_many_reports_at_once_and_no_more() {
    let w = world().await;
    let id = job(&w, 40, 0).await;
    let app = init_service(app(w.parts.clone())).await;
    let path = format!("/api/v1/jobs/{id}/report");
    let places = w.parts.state.reports.available_permits();
    let mut open = Vec::new();
    for _ in 0..places {
        let answer = call_service(&app, get("acme", &path).to_request()).await;
        assert_eq!(answer.status(), 200);
        open.push(answer);
    }
    let answer = call_service(&app, get("acme", &path).to_request()).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    // one is read to its end, one is dropped by its caller
    let report: Value = read_body_json(open.remove(0)).await;
    assert_eq!(report["rows_total"], 4_001);
    drop(open.remove(0));
    let all = tokio::time::timeout(
        std::time::Duration::from_secs(20),
        w.parts.state.reports.acquire_many(2),
    )
    .await;
    assert!(all.is_ok(), "both places are free again");
}

/// The next piece of a body; none at its end.
async fn piece<B: MessageBody>(body: &mut Pin<Box<B>>) -> Option<Result<Bytes, B::Error>> {
    std::future::poll_fn(|c| body.as_mut().poll_next(c)).await
}

#[actix_web::test]
async fn a_report_that_cannot_be_finished_is_broken_off() {
    for case in ["killed", "batch gone", "job gone"] {
        let mut w = world().await;
        let id = job(&w, 60, 0).await;
        let app = init_service(app(w.parts.clone())).await;
        let path = format!("/api/v1/jobs/{id}/report");
        let answer = call_service(&app, get("acme", &path).to_request()).await;
        assert_eq!(answer.status(), 200);
        let mut body = Box::pin(answer.into_body());
        assert_eq!(body.size(), BodySize::Stream, "no length is promised");
        let mut text = Vec::new();
        while text.len() <= 1_000 {
            text.extend(piece(&mut body).await.and_then(Result::ok).expect(case));
        }
        let key = format!("workflow:{{p0}}:jobs:{id}");
        match case {
            "killed" => w.redis.kill(),
            "batch gone" => drop(w.redis.cli(&["HDEL", &format!("{key}:in:create_passphrases"), "57"])),
            _ => drop(w.redis.cli(&["UNLINK", &key])),
        }
        let is_broken = loop {
            match piece(&mut body).await {
                Some(Ok(piece)) => text.extend(piece),
                Some(Err(_)) => break true,
                None => break false,
            }
        };
        assert!(is_broken, "{case}");
        assert!(serde_json::from_slice::<Value>(&text).is_err(), "{case}");
    }
}

/// A CSV has no end of its own: what tells a broken one from a whole one is the end of the last chunk.
#[actix_web::test]
async fn a_broken_csv_lacks_its_end_on_the_wire() {
    let w = world().await;
    let id = job(&w, 12, 0).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = api::server::serve(listener, w.parts.clone()).unwrap();
    let handle = server.handle();
    let serving = actix_web::rt::spawn(server);
    let fetch = async || {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "GET /api/v1/jobs/{id}/report?format=csv HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            token(Some("acme"), &["viewer"])
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // a reset is as good as an end
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    };
    let whole = fetch().await;
    assert!(whole.starts_with("HTTP/1.1 200") && whole.to_ascii_lowercase().contains("transfer-encoding: chunked"));
    assert!(whole.ends_with("\r\n0\r\n\r\n"));
    let key = format!("workflow:{{p0}}:jobs:{id}:in:create_passphrases");
    w.redis.cli(&["HDEL", &key, "11"]);
    let broken = fetch().await;
    assert!(broken.starts_with("HTTP/1.1 200") && broken.contains("user700"));
    assert!(!broken.ends_with("0\r\n\r\n"), "{}", &broken[broken.len() - 80..]);
    handle.stop(false).await;
    serving.await.unwrap().unwrap();
}

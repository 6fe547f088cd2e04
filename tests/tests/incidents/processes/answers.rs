//! What callers are told, and what they are never told.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::harness::VENUE;

use crate::fleet::{REMOTE, World};
use crate::search::Secrets;

/// How long an answer that does not end is listened to.
const LISTEN: Duration = Duration::from_millis(1_500);
/// Begins every passphrase of these tests: not even the first four letters of one may be shown.
const MARK: &str = "zqXw";

/// Gives every key of the export a passphrase that is found anywhere.
fn mark(export: &mut Value) {
    let pools = export["dpskPools"].as_array_mut().unwrap().iter_mut();
    let keys = pools.flat_map(|pool| pool["dpsks"].as_array_mut().unwrap());
    for (n, key) in keys.enumerate() {
        key["passphrase"] = format!("{MARK}-{n:05}-Kp").into();
    }
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Headers and as much of the body as comes in time.
async fn answer(request: reqwest::RequestBuilder) -> (u16, String) {
    let mut answer = request.send().await.unwrap();
    let (status, mut text) = (answer.status().as_u16(), format!("{:?}\n", answer.headers()));
    let _ = tokio::time::timeout(LISTEN, async {
        while let Ok(Some(chunk)) = answer.chunk().await {
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
    })
    .await;
    (status, text)
}

/// Every poll of a job's status held 153 passphrases in the open; a CSV and a preview of four letters gave away more. Here: none is in any
/// answer of any route the API documents, whatever its method, for a job that went well and one that met a different key, nor in
/// refusals, metrics or logs.
#[tokio::test]
async fn passphrases_in_no_answer_and_no_log() {
    let mut world = World::new(40, 60_000, 1).await;
    mark(&mut world.export);
    let secrets = Secrets(vec![
        ("a passphrase".into(), MARK.into()),
        ("the client secret".into(), testkit::harness::CLIENT_SECRET.into()),
    ]);
    let job = world.import().await;
    world.assert_done(&world.ended(&job).await).await;
    let simulator = &world.fleet.simulators[0];
    let ledger = simulator.ledger(REMOTE).await.unwrap();
    let other = json!({"id": ledger["passphrases"][0]["id"], "passphrase": format!("{MARK}-of-somebody")});
    simulator
        .seed(json!({"tenant": REMOTE, "change": [other]}))
        .await
        .unwrap();
    let conflicting = world.import().await;
    let ended = world.ended(&conflicting).await;
    assert_eq!(ended["status"], "PARTIAL");
    assert!(
        ended["errors"].to_string().contains("passphrase differs"),
        "{}",
        ended["errors"]
    );

    let (api, client) = (&world.fleet.api, client());
    let (_, document) = api.get("/api/openapi.json").await.unwrap();
    let paths = document["paths"].as_object().unwrap();
    let body =
        json!({"controller_id": 1, "venue_id": VENUE, "dpsk_data": world.export, "options": {"name_conflict": 7}})
            .to_string();
    let (mut asked, mut answered) = (0, 0);
    for (path, operations) in paths {
        for id in [&job, &conflicting] {
            let mut path = path.replace("{name}", "cloudpath_dpsk_import");
            while let (Some(from), Some(to)) = (path.find('{'), path.find('}')) {
                path.replace_range(from..=to, id);
            }
            for method in operations.as_object().unwrap().keys() {
                let Ok(method) = reqwest::Method::from_bytes(method.to_uppercase().as_bytes()) else {
                    continue;
                };
                let mut request = client.request(method.clone(), format!("{}{path}", api.base()));
                if method != reqwest::Method::GET {
                    // refused by every route: it has a fault, and is quoted by none
                    request = request.header("content-type", "application/json").body(body.clone());
                }
                let (status, text) = answer(request).await;
                secrets.assert_not_in(&format!("{method} {path}: {status}"), text.as_bytes());
                asked += 1;
                answered += u32::from(status == 200);
            }
        }
    }
    assert!(asked >= 20 && answered >= 12, "{asked} asked, {answered} answered");
    let more = [
        format!("/api/v1/jobs/{conflicting}/tasks?limit=200"),
        format!("/api/v1/jobs/{conflicting}/tasks?status=FAILED"),
        format!("/api/v1/jobs/{conflicting}?resources=100"),
        "/metrics".to_owned(),
    ];
    for path in more {
        let (status, text) = api.get_text(&path).await.unwrap();
        assert_eq!(status, 200, "{path}");
        secrets.assert_not_in(&path, text.as_bytes());
    }
    for worker in &world.fleet.workers {
        for path in ["/metrics", "/healthz", "/readyz"] {
            let (_, text) = answer(client.get(format!("{}{path}", worker.base()))).await;
            secrets.assert_not_in(path, text.as_bytes());
        }
    }
    let logs = world.fleet.logs().unwrap();
    assert!(
        logs.iter().map(|(_, text)| text.len()).sum::<usize>() > 10_000,
        "the logs say something"
    );
    for (path, text) in logs {
        let is_of_the_simulator = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().contains("simulator"));
        if !is_of_the_simulator {
            secrets.assert_not_in(&path.display().to_string(), &text);
        }
    }
}

/// The service said why in an error nested twice in JSON, and people saw "failed". Here its code and its words reach the task, the
/// job's errors and their machine-readable twins, and the status of the import.
#[tokio::test]
async fn error_details_reach_the_caller() {
    let world = World::new(12, 60_000, 1).await;
    let pools = world.export["dpskPools"].as_array().unwrap().iter();
    let user = pools.flat_map(|pool| pool["dpsks"].as_array().unwrap()).next().unwrap()["name"].clone();
    let (code, words) = ("WIFI-10126", "Insufficient licenses on AP group East");
    let rule = json!({"operation": "create_passphrase", "usernames": [user], "kind": "activity_fail", "code": code, "message": words});
    world.fleet.simulators[0]
        .faults(json!({ "rules": [rule] }))
        .await
        .unwrap();
    let job = world.import().await;
    let ended = world.ended(&job).await;
    assert_eq!(ended["status"], "PARTIAL");
    let name = user.as_str().unwrap();
    let line = ended["errors"][0].as_str().unwrap();
    assert!([name, code, words].iter().all(|part| line.contains(part)), "{line}");
    let detail = &ended["error_details"][0];
    assert_eq!(
        (&detail["code"], &detail["phase"]),
        (&json!(code), &json!("create_passphrases")),
        "{detail}"
    );
    assert!(
        detail["request_id"].is_string() && detail["message"].as_str().unwrap().contains(words),
        "{detail}"
    );
    let (_, tasks) = world
        .fleet
        .api
        .get(&format!("/api/v1/jobs/{job}/tasks?status=FAILED"))
        .await
        .unwrap();
    let task = &tasks["items"][0];
    assert_eq!((&task["name"], &task["error_code"]), (&user, &json!(code)), "{tasks}");
    assert!(task["error_message"].as_str().unwrap().contains(words), "{task}");
    assert_eq!(
        task["request_id"], detail["request_id"],
        "to be looked up at the vendor"
    );
    let (_, status) = world
        .fleet
        .api
        .get(&format!("/api/cloudpath-dpsk/jobs/{job}/status"))
        .await
        .unwrap();
    assert!(status["errors"].to_string().contains(words), "{status}");
}

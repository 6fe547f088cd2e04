//! No passphrase, client secret or access token is found in any log, answer, error, Redis key or value.

use std::time::Duration;

use serde_json::{Value, json};
use testkit::harness::api::has_ended;

use crate::search::{Secrets, contains, dump};
use crate::world::{REMOTE, TIMEOUT, World};

/// Everything the logs can say.
const LOG: &str = "trace";

fn passphrases(export: &Value) -> Vec<(String, Vec<u8>)> {
    let pools = export["dpskPools"].as_array().unwrap().iter();
    let dpsks = pools.flat_map(|pool| pool["dpsks"].as_array().unwrap());
    let named = |dpsk: &Value| {
        let value = dpsk["passphrase"].as_str().unwrap().as_bytes().to_vec();
        (format!("the passphrase of {}", dpsk["name"]), value)
    };
    dpsks.map(named).collect()
}

#[tokio::test]
async fn no_secret_is_found_in_logs_answers_or_redis() {
    // slow enough to look at Redis while batches are queued, sent, parked and settled
    let world = World::with(120, 1200, 2, |plan| {
        plan.environment.push(("RUST_LOG".into(), LOG.into()))
    })
    .await;
    let api = &world.fleet.api;
    let mut secrets = Secrets(passphrases(&world.export));
    secrets
        .0
        .push(("the client secret".into(), testkit::harness::CLIENT_SECRET.into()));
    secrets.0.push(("an access token".into(), b"sim.".to_vec()));

    let job = world.import().await;
    let mut redis = world.fleet.redis_connection().unwrap();
    let (mut dumps, mut saw_user) = (0, false);
    loop {
        let has_ended = has_ended(&api.job(&job).await.unwrap());
        for (place, values) in dump(&mut redis).unwrap() {
            for value in values {
                secrets.assert_not_in(&place, &value);
                saw_user |= contains(&value, b"device-");
            }
        }
        dumps += 1;
        if has_ended {
            break;
        }
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert!(
        dumps > 10 && saw_user,
        "the search sees what is in Redis: user names are no secret and were met"
    );
    let ended = world.ended(&job).await;
    world.assert_done(&ended).await;

    // a key that differs at the other side makes an error that speaks of it, without its value
    let ledger = world.fleet.simulators[0].ledger(REMOTE).await.unwrap();
    let other = "quite-another-secret";
    let change = json!({"tenant": REMOTE, "change": [{"id": ledger["passphrases"][0]["id"], "passphrase": other}]});
    world.fleet.simulators[0].seed(change).await.unwrap();
    secrets
        .0
        .push(("the passphrase on the other side".into(), other.into()));
    let conflicting = world.import().await;
    let ended = api.ended(&conflicting, TIMEOUT).await.unwrap();
    assert_eq!(ended["status"], "PARTIAL", "{ended}");
    assert!(
        ended["errors"][0].as_str().unwrap().contains("passphrase"),
        "{}",
        ended["errors"]
    );

    // and where it is left as it is, what was left says so without either value
    let lenient = json!({"name_conflict": "adopt"});
    let adopting = api.import(1, &world.export, lenient).await.unwrap();
    let ended = api.ended(&adopting, TIMEOUT).await.unwrap();
    assert_eq!(ended["status"], "COMPLETED", "{ended}");
    let tasks = api.tasks(&adopting).await.unwrap();
    let left: Vec<&str> = tasks
        .iter()
        .filter_map(|t| t["input_data"]["left_as_is"].as_str())
        .collect();
    assert!(left.len() == 1 && left[0].contains("passphrase"), "{left:?}");

    for job in [&job, &conflicting, &adopting] {
        for path in [
            format!("/api/v1/jobs/{job}?resources=100"),
            format!("/api/v1/jobs/{job}/tasks?limit=200"),
            format!("/api/v1/jobs/{job}/report?format=csv"),
            format!("/api/v1/jobs/{job}/report?format=json"),
            format!("/api/cloudpath-dpsk/jobs/{job}/status"),
            "/api/v1/jobs".to_owned(),
            "/metrics".to_owned(),
        ] {
            let (status, text) = api.get_text(&path).await.unwrap();
            assert_eq!(status, 200, "{path}");
            secrets.assert_not_in(&path, text.as_bytes());
        }
    }
    // requests that are refused are not quoted either
    let refused = [
        json!([{"guid": "d", "name": "a", "passphrase": "tooshrt"}]).to_string(),
        json!([{"guid": "d", "name": "a", "passphrase": "umlaut-\u{e4}-inside"}]).to_string(),
        json!([{"guid": "d", "name": "a", "passphrase": ["in-a-list-1"]}]).to_string(),
        r#"[{"guid": "d", "passphrase": "cut-off-here-1"#.to_owned(),
    ];
    for (data, secret) in refused
        .iter()
        .zip(["tooshrt", "umlaut-", "in-a-list-1", "cut-off-here-1"])
    {
        secrets
            .0
            .push((format!("a refused passphrase ({secret})"), secret.into()));
        let body = format!(r#"{{"controller_id": 1, "venue_id": "v", "dpsk_data": {data}}}"#);
        let (status, answer) = post_raw(api.base(), body).await;
        assert_eq!(status, 400, "{answer}");
        secrets.assert_not_in("a refusal", answer.as_bytes());
    }
    for (place, values) in dump(&mut redis).unwrap() {
        values.iter().for_each(|value| secrets.assert_not_in(&place, value));
    }
    for worker in &world.fleet.workers {
        let metrics = worker.metrics().await.unwrap();
        secrets.assert_not_in("worker metrics", format!("{metrics:?}").as_bytes());
    }
    let logs = world.fleet.logs().unwrap();
    let told: usize = logs.iter().map(|(_, text)| text.len()).sum();
    assert!(
        told > 50_000,
        "the logs were asked for everything and say only {told} bytes"
    );
    for (path, text) in logs {
        secrets.assert_not_in(&path.display().to_string(), &text);
    }
}

/// RUCKUS One's word on an activity is fetched by whichever worker polls: it knows no passphrases, and may not store what it reads.
#[tokio::test]
async fn an_activity_that_quotes_passphrases_leaks_none() {
    let world = World::with(60, 6000, 2, |plan| {
        plan.environment.push(("RUST_LOG".into(), LOG.into()))
    })
    .await;
    let pools = world.export["dpskPools"].as_array().unwrap().iter();
    let users: Vec<(&str, &str)> = pools
        .flat_map(|pool| pool["dpsks"].as_array().unwrap())
        .map(|dpsk| (dpsk["name"].as_str().unwrap(), dpsk["passphrase"].as_str().unwrap()))
        .collect();
    let rule = |((name, value), status): (&(&str, &str), &str)| {
        let (own, message) = (json!(value).to_string(), format!("Passphrase {value} is not allowed"));
        json!({"operation": "create_passphrase", "usernames": [name], "kind": "activity_fail", "code": "X-1", "status": status,
            "message": format!("{message}; rejected value: {own}, like {}", users[0].1)})
    };
    let statuses = ["FAIL", "CANCELLED", "PARTIAL_SUCCESS", "SKIPPED"];
    let rules: Vec<Value> = users[1..].iter().zip(statuses).map(rule).collect();
    world.fleet.simulators[0].faults(json!({"rules": rules})).await.unwrap();

    let (api, secrets) = (&world.fleet.api, Secrets(passphrases(&world.export)));
    let job = world.import().await;
    let mut redis = world.fleet.redis_connection().unwrap();
    loop {
        let has_ended = has_ended(&api.job(&job).await.unwrap());
        for (place, values) in dump(&mut redis).unwrap() {
            values.iter().for_each(|value| secrets.assert_not_in(&place, value));
        }
        if has_ended {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ended = world.ended(&job).await;
    assert_eq!(ended["status"], "PARTIAL", "{}", testkit::harness::api::summary(&ended));
    assert!(
        ended["errors"].to_string().contains("Passphrase *** is not allowed"),
        "told, and masked"
    );
    for path in [
        format!("/api/v1/jobs/{job}"),
        format!("/api/v1/jobs/{job}/tasks?limit=200"),
        format!("/api/v1/jobs/{job}/report?format=csv"),
        format!("/api/v1/jobs/{job}/report?format=json"),
        format!("/api/cloudpath-dpsk/jobs/{job}/status"),
    ] {
        let (status, text) = api.get_text(&path).await.unwrap();
        assert_eq!(status, 200, "{path}");
        secrets.assert_not_in(&path, text.as_bytes());
    }
    for (path, text) in world.fleet.logs().unwrap() {
        secrets.assert_not_in(&path.display().to_string(), &text);
    }
}

async fn post_raw(base: &str, body: String) -> (u16, String) {
    let client = reqwest::Client::builder().build().unwrap();
    let request = client
        .post(format!("{base}/api/cloudpath-dpsk/import"))
        .header("content-type", "application/json");
    let answer = request.body(body).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

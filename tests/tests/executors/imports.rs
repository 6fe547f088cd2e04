//! The straight way: everything is made as exported, and a second run finds it so.

use serde_json::{Value, json};
use worker::executors::PlanError;

use super::harness::*;

/// 20 keys of one pool: VLANs, device limits, expiries, one without a name, one that is not active.
fn realistic() -> Value {
    let rows = (0..20).map(|n| {
        let mut row = dpsk(&format!("user-{n:02}"), json!({}));
        match n % 5 {
            0 => row["vlanid"] = (40 + n).to_string().into(),
            1 => {
                row["useDeviceCountLimit"] = true.into();
                row["deviceCountLimit"] = (n + 1).into();
            }
            2 => row["expirationDateTime"] = "2027-06-15T00:00-07:00[America/Denver]".into(),
            _ => {}
        }
        match n {
            8 => row["name"] = "".into(),
            9 => row["status"] = "INACTIVE".into(),
            _ => {}
        }
        row
    });
    export(rows.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_arrive_field_by_field_and_a_second_import_writes_nothing() {
    let world = World::start();
    let first = world.job(realistic(), json!({}));
    let (keys, audit) = first.run_all().await;
    assert_eq!(keys.outcomes.len(), 20);
    assert_eq!(
        (keys.end("user-09").as_str(), keys.code("user-09")),
        ("skipped", "NOT_ACTIVE")
    );
    let created = keys.tasks.iter().filter(|t| keys.end(&t.input.name) == "created");
    assert_eq!(created.count(), 19);
    assert_eq!(audit.outcomes[0].error, None);
    assert_eq!(
        audit.task_facts,
        [
            json!({"pool": "Lobby-DPSK", "expected": 19, "not_imported": 1, "unknown_there": 0, "unknown_absent": 0, "present": 19, "missing": 0, "changed": 0, "extra": 0})
        ]
    );
    let ledger = world.ledger();
    assert_eq!(ledger.len(), 19);
    assert_eq!(
        (
            ledger["user-05"]["vlan_id"].as_u64(),
            ledger["user-05"]["number_of_devices"].as_u64()
        ),
        (Some(45), None)
    );
    assert_eq!(ledger["user-06"]["number_of_devices"], 7);
    assert!(
        ledger["user-07"]["expiration_date"]
            .as_str()
            .unwrap()
            .starts_with("2027-06-15T07:00:00")
    );
    assert_eq!(ledger["user-03"]["passphrase"], "secret-of-user-03");
    assert_eq!(ledger["DPSK-AccountDpsk-user-08"]["invented"], false);
    assert_eq!(world.writes(), 1 + 1 + 19);
    // Venue, groups, pools, the pool's keys, and the audit: lists are swept. And each key once when it was reported done: task by task
    // here, a batch with one call in the engine.
    assert_eq!(world.sim.counts(TENANT)["reads"], 5 + 19);

    let second = world.job(realistic(), json!({}));
    for phase in ["create_identity_groups", "create_dpsk_pools"] {
        assert!(second.run(phase).await.all("adopted"), "{phase}");
    }
    let (keys, _) = second.plan("create_passphrases").await.unwrap();
    assert!(keys.iter().all(|task| task.input.preset.is_some()));
    let is_there = |task: &&worker::executors::Task| task.input.preset.as_ref().is_some_and(|o| o.resource.is_some());
    let (there, others): (Vec<_>, Vec<_>) = keys.iter().partition(|task| is_there(task));
    assert!(there.iter().all(|task| task.secret.is_some()), "an audit compares them");
    assert!(others.iter().all(|task| task.secret.is_none()));
    let (keys, audit) = world.job(realistic(), json!({})).run_all().await;
    assert_eq!(
        keys.tasks
            .iter()
            .filter(|t| keys.end(&t.input.name) == "adopted")
            .count(),
        19
    );
    assert_eq!(audit.outcomes[0].error, None);
    assert_eq!(world.writes(), 21, "a second import wrote");
    assert_eq!(world.sim.counts(TENANT)["duplicates"], 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_for_each_vlan() {
    let world = World::start();
    let rows = (0..12).map(|n| dpsk(&format!("user-{n:02}"), json!({"vlanid": (10 + n % 3).to_string()})));
    let data = export(rows.collect());
    let (keys, audit) = world.job(data.clone(), json!({"group_by_vlan": true})).run_all().await;
    assert!(keys.all("created"));
    assert!(audit.outcomes.len() == 3 && audit.outcomes.iter().all(|o| o.error.is_none()));
    assert_eq!(world.ledger()["user-04"]["pool_name"], "VLAN 11 - Cloudpath DPSKs");
    let before = world.writes();
    let (keys, _) = world.job(data, json!({"group_by_vlan": true})).run_all().await;
    assert!(keys.all("adopted"));
    assert_eq!(world.writes(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_without_ids_are_read_back() {
    let settings = json!({"reply_ids": false});
    let world = World::start();
    world.sim.post("settings", &settings);
    let data = export(json!([dpsk("anna", json!({})), dpsk("ben", json!({}))]));
    let (keys, audit) = world.job(data, json!({})).run_all().await;
    assert!(keys.all("created") && audit.outcomes[0].error.is_none());
    let ledger = world.ledger();
    for name in ["anna", "ben"] {
        assert_eq!(
            keys.of(name).resource.as_ref().unwrap().id,
            ledger[name]["id"].as_str().unwrap()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_venue_that_does_not_exist_is_named_before_anything_is_made() {
    let world = World::start();
    let job = Job::new(
        &world,
        export(json!([dpsk("anna", json!({}))])),
        json!({}),
        "no-such-venue",
    );
    let phase = job.run("parse_validate").await;
    let error = phase.outcomes[0].error.clone().unwrap();
    assert_eq!(error.code, "VENUE_NOT_FOUND");
    assert!(error.message.contains("\"no-such-venue\""), "{}", error.message);
    let phase = world
        .job(export(json!([dpsk("anna", json!({}))])), json!({}))
        .run("parse_validate")
        .await;
    assert_eq!(phase.outcomes[0].error, None);
    assert_eq!(
        (&phase.facts["venue_name"], &phase.facts["imports"]),
        (&json!("Main Campus"), &json!(1))
    );
    assert_eq!(world.writes(), 0);
}

/// It asks again and again: each time it would take its turn from jobs that can go on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_waits_for_another_makes_no_call() {
    let world = World::start();
    let rows = || export(json!([dpsk("anna", json!({})), dpsk("ben", json!({}))]));
    world.job(rows(), json!({})).run_all().await;
    // its pool is adopted: there is something to be looked up before its keys are planned
    let second = world.job(rows(), json!({}));
    second.run("parse_validate").await;
    for phase in ["create_identity_groups", "create_dpsk_pools", "create_passphrases"] {
        let before = world.calls();
        for _ in 0..3 {
            let told = second.plan_in_vain(phase).await;
            assert!(matches!(told, PlanError::NamesTaken { .. }), "{phase}: {told}");
        }
        assert_eq!(world.calls(), before, "{phase}");
        second.run(phase).await;
    }
    assert!(world.calls() > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_arrive_as_it_was_is_told_with_its_reason() {
    let world = World::start();
    let rows = [
        dpsk("anna", json!({"useDeviceCountLimit": true, "deviceCountLimit": 600})),
        dpsk(
            "ben",
            json!({"expirationDateTime": "2020-01-01T00:00Z", "ssidList": ["Roof"]}),
        ),
        dpsk("carla", json!({"expirationDateTime": "2021-01-01T00:00Z"})),
        dpsk("dora", json!({})),
    ];
    let name = "Maple Court ".repeat(21) + "12";
    let pool = json!({"guid": "p-1", "displayName": name, "enabled": false, "supportsPolicies": true,
        "defaultAccess": "REJECT", "description": "old", "dpsks": rows});
    let job = world.job(json!({ "dpskPools": [pool] }), json!({}));
    let changes = |phase: &Phase, at: usize| phase.tasks[at].input.data["changes"].clone();
    let begins = |changes: &Value, wanted: &[&str]| {
        let told: Vec<&str> = changes
            .as_array()
            .unwrap()
            .iter()
            .map(|c| c.as_str().unwrap())
            .collect();
        let same = told.iter().zip(wanted).all(|(told, wanted)| told.starts_with(wanted));
        assert!(same && told.len() == wanted.len(), "{told:#?}");
        assert!(
            told.iter().all(|told| told.ends_with(')')),
            "each with its reason: {told:#?}"
        );
    };
    // made, and found: whoever asks is told both times
    for _ in 0..2 {
        let groups = job.run("create_identity_groups").await;
        begins(&changes(&groups, 0), &["displayName: Maple Court "]);
        let pools = job.run("create_dpsk_pools").await;
        let dropped = [
            "displayName: Maple Court ",
            "description: dropped",
            "supportsPolicies: REJECT dropped",
            "enabled: false dropped",
        ];
        begins(&changes(&pools, 0), &dropped);
        let keys = job.run("create_passphrases").await;
        begins(&changes(&keys, 0), &["deviceCountLimit: 600 → 512"]);
        begins(
            &changes(&keys, 1),
            &["ssidList: dropped", "expirationDateTime: 2020-01-01T00:00:00Z dropped"],
        );
        assert_eq!(changes(&keys, 3), Value::Null);
        let counted = json!({"devices_clamped": 1, "expired": 2, "ssids_kept_as_info": 1});
        assert_eq!(keys.facts["changes"], counted);
        assert!(keys.outcomes.iter().all(|o| o.error.is_none()), "{:?}", keys.outcomes);
    }
}

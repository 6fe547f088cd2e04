//! `name_conflict` for every kind of object an import makes: what `adopt`, `update` and `fail` do about one that is there and differs.
//! One table; each line begins with a whole import, after which somebody changes one thing, and imports again by each policy.

use serde_json::{Value, json};
use worker::gate::{OpenGate, Permit};

use super::harness::*;

/// The engine ends the job when one of them fails.
const CRITICAL: usize = 3;
const POLICIES: [&str; 3] = ["fail", "adopt", "update"];
const SECRETS: [&str; 2] = ["secret-of-anna_gold", "changed-by-hand"];

/// One key, with a policy, on one network: eleven writes, one of each kind.
fn whole() -> Value {
    let mut export = export(json!([dpsk("anna_gold", json!({"vlanid": "44"}))]));
    export["pool"]["supportsPolicies"] = true.into();
    export["pool"]["ssidList"] = json!(["Bar"]);
    export
}

fn options(policy: &str) -> Value {
    json!({"include_adaptive_policy_sets": true, "just_copy_dpsks": false, "ssid_network_map": {"Bar": "create"},
        "name_conflict": policy})
}

/// What each phase came to, as far as the job gets.
async fn import(world: &World, policy: &str) -> Vec<(&'static str, Phase)> {
    let job = world.job(whole(), options(policy));
    let mut ended = Vec::new();
    for (at, name) in PHASES.into_iter().enumerate() {
        let phase = job.run(name).await;
        let failed = phase.outcomes.iter().any(|o| o.error.is_some());
        ended.push((name, phase));
        if failed && at < CRITICAL {
            break;
        }
    }
    ended
}

struct Line {
    /// What is there and differs.
    kind: &'static str,
    phase: &'static str,
    task: &'static str,
    /// The end of its task by `fail`, `adopt` and `update`.
    ends: [&'static str; 3],
    /// Writes of the whole import, likewise.
    writes: [u64; 3],
    /// What the error of `fail` says, and what is told of what stays by `adopt`; empty: nothing.
    differs: &'static str,
    /// Whether `update` leaves it and tells so.
    update_leaves: bool,
}

const LINES: [Line; 12] = [
    Line {
        kind: "identity_group",
        phase: "create_identity_groups",
        task: "Lobby-IDG",
        ends: ["failed", "adopted", "adopted"],
        writes: [0, 0, 0],
        differs: "description is mine, wanted Imported from Cloudpath pool AccountDpskPool-1",
        update_leaves: true,
    },
    Line {
        kind: "dpsk_pool",
        phase: "create_dpsk_pools",
        task: "Lobby-DPSK",
        ends: ["failed", "adopted", "updated"],
        writes: [0, 0, 1],
        differs: "passphraseLength is 30, wanted 19",
        update_leaves: false,
    },
    Line {
        kind: "policy_set",
        phase: "create_policy_sets",
        task: "Lobby-PS",
        ends: ["adopted", "adopted", "adopted"],
        writes: [0, 0, 0],
        differs: "",
        update_leaves: false,
    },
    Line {
        kind: "policy",
        phase: "create_policy_sets",
        task: "gold-POL",
        ends: ["failed", "adopted", "updated"],
        writes: [0, 0, 1],
        differs: "onMatchResponse is iron, wanted gold",
        update_leaves: false,
    },
    Line {
        kind: "condition",
        phase: "create_policy_sets",
        task: "gold-POL",
        // its pattern is changed where its condition is: see the next line
        ends: ["failed", "adopted", "adopted"],
        writes: [0, 0, 1],
        differs: "regexStringCriteria is ^anna$, wanted ^.*_gold$",
        update_leaves: false,
    },
    Line {
        kind: "condition",
        phase: "attach_policies",
        task: "condition of gold-POL",
        ends: ["failed", "completed", "updated"],
        writes: [0, 0, 1],
        differs: "regexStringCriteria is ^anna$, wanted ^.*_gold$",
        update_leaves: false,
    },
    Line {
        kind: "place",
        phase: "attach_policies",
        task: "gold-POL in Lobby-PS",
        ends: ["failed", "adopted", "updated"],
        writes: [0, 0, 1],
        differs: "user \"example_gold\" is answered by \"all\", wanted \"gold-POL\"",
        update_leaves: false,
    },
    Line {
        kind: "pool_policy_set",
        phase: "attach_policies",
        task: "Lobby-PS on Lobby-DPSK",
        ends: ["failed", "adopted", "updated"],
        writes: [0, 0, 1],
        differs: "policySetId is that of \"Theirs\", wanted \"Lobby-PS\"",
        update_leaves: false,
    },
    Line {
        kind: "passphrase",
        phase: "create_passphrases",
        task: "anna_gold",
        ends: ["failed", "adopted", "updated"],
        writes: [0, 0, 1],
        differs: "passphrase differs; vlanId is 7, wanted 44",
        update_leaves: false,
    },
    Line {
        kind: "wifi_network",
        phase: "activate_networks",
        task: "create Bar",
        ends: ["adopted", "adopted", "adopted"],
        writes: [0, 0, 0],
        differs: "",
        update_leaves: false,
    },
    Line {
        kind: "network_pool",
        phase: "activate_networks",
        task: "link Bar",
        ends: ["failed", "adopted", "updated"],
        writes: [0, 0, 1],
        differs: "its DPSK pool is \"Theirs\", wanted \"Lobby-DPSK\"",
        update_leaves: false,
    },
    Line {
        kind: "activation",
        phase: "activate_networks",
        task: "activate Bar",
        ends: ["failed", "adopted", "updated"],
        writes: [0, 0, 1],
        differs: "it is on some AP groups of the venue, wanted all",
        update_leaves: false,
    },
];

/// The id of the object of this name in the ledger.
fn id(world: &World, part: &str, name: &str) -> String {
    let ledger = world.sim.ledger(TENANT);
    let named = |row: &&Value| row["name"] == name || row["username"] == name;
    let found = ledger[part].as_array().unwrap().iter().find(named);
    found.unwrap()["id"].as_str().unwrap().to_owned()
}

/// The network `Bar` in another form, everything else as it was.
fn another_network(world: &World, change: Value) {
    let bar = id(world, "wifi_networks", "Bar");
    let mut row = json!({"id": bar, "name": "Bar", "pool": "Lobby-DPSK", "activations": [{"venue": "venue-sim-1"}]});
    for (field, value) in change.as_object().unwrap() {
        row[field] = value.clone();
    }
    world.seed(json!({ "delete": [bar] }));
    world.seed(json!({ "wifi_networks": [row] }));
}

/// Somebody changes the one thing.
async fn change(world: &World, kind: &str) {
    let r1 = world.clients.get(1).unwrap();
    let changed = |part, name, mut fields: Value| {
        fields["id"] = id(world, part, name).into();
        world.seed(json!({ "change": [fields] }));
    };
    match kind {
        "identity_group" => changed("identity_groups", "Lobby-IDG", json!({"description": "mine"})),
        "dpsk_pool" => changed("dpsk_pools", "Lobby-DPSK", json!({"passphraseLength": 30})),
        "policy_set" => changed("policy_sets", "Lobby-PS", json!({"description": "mine"})),
        "policy" => {
            let iron = id(world, "radius_attribute_groups", "iron");
            changed("policies", "gold-POL", json!({ "onMatchResponse": iron }));
        }
        "condition" => {
            let gold = id(world, "policies", "gold-POL");
            let conditions = r1.conditions(&gold).collect(&OpenGate).await.unwrap();
            let changed = r1.update_condition(Permit::unlimited(), &gold, &conditions[0].id, "^anna$");
            changed.await.unwrap();
        }
        "place" => {
            let all = json!({"name": "all", "radius": "iron", "conditions": [{"attribute": 1012, "pattern": ".*"}]});
            world.seed(json!({ "policies": [all] }));
            let place = worker::r1::policy_set::PrioritizedPolicy {
                policy_id: id(world, "policies", "all"),
                priority: 1,
            };
            let set = id(world, "policy_sets", "Lobby-PS");
            r1.put_prioritized_policy(Permit::unlimited(), &set, &place)
                .await
                .unwrap();
        }
        "pool_policy_set" => {
            world.seed(json!({"policy_sets": [{"name": "Theirs"}]}));
            let (pool, set) = (
                id(world, "dpsk_pools", "Lobby-DPSK"),
                id(world, "policy_sets", "Theirs"),
            );
            r1.assign_policy_set(Permit::unlimited(), &pool, &set).await.unwrap();
            let assigned = || {
                let ledger = world.sim.ledger(TENANT);
                let sets = ledger["policy_sets"].as_array().unwrap().iter();
                sets.filter(|s| s["name"] == "Theirs" && s["assignments"] != json!([]))
                    .count()
                    == 1
            };
            until(assigned).await;
        }
        "passphrase" => {
            let fields = json!({"passphrase": SECRETS[1], "vlanId": 7});
            changed("passphrases", "anna_gold", fields);
        }
        "wifi_network" => another_network(world, json!({"vlanId": 7})),
        "network_pool" => {
            world.seed(json!({"dpsk_pools": [{"name": "Theirs"}]}));
            another_network(world, json!({"pool": "Theirs"}));
        }
        "activation" => {
            world.seed(json!({"ap_groups": [{"name": "Roof"}]}));
            let roof = json!([{"venue": "venue-sim-1", "apGroups": ["Roof"]}]);
            another_network(world, json!({ "activations": roof }));
        }
        other => panic!("no change for {other}"),
    }
}

async fn until(mut reached: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while !reached() {
        assert!(std::time::Instant::now() < deadline, "not in time");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Everything a caller may be told of a run.
fn told(ended: &[(&str, Phase)]) -> String {
    let texts = ended.iter().map(|(name, phase)| {
        let inputs: Vec<_> = phase.tasks.iter().map(|task| &task.input).collect();
        format!(
            "{name} {inputs:?} {:?} {} {:?}\n",
            phase.outcomes, phase.facts, phase.task_facts
        )
    });
    texts.collect()
}

async fn by_policy(line: &Line, at: usize) {
    let (policy, about) = (POLICIES[at], format!("{} {}", line.kind, POLICIES[at]));
    let world = World::start();
    let groups: Vec<Value> = ["gold", "iron"].map(|name| json!({ "name": name })).into();
    world.seed(json!({ "radius_attribute_groups": groups }));
    let first = import(&world, "fail").await;
    assert!(
        first
            .iter()
            .all(|(_, phase)| phase.outcomes.iter().all(|o| o.error.is_none())),
        "{}",
        told(&first)
    );
    assert_eq!(world.writes(), 11, "one write of each kind");

    change(&world, line.kind).await;
    let before = world.writes();
    let ended = import(&world, policy).await;
    assert_eq!(
        world.writes() - before,
        line.writes[at],
        "writes of {about}: {}",
        told(&ended)
    );
    let (_, phase) = ended.iter().find(|(name, _)| *name == line.phase).expect(&about);
    assert_eq!(phase.end(line.task), line.ends[at], "{about}: {}", told(&ended));
    for secret in SECRETS {
        assert!(!told(&ended).contains(secret), "{about} tells a passphrase");
    }
    let task = phase.tasks.iter().find(|task| task.input.name == line.task).unwrap();
    let left = task.input.data["left_as_is"].as_str().unwrap_or_default();
    match policy {
        "fail" if line.ends[at] == "failed" && !line.differs.is_empty() => {
            let error = phase.of(line.task).error.as_ref().unwrap();
            if error.code == "POLICY_MISSING" {
                // a condition is told with its policy, which was refused
                return;
            }
            assert_eq!(error.code, "NAME_CONFLICT", "{about}");
            let differs = match line.kind {
                "pool_policy_set" => "policy set \"Theirs\" is assigned to the pool already",
                _ => line.differs,
            };
            assert!(error.message.contains(differs), "{about}: {}", error.message);
        }
        "adopt" => assert_eq!(left, line.differs, "{about}"),
        "update" if line.update_leaves => assert_eq!(left, line.differs, "{about}"),
        _ => assert_eq!(left, "", "{about}"),
    }
    if !left.is_empty() && !line.task.starts_with("condition") {
        assert_eq!(phase.facts["left_different"], 1, "{about}");
    }
    if policy == "fail" {
        return;
    }
    let faults: Vec<_> = ended
        .iter()
        .flat_map(|(_, p)| p.outcomes.iter().filter_map(|o| o.error.as_ref()))
        .collect();
    assert!(faults.is_empty(), "{about}: {faults:?}");
    // again: what was adopted is adopted, and what was changed is as it should be
    let before = world.writes();
    let again = import(&world, policy).await;
    assert_eq!(world.writes(), before, "the second import of {about} wrote");
    let ends = |phase: &Phase| -> Vec<String> { phase.tasks.iter().map(|t| phase.end(&t.input.name)).collect() };
    for (name, phase) in &again {
        let ends = ends(phase);
        assert!(
            ends.iter().all(|end| end == "adopted" || end == "completed"),
            "{about}: {name} {ends:?}"
        );
    }
    let counts = world.sim.counts(TENANT);
    assert_eq!(
        (&counts["duplicates"], &counts["relinks"]),
        (&json!(0), &json!(0)),
        "{about}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_kind_of_object_that_differs_goes_by_the_policy() {
    for line in &LINES {
        let policies = (0..POLICIES.len()).map(|at| by_policy(line, at));
        futures_util::future::join_all(policies).await;
    }
}

//! Audits: what an import left behind is read again, and nothing is written.

use serde_json::json;
use shared::id::JobId;
use shared::job::JobStatus;
use shared::job::audit::{AuditFacts, Finding, Verdict};
use worker::executors::PlanError;

use super::cleanup::{everything, import, state};
use super::harness::*;
use super::policies::radius;

pub const AUDIT: [&str; 6] = [
    "audit_identity_groups",
    "audit_dpsk_pools",
    "audit_policy_sets",
    "audit_policy_links",
    "audit_passphrases",
    "audit_networks",
];

/// What an audit came to.
pub struct Audited {
    /// `kind name: verdict fields`, of every item.
    pub rows: Vec<String>,
    pub findings: Vec<(String, Finding)>,
    pub facts: Vec<AuditFacts>,
}

impl Audited {
    /// All but those that are present.
    pub fn other(&self) -> Vec<&str> {
        let other = self.rows.iter().filter(|row| !row.ends_with(": present"));
        other.map(String::as_str).collect()
    }

    pub fn of(&self, name: &str) -> &Finding {
        let found = self.findings.iter().find(|(of, _)| of == name);
        &found.unwrap_or_else(|| panic!("no {name}: {:#?}", self.rows)).1
    }
}

/// Runs an audit to its end. It must not write, nor tell a passphrase, whatever it finds.
pub async fn audit(world: &World, audit: &Job<'_>) -> Audited {
    let (before, writes) = (state(world), world.writes());
    let mut audited = Audited {
        rows: Vec::new(),
        findings: Vec::new(),
        facts: Vec::new(),
    };
    for phase in AUDIT {
        let (tasks, facts) = audit.plan(phase).await.unwrap();
        for task in tasks {
            assert!(
                task.input.preset.is_some() && task.secret.is_none(),
                "nothing is left to be run"
            );
            let finding = Finding::of(&task.input.data).unwrap();
            let fields: Vec<_> = finding.fields.iter().map(|f| f.field.clone()).collect();
            let row = format!(
                "{} {}: {} {}",
                finding.kind,
                task.input.name,
                finding.verdict.as_str(),
                fields.join(" ")
            );
            audited.rows.push(row.trim_end().to_owned());
            audited.findings.push((task.input.name.clone(), finding));
            let text = serde_json::to_string(&task.input).unwrap();
            assert!(!text.contains("secret-of-") && !text.contains("changed-by-"), "{text}");
        }
        audited.facts.extend(AuditFacts::of(&facts));
    }
    assert_eq!((state(world), world.writes()), (before, writes), "an audit wrote");
    audited
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_is_as_it_was_left_until_somebody_comes() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    let (export, options) = everything();
    let job = world.job(export, options);
    import(&job).await;
    let first = audit(&world, &job.audit(&[])).await;
    assert!(first.other().is_empty(), "{:#?}", first.other());
    // groups, pools; two policies and two sets; two conditions, three places, two assignments; five keys; three steps for each network
    assert_eq!(first.rows.len(), 2 + 2 + 4 + 7 + 5 + 6);
    let there: Vec<_> = first.facts.iter().map(|facts| facts.there).collect();
    assert_eq!(there, [2, 2, 0, 0, 5, 0]);
    assert_eq!(first.facts[0].venue_name.as_deref(), Some("Main Campus"));
    let again = audit(&world, &job.audit(&[])).await;
    assert_eq!((again.rows, again.facts), (first.rows, first.facts));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_import_is_audited_like_the_first_also_of_what_it_only_found() {
    let world = World::start();
    radius(&world, &["gold", "silver"]);
    let (export, options) = everything();
    import(&world.job(export.clone(), options.clone())).await;
    let second = world.job(export, options);
    import(&second).await;
    let found = audit(&world, &second.audit(&[])).await;
    assert!(found.other().is_empty(), "{:#?}", found.other());
    assert_eq!(found.of("anna_gold").origin.as_deref(), Some("adopted"));
    let (anna, ben) = (
        world.ledger()["anna_gold"]["id"].clone(),
        world.ledger()["ben_silver"]["id"].clone(),
    );
    world.seed(json!({"change": [{"id": anna, "passphrase": "changed-by-them"}], "delete": [ben]}));
    let found = audit(&world, &second.audit(&[])).await;
    assert_eq!(
        found.other(),
        [
            "passphrase anna_gold: changed passphrase",
            "passphrase ben_silver: missing"
        ]
    );
    // as jobs of earlier versions stored them
    second.forget_secrets("create_passphrases");
    let found = audit(&world, &second.audit(&[])).await;
    assert_eq!(found.other(), ["passphrase ben_silver: missing"]);
    assert!(
        found
            .of("anna_gold")
            .note
            .as_ref()
            .unwrap()
            .contains("can't be compared")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_paused_job_what_is_not_done_is_pending_and_its_keys_are_nobody_elses() {
    let world = World::start();
    let keys = ["anna", "ben", "carl", "dora"].map(|name| dpsk(name, json!({})));
    let job = world.job(export(json!(keys)), json!({}));
    job.run_all().await;
    job.stands_at(JobStatus::Paused, 1);
    // begun, and it has arrived; begun, and it has not; not begun; not begun, and somebody was quicker
    job.unend("create_passphrases", "anna", true);
    job.unend("create_passphrases", "ben", true);
    job.unend("create_passphrases", "carl", false);
    job.unend("create_passphrases", "dora", false);
    let (ben, carl) = (
        world.ledger()["ben"]["id"].clone(),
        world.ledger()["carl"]["id"].clone(),
    );
    world.seed(json!({"delete": [ben, carl]}));
    let found = audit(&world, &job.audit(&[])).await;
    let pending = ["anna", "ben", "carl", "dora"].map(|name| format!("passphrase {name}: pending"));
    assert_eq!(found.other(), pending);
    let is_there = |name: &str| {
        found
            .of(name)
            .note
            .as_ref()
            .unwrap()
            .contains("a key of this user is there")
    };
    assert_eq!(
        ["anna", "ben", "carl", "dora"].map(is_there),
        [true, false, false, true]
    );

    // what it has done since would be told as done behind its back
    job.stands_at(JobStatus::Running, 2);
    for phase in AUDIT {
        let refused = job.audit(&[]).plan(phase).await;
        let Err(PlanError::Refused(error)) = refused else {
            panic!("{phase}: not refused")
        };
        assert_eq!(error.code, "WENT_ON_MEANWHILE");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_went_on_and_stopped_again_meanwhile_is_not_judged() {
    let world = World::start();
    let job = world.job(export(json!([dpsk("anna", json!({}))])), json!({}));
    job.run_all().await;
    job.stands_at(JobStatus::Paused, 1);
    let audit = job.audit(&[]);
    assert!(audit.plan("audit_passphrases").await.is_ok());
    for (status, since) in [(JobStatus::Paused, 2), (JobStatus::Completed, 1)] {
        job.stands_at(status, since);
        for phase in AUDIT {
            let Err(PlanError::Refused(error)) = audit.plan(phase).await else {
                panic!("{phase}: not refused")
            };
            assert_eq!(error.code, "WENT_ON_MEANWHILE");
            let says = format!("and is {} now; audit it again", status.as_str());
            assert!(error.message.ends_with(&says), "{}", error.message);
        }
    }
    // accepted by a version that was not told where it stood
    assert!(audit.not_told("stood").plan("audit_passphrases").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_retry_or_a_cleanup_does_meanwhile_is_no_finding() {
    let world = World::start();
    let job = world.job(export(json!([dpsk("anna", json!({}))])), json!({}));
    job.run_all().await;
    let [earlier, begun] = [JobId::generate(), JobId::generate()];
    job.has_family(&[], &[earlier]);
    let audit = job.audit(&[]);
    assert!(audit.plan("audit_passphrases").await.is_ok(), "what was there before");
    for (kin, cleanups, what) in [(&[begun][..], &[earlier], "a retry"), (&[], &[begun], "a cleanup")] {
        job.has_family(kin, cleanups);
        for phase in AUDIT {
            let Err(PlanError::Refused(error)) = audit.plan(phase).await else {
                panic!("{phase}: not refused")
            };
            assert_eq!(error.code, "WENT_ON_MEANWHILE");
            let says = format!("job {begun}, {what} of the same import, was started while");
            assert!(error.message.starts_with(&says), "{}", error.message);
        }
    }
    // accepted by a version that was not told of them
    let audit = audit.not_told("cleanups");
    assert!(audit.plan("audit_passphrases").await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_job_did_not_make_is_not_expected_and_of_what_nobody_knew_it_is_told() {
    let world = World::start();
    world.sim.post(
        "faults",
        &json!({"rules": [{"operation": "create_passphrase", "nth": [2], "kind": "permanent_4xx"}]}),
    );
    let keys = ["anna", "ben", "carl", "dora"].map(|name| dpsk(name, json!({})));
    let mut keys = json!(keys);
    keys[3]["status"] = "DISABLED".into();
    let job = world.job(export(keys), json!({}));
    job.run_all().await;
    for name in ["anna", "carl"] {
        job.doubt("create_passphrases", name);
    }
    let carl = world.ledger()["carl"]["id"].clone();
    world.seed(json!({"delete": [carl]}));
    let found = audit(&world, &job.audit(&[])).await;
    let of = |name: &str| {
        let finding = found.of(name);
        (
            finding.verdict,
            finding.origin.as_deref(),
            finding.note.clone().unwrap_or_default(),
        )
    };
    assert!(matches!(of("anna"), (Verdict::Present, Some("unknown"), note) if note.contains("as it was sent")));
    assert!(matches!(of("carl"), (Verdict::Missing, Some("unknown"), note) if note.contains("is not there")));
    assert!(
        matches!(of("ben"), (Verdict::NotExpected, None, note) if note.contains("FAILED")),
        "{:?}",
        of("ben")
    );
    // skipped when it was imported
    assert!(
        found
            .findings
            .iter()
            .all(|(name, f)| name != "dora" || f.verdict == Verdict::NotExpected || f.verdict == Verdict::Present)
    );
}

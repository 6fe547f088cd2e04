//! What the controller says, without secrets.

use shared::seal::Sealer;
use shared::secret::SecretString;

use super::*;

const OWN: &str = r#"correct "horse" 9"#;
const OTHERS: &str = "battery-staple";

/// Two tasks with a passphrase each; the first has been accepted.
fn pending() -> Batch {
    let mut tasks = [task(), task()].concat();
    (tasks[0].secret, tasks[1].secret) = (Some(OWN.into()), Some(SecretString::new(OTHERS)));
    tasks[1].input.index = 8;
    let mut batch = Batch::new(tasks, &[], POLICY, GIVE_UP_MS, 0);
    send(&mut batch, accepted(), 0);
    batch
}

fn failed(code: &str, message: String) -> Ended {
    Ended::Failed {
        code: code.to_owned(),
        message,
        uniqueness: false,
    }
}

fn message(checkpoint: Option<Checkpoint>) -> (String, String) {
    let Some(Checkpoint::Done { outcome }) = checkpoint else {
        panic!("it has failed");
    };
    let error = outcome.error.unwrap();
    (error.code, error.message)
}

#[test]
fn an_activity_that_quotes_passphrases_is_told_without_them() {
    let json = serde_json::to_string(OWN).unwrap();
    let ended = failed(
        "X-1",
        format!("Passphrase {OWN} is not allowed, nor {json}, nor {OTHERS}"),
    );
    assert!(!format!("{ended:?}").contains("horse"));
    let told = message(pending().ended(0, ended, |_, _| Settle::ReadBack, 1));
    assert_eq!(
        told,
        (
            "X-1".into(),
            r#"Passphrase *** is not allowed, nor "***", nor ***"#.into()
        )
    );
    let ended = failed(OTHERS, "no".into());
    let told = message(pending().ended(0, ended, |_, _| Settle::ReadBack, 1));
    assert_eq!(told.0, "CODE_MASKED");
    // cut in the middle of a passphrase
    let ended = failed("X-1", format!("{}{OTHERS}", "x".repeat(295)));
    let told = message(pending().ended(0, ended, |_, _| Settle::ReadBack, 1));
    assert!(!told.1.contains("bat"), "{}", told.1);
}

#[test]
fn an_unclear_end_that_quotes_a_passphrase_is_remembered_without_it() {
    let mut batch = pending();
    let ended = Ended::Unclear {
        code: "ACTIVITY_CANCELLED".into(),
        message: format!("Passphrase {OTHERS} is not allowed"),
    };
    assert!(batch.ended(0, ended, |_, _| Settle::ReadBack, 1).is_none());
    let stored = serde_json::to_string(&batch.found(0, Found::Absent, Mode::Run, 2, 0.5)).unwrap();
    assert!(
        stored.contains("Passphrase ***") && !stored.contains(OTHERS),
        "{stored}"
    );
}

#[test]
fn a_refusal_that_quotes_another_tasks_passphrase_is_told_without_it() {
    let mut batch = pending();
    batch.mark_sent(1, 0);
    let refused = Sent::Failed(CallError::Rejected {
        status: 400,
        code: Some("X-2".into()),
        detail: format!("as bad as {OWN}, and corr…"),
    });
    let (checkpoint, _) = batch.sent(1, refused, 1, 0.5);
    let stored = serde_json::to_string(&checkpoint).unwrap();
    assert!(stored.contains(r#""h":400"#), "the kind of a refusal is kept: {stored}");
    let (_, told) = message(checkpoint);
    assert!(told.ends_with("as bad as ***, and ***…"), "{told}");
}

#[test]
fn words_are_stored_in_a_box_bound_to_the_request() {
    let sealer = Sealer::from_base64(&Sealer::generate_key()).unwrap();
    let ended = failed("X-1", format!("Passphrase {OWN} is not allowed"));
    let stored = serde_json::to_string(&Told::new(Some(ended.clone()), 3).seal(&sealer, "r")).unwrap();
    assert!(!stored.contains("horse") && !stored.contains("X-1"), "{stored}");
    assert_eq!(
        Told::read(&stored).open(&sealer, "r"),
        Told::new(Some(ended.clone()), 3)
    );
    // of another request, or by an older worker: the end alone
    let other = Told::read(&stored).open(&sealer, "s").ended.unwrap();
    assert_eq!(other, serde_json::from_str(&stored).unwrap());
    assert!(matches!(other, Ended::Failed { code, .. } if code == "ACTIVITY_FAIL"));
    // nothing to hide
    let done = r#"{"s":"ok","d":["p-1"],"p":2}"#;
    assert_eq!(
        serde_json::to_string(&Told::read(done).seal(&sealer, "r")).unwrap(),
        done
    );
}

#[test]
fn words_that_older_workers_stored_in_the_open_are_read_and_masked() {
    let sealer = Sealer::from_base64(&Sealer::generate_key()).unwrap();
    let old = format!(r#"{{"s":"no","k":"X-1","m":"Passphrase {OTHERS} is not allowed","u":false,"p":1}}"#);
    let ended = Told::read(&old).open(&sealer, "r").ended.unwrap();
    let told = message(pending().ended(0, ended, |_, _| Settle::ReadBack, 1));
    assert_eq!(told, ("X-1".into(), "Passphrase *** is not allowed".into()));
}

//! Writes that take something away: what is still there is taken away once more, and what is still used is waited for.

use super::*;

fn waits_out(status: Option<u16>, code: &str) -> bool {
    status == Some(409) || code == "IN_USE"
}

fn in_use() -> Sent {
    Sent::Failed(CallError::Conflict {
        status: 409,
        code: None,
        detail: "already in use".into(),
        uniqueness: true,
    })
}

fn fresh() -> Batch {
    let mut b = super::fresh();
    b.waits_out = waits_out;
    b
}

fn due(b: &mut Batch) -> u64 {
    let now = b.next_due_ms().expect("it waits");
    b.wake(now);
    now
}

fn code(b: &Batch) -> String {
    b.outcomes()[0].error.as_ref().unwrap().code.clone()
}

#[test]
fn what_is_still_used_is_no_attempt_however_it_is_told() {
    let (mut b, mut now) = (fresh(), 1_000);
    while now < 100_000 {
        let (c, _) = send(&mut b, in_use(), now);
        assert!(
            matches!(
                c,
                Some(Checkpoint::Retry {
                    attempt: 0,
                    read_back: None,
                    ..
                })
            ),
            "{c:?}"
        );
        now = due(&mut b);
        send(&mut b, accepted(), now);
        let failed = Ended::Failed {
            code: "IN_USE".into(),
            message: String::new(),
            uniqueness: false,
        };
        let c = b.ended(0, failed, |_, _| Settle::ReadBack, now);
        assert!(
            matches!(
                c,
                Some(Checkpoint::Retry {
                    attempt: 0,
                    read_back: None,
                    ..
                })
            ),
            "{c:?}"
        );
        now = due(&mut b);
        assert_eq!(b.todo(), [0]);
    }
}

#[test]
fn what_is_used_for_good_fails_in_the_words_of_the_controller() {
    let (mut b, mut now) = (fresh(), 1_000);
    while b.outcomes().is_empty() {
        send(&mut b, accepted(), now);
        let failed = Ended::Failed {
            code: "IN_USE".into(),
            message: "by others".into(),
            uniqueness: false,
        };
        b.ended(0, failed, |_, _| Settle::ReadBack, now);
        now = b.next_due_ms().unwrap_or(now);
        b.wake(now);
        assert!(now < 3 * GIVE_UP_MS);
    }
    assert_eq!((status(&b), code(&b)), (Some(TaskStatus::Failed), "IN_USE".into()));
    assert!(now > GIVE_UP_MS, "not before: {now}");
}

#[test]
fn what_remains_after_a_lost_reply_is_sent_again_at_once() {
    let mut b = fresh();
    send(&mut b, lost(), 1_000);
    let now = due(&mut b);
    assert_eq!(b.uncertain(), [0]);
    assert_eq!(b.found(0, Found::Remains, Mode::Run, now, 0.5), None);
    assert_eq!(b.todo(), [0]);
}

#[test]
fn what_was_reported_done_and_remains_is_looked_at_once_more_before_it_is_sent_again() {
    let (mut b, mut now, mut sent) = (fresh(), 1_000, 0);
    while b.outcomes().is_empty() {
        sent += 1;
        send(&mut b, accepted(), now);
        let done = Ended::Success {
            resource_ids: Vec::new(),
        };
        b.ended(0, done, |_, _| Settle::ReadBack, now);
        b.found(0, Found::Remains, Mode::Run, now, 0.5);
        if !b.outcomes().is_empty() {
            break;
        }
        now = due(&mut b);
        assert_eq!((b.todo().len(), b.uncertain().len()), (0, 1));
        b.found(0, Found::Remains, Mode::Run, now, 0.5);
    }
    assert_eq!(
        (sent, status(&b), code(&b)),
        (3, Some(TaskStatus::Failed), "STILL_THERE".into())
    );
    assert!(b.outcomes()[0].error.as_ref().unwrap().message.contains("still there"));
}

#[test]
fn what_never_ended_and_remains_is_sent_again_and_in_the_end_unknown() {
    let (mut b, mut now) = (fresh(), 1_000);
    for attempt in 0..=POLICY.max_retries {
        send(&mut b, accepted(), now);
        now = due(&mut b);
        assert_eq!(b.uncertain(), [0], "given up");
        let c = b.found(0, Found::Remains, Mode::Run, now, 0.5);
        assert_eq!(c.is_some(), attempt == POLICY.max_retries, "{attempt}");
    }
    assert_eq!(
        (status(&b), code(&b)),
        (Some(TaskStatus::Unknown), "ACTIVITY_NEVER_ENDED".into())
    );
}

/// What was accepted may take it away yet, after a cancelled job has said that it is there.
#[test]
fn what_never_ended_and_remains_is_unknown_when_nothing_is_sent_again() {
    for mode in [Mode::Cut, Mode::Poison] {
        let mut b = fresh();
        send(&mut b, accepted(), 1_000);
        let now = due(&mut b);
        b.found(0, Found::Remains, mode, now, 0.5);
        b.settle(mode, now);
        assert_eq!(
            (status(&b), code(&b)),
            (Some(TaskStatus::Unknown), "ACTIVITY_NEVER_ENDED".into())
        );
    }
}

//! Each thing that can happen to a task, without a clock, a store or a controller.

mod cut;
mod locked;
mod looking;
mod removal;
mod words;

use std::time::Duration;

use serde_json::Value;
use shared::job::TaskStatus;
use shared::job::outcome::{Checkpoint, Origin, Outcome, Resource};
use shared::job::retry::RetryPolicy;
use shared::job::task::TaskInput;
use shared::store::model::Flag;

use super::{Batch, Effect, Mode, State};
use crate::engine::remotes::{Ended, Told};
use crate::executors::{Found, Sent, Settle, Task};
use crate::gate::GateClosed;
use crate::remote::CallError;

const POLICY: RetryPolicy = RetryPolicy {
    max_retries: 2,
    backoff_seconds: 1.0,
};

const GIVE_UP_MS: u64 = 180_000;

fn task() -> Vec<Task> {
    vec![Task {
        input: TaskInput {
            index: 7,
            name: "u".into(),
            data: Value::Null,
            preset: None,
        },
        secret: None,
    }]
}

fn fresh() -> Batch {
    Batch::new(task(), &[], POLICY, GIVE_UP_MS, 0)
}

/// As another worker would see it after a takeover.
fn taken_over(c: &Checkpoint) -> Batch {
    Batch::new(task(), &[(7, serde_json::to_string(c).unwrap())], POLICY, GIVE_UP_MS, 0)
}

fn send(b: &mut Batch, sent: Sent, now: u64) -> (Option<Checkpoint>, Effect) {
    b.mark_sent(0, now);
    b.sent(0, sent, now, 0.5)
}

fn lost() -> Sent {
    Sent::Failed(CallError::Ambiguous {
        write: true,
        detail: String::new(),
    })
}
fn conflict() -> Sent {
    Sent::Failed(CallError::Conflict {
        status: 409,
        code: None,
        detail: String::new(),
        uniqueness: true,
    })
}
fn limited() -> Sent {
    Sent::Failed(CallError::RateLimited { retry_after: None })
}
fn accepted() -> Sent {
    Sent::Accepted {
        request_id: "r".into(),
        resource_id: None,
    }
}
fn outcome(origin: Origin) -> Outcome {
    Outcome::completed(
        7,
        Some(Resource {
            kind: "k".into(),
            id: "i".into(),
            name: String::new(),
            origin,
        }),
    )
}
fn status(b: &Batch) -> Option<TaskStatus> {
    b.outcomes().first().map(|o| o.status)
}

#[test]
fn an_intent_found_by_a_takeover_is_read_back_before_it_is_sent_again() {
    let mut b = taken_over(&Checkpoint::Sent {
        attempt: 0,
        started_ms: 5,
    });
    assert!(b.todo().is_empty());
    b.wake(100);
    assert!(b.uncertain() == [0] && b.is_ours(0));
    b.found(0, Found::Absent, Mode::Run, 100, 0.5);
    assert_eq!(b.todo(), [0]);
    // it counts as an attempt: a batch whose worker always dies here ends some day
    assert!(matches!(&b.states[0], State::Todo(t) if t.attempt == 1 && t.ours));
}

#[test]
fn a_lost_reply_waits_and_is_read_back_and_what_is_found_is_ours() {
    let mut b = fresh();
    let (c, _) = send(&mut b, lost(), 1_000);
    let mut b = taken_over(&c.unwrap());
    b.wake(2_900);
    assert!(b.uncertain().is_empty(), "too early: the write may still be at work");
    b.wake(10_000);
    assert!(b.is_ours(0));
    b.found(0, Found::Present(outcome(Origin::Created)), Mode::Run, 10_000, 0.5);
    assert_eq!(status(&b), Some(TaskStatus::Completed));
}

#[test]
fn what_was_refused_because_it_exists_is_ours_only_if_we_may_have_made_it() {
    let mut b = fresh();
    let (c, _) = send(&mut b, conflict(), 1_000);
    let mut b = taken_over(&c.unwrap());
    b.wake(1_000);
    assert_eq!(b.uncertain(), [0]);
    assert!(!b.is_ours(0), "the first write ever was refused: somebody else's");
    // not to be seen at first: still not ours when it is
    let c = b.found(0, Found::Absent, Mode::Run, 1_000, 0.5).unwrap();
    let mut b = taken_over(&c);
    b.wake(60_000);
    assert_eq!(b.uncertain(), [0]);
    assert!(!b.is_ours(0), "waiting to look again does not make it ours");

    let mut b = fresh();
    send(&mut b, limited(), 1_000);
    b.wake(60_000);
    send(&mut b, conflict(), 60_000);
    b.wake(60_000);
    assert!(b.uncertain() == [0] && !b.is_ours(0), "a 429 applied nothing");

    let mut b = fresh();
    send(&mut b, lost(), 1_000);
    b.wake(60_000);
    b.found(0, Found::Absent, Mode::Run, 60_000, 0.5);
    send(&mut b, conflict(), 60_000);
    b.wake(60_000);
    assert!(b.is_ours(0), "the lost one was applied after all");
}

#[test]
fn an_activity_that_fails_for_uniqueness_keeps_whose_it_is() {
    for (before, ours) in [(None, false), (Some(limited()), false), (Some(lost()), true)] {
        let mut b = fresh();
        if let Some(before) = before {
            send(&mut b, before, 1_000);
            b.wake(60_000);
            b.found(0, Found::Absent, Mode::Run, 60_000, 0.5);
        }
        let (c, _) = send(&mut b, accepted(), 60_000);
        let mut b = taken_over(&c.unwrap());
        let failed = Ended::Failed {
            code: "c".into(),
            message: "m".into(),
            uniqueness: true,
        };
        b.ended(0, failed, |_, _| Settle::ReadBack, 60_000);
        assert_eq!(b.is_ours(0), ours);
    }
}

#[test]
fn only_an_unambiguous_id_is_taken_from_an_activity() {
    for (ids, wanted) in [(vec!["a"], Some("a")), (vec!["group", "a"], None), (vec![], None)] {
        let mut b = fresh();
        send(&mut b, accepted(), 1_000);
        let mut given = None;
        let ended = Ended::Success {
            resource_ids: ids.into_iter().map(str::to_owned).collect(),
        };
        b.ended(
            0,
            ended,
            |_, id| {
                given = id.map(str::to_owned);
                Settle::ReadBack
            },
            2_000,
        );
        assert_eq!(given.as_deref(), wanted);
    }
}

#[test]
fn an_activity_that_never_ends_is_read_back_and_unknown_when_absent() {
    let mut b = fresh();
    send(&mut b, accepted(), 1_000);
    b.wake(1_000 + GIVE_UP_MS - 1);
    assert!(b.uncertain().is_empty());
    b.wake(1_000 + GIVE_UP_MS);
    b.found(0, Found::Absent, Mode::Run, 200_000, 0.5);
    assert_eq!(status(&b), Some(TaskStatus::Unknown));
    assert_eq!(b.outcomes()[0].request_id.as_deref(), Some("r"));
}

#[test]
fn a_doubt_survives_a_reading_back_that_fails() {
    let busy = CallError::ServerError {
        status: 503,
        retry_after: None,
        write: false,
        detail: String::new(),
    };
    let mut b = fresh();
    send(&mut b, accepted(), 1_000);
    b.wake(1_000 + GIVE_UP_MS);
    let (c, _) = b.not_read_back(0, &busy, Mode::Run, 200_000, 0.5);
    let mut b = taken_over(&c.unwrap());
    b.wake(300_000);
    b.found(0, Found::Absent, Mode::Run, 300_000, 0.5);
    assert_eq!(
        status(&b),
        Some(TaskStatus::Unknown),
        "its activity may still be at work: never sent again"
    );
    assert_eq!(b.outcomes()[0].request_id.as_deref(), Some("r"));

    let mut b = fresh();
    send(&mut b, accepted(), 1_000);
    b.ended(
        0,
        Ended::Success { resource_ids: vec![] },
        |_, _| Settle::ReadBack,
        2_000,
    );
    for n in 1..10 {
        b.found(0, Found::Absent, Mode::Run, n * 100_000, 0.5);
        assert!(b.todo().is_empty(), "reported done: never sent again");
        b.wake((n + 1) * 100_000);
    }
    assert_eq!(status(&b), Some(TaskStatus::Failed));
}

#[test]
fn a_cut_job_ends_even_while_its_controller_is_gone_or_refuses_us() {
    let gone = CallError::from(GateClosed::CoolDown(Duration::from_secs(9)));
    let refused = CallError::Auth {
        status: 403,
        code: None,
        detail: String::new(),
    };
    for e in [gone, refused] {
        let mut b = taken_over(&Checkpoint::Sent {
            attempt: 0,
            started_ms: 5,
        });
        let mut now = 1_000;
        for _ in 0..10 {
            b.wake(now);
            b.settle(Mode::Cut, now);
            if b.uncertain().is_empty() {
                break;
            }
            b.not_read_back(0, &e, Mode::Cut, now, 0.5);
            now += 100_000;
        }
        assert_eq!(status(&b), Some(TaskStatus::Unknown), "{e:?}");
    }
}

#[test]
fn a_refusal_for_good_of_what_may_be_there_already_is_read_back_first() {
    let mut b = fresh();
    send(&mut b, lost(), 1_000);
    b.wake(60_000);
    b.found(0, Found::Absent, Mode::Run, 60_000, 0.5);
    let refused = CallError::Rejected {
        status: 400,
        code: None,
        detail: "no".into(),
    };
    send(&mut b, Sent::Failed(refused), 60_000);
    b.wake(120_000);
    assert_eq!(b.uncertain(), [0]);
    b.found(0, Found::Absent, Mode::Run, 120_000, 0.5);
    assert_eq!(status(&b), Some(TaskStatus::Failed), "and not sent again");
}

#[test]
fn retries_end_and_an_ambiguous_last_one_is_read_back_first() {
    let mut b = fresh();
    for n in 0..3 {
        assert_eq!(b.todo(), [0], "attempt {n}");
        send(&mut b, limited(), n * 100_000);
        b.wake((n + 1) * 100_000);
    }
    assert_eq!(status(&b), Some(TaskStatus::Failed));

    let mut b = fresh();
    for n in 0..3 {
        send(&mut b, lost(), n * 100_000);
        b.wake((n + 1) * 100_000);
        assert_eq!(b.uncertain(), [0]);
        b.found(0, Found::Absent, Mode::Run, (n + 1) * 100_000, 0.5);
    }
    assert_eq!(status(&b), Some(TaskStatus::Failed));
    assert!(
        b.outcomes()[0]
            .error
            .as_ref()
            .unwrap()
            .message
            .contains("not there when read back")
    );
}

#[test]
fn what_another_job_may_have_written_is_looked_up_before_it_is_sent() {
    for (found, sent) in [(Found::Absent, true), (Found::Present(outcome(Origin::Adopted)), false)] {
        let mut b = fresh();
        let looks = b.look_up_unsent(1_000);
        assert_eq!(looks.len(), 1);
        // also when it is taken over before it was looked up
        b = taken_over(&looks[0].1);
        assert!(b.todo().is_empty());
        b.wake(1_000);
        assert_eq!((b.uncertain(), b.is_ours(0)), (vec![0], false));
        b.found(0, found, Mode::Run, 1_000, 0.5);
        assert_eq!((b.todo().len(), b.all_done()), (usize::from(sent), !sent));
    }
    let mut waiting = fresh();
    send(&mut waiting, limited(), 0);
    let due = waiting.next_due_ms();
    assert_eq!(waiting.look_up_unsent(1).len(), 1);
    assert_eq!(waiting.next_due_ms(), due, "not earlier than it was to be sent");
    waiting.wake(due.unwrap());
    assert_eq!(waiting.uncertain(), [0]);
}

#[test]
fn nothing_sent_is_no_attempt() {
    let mut b = fresh();
    for n in 0..50 {
        let closed = CallError::from(GateClosed::CoolDown(Duration::from_secs(9)));
        let (_, effect) = send(&mut b, Sent::Failed(closed), n * 20_000);
        assert_eq!(effect, Effect::CoolDown(Duration::from_secs(9)));
        b.wake(n * 20_000 + 9_000);
        assert!(matches!(&b.states[0], State::Todo(t) if t.attempt == 0));
    }
}

#[test]
fn refused_credentials_hold_the_job_and_the_task_waits() {
    let mut b = fresh();
    let auth = CallError::Auth {
        status: 401,
        code: None,
        detail: "expired".into(),
    };
    let (c, effect) = send(&mut b, Sent::Failed(auth), 1_000);
    assert!(matches!(effect, Effect::Pause(_)) && c.is_some());
    b.wake(1_000);
    assert_eq!(b.todo(), [0]);
}

#[test]
fn cutting_short_ends_the_unsent_and_settles_the_sent() {
    let mut b = fresh();
    b.settle(Mode::Hold, 1);
    assert_eq!(b.todo(), [0], "a held task stays as it is");
    b.settle(Mode::Cut, 1);
    assert_eq!(status(&b), Some(TaskStatus::Cancelled));

    let mut b = fresh();
    send(&mut b, accepted(), 1_000);
    b.settle(Mode::Cut, 2_000);
    b.settle(Mode::Poison, 2_000);
    assert_eq!(b.pending().len(), 1, "an accepted write is waited for");
    b.settle(Mode::Bury, 2_000);
    assert_eq!(status(&b), Some(TaskStatus::Unknown));

    let mut b = fresh();
    send(&mut b, lost(), 1_000);
    b.settle(Mode::Cut, 1_000);
    assert!(!b.all_done(), "read back before it is called cancelled");
}

/// Found at a claim that was no takeover, it is not looked up at once. The time until then runs on, however often the batch is put
/// aside and claimed again.
#[test]
fn a_found_intent_waits_once() {
    let intent = Checkpoint::Sent {
        attempt: 1,
        started_ms: 5,
    };
    let claimed = |c: &Checkpoint, flight_over_ms| {
        Batch::new(
            task(),
            &[(7, serde_json::to_string(c).unwrap())],
            POLICY,
            GIVE_UP_MS,
            flight_over_ms,
        )
    };
    let first = claimed(&intent, 15_000);
    let [(0, stored)] = &first.intents_found()[..] else {
        panic!("its time is not stored: {:?}", first.states)
    };
    let mut again = claimed(stored, 14_000 + 15_000);
    assert_eq!(again.states, first.states);
    again.wake(15_000);
    assert!(again.is_ours(0), "to be read back now: {:?}", again.states);
    // counted as the attempt it may have been
    again.found(0, Found::Absent, Mode::Run, 15_000, 0.5);
    assert_eq!(again.todo(), [0]);
    assert!(matches!(again.states[0], State::Todo(super::Tries { attempt: 2, .. })));
}

/// Stored again, everything known of a task is what it was.
#[test]
fn what_is_known_can_be_stored_again() {
    let accepted = Sent::Accepted {
        request_id: "r".into(),
        resource_id: None,
    };
    for sent in [accepted, lost()] {
        let mut b = fresh();
        let (stored, _) = send(&mut b, sent, 100);
        assert_eq!(b.all_known(), [(0, stored.unwrap())]);
    }
    assert_eq!(fresh().all_known(), [], "nothing was sent");
}

#[test]
fn rounds_of_polling_are_counted_over_all_activities_of_a_task_and_survive_a_takeover() {
    let accepted = |id: &str| Sent::Accepted {
        request_id: id.into(),
        resource_id: None,
    };
    let mut b = fresh();
    send(&mut b, accepted("r1"), 0);
    b.polled(0, 3, true);
    let conflict = Ended::Failed {
        code: "X".into(),
        message: String::new(),
        uniqueness: true,
    };
    assert_eq!(b.ended(0, conflict, |_, _| Settle::ReadBack, 10), None);
    let looked = b.found(0, Found::Absent, Mode::Run, 10, 0.5).unwrap();
    let mut b = taken_over(&looked);
    b.wake(u64::MAX);
    let Some(Checkpoint::Done { outcome }) =
        b.found(0, Found::Present(Outcome::completed(7, None)), Mode::Run, 20, 0.5)
    else {
        panic!("it was found");
    };
    assert_eq!(outcome.polls, 3);

    // given up: told again with each look until its time has come
    let mut b = fresh();
    send(&mut b, accepted("r2"), 0);
    b.polled(0, 60, false);
    b.polled(0, 60, false);
    b.wake(GIVE_UP_MS);
    let Some(Checkpoint::Done { outcome }) = b.found(0, Found::Absent, Mode::Run, GIVE_UP_MS, 0.5) else {
        panic!("it is UNKNOWN");
    };
    assert_eq!((outcome.status, outcome.polls), (TaskStatus::Unknown, 60));
}

#[test]
fn what_older_workers_stored_of_an_activity_is_read_and_what_we_store_is_read_by_them() {
    let old = r#"{"s":"ok","d":["p-1"]}"#;
    let ended: Ended = serde_json::from_str(old).unwrap();
    assert_eq!(Told::read(old).ended, Some(ended.clone()));
    let new = serde_json::to_string(&Told::new(Some(ended.clone()), 4));
    assert_eq!(serde_json::from_str::<Ended>(&new.unwrap()).unwrap(), ended);
    let given_up = serde_json::to_string(&Told::new(None, 60)).unwrap();
    assert!(serde_json::from_str::<Ended>(&given_up).is_err());
    assert_eq!(Told::read(&given_up).polls, 60);
    for later in [r#"{"s":"half","x":1,"p":2}"#, "?"] {
        assert!(
            matches!(Told::read(later).ended, Some(Ended::Unclear { .. })),
            "{later}"
        );
    }
}

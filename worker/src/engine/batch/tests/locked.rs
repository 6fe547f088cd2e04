//! What a write wants to change is locked: somebody else's change of it is under way.

use super::*;
use crate::remote::{LOCKED, NotSent};

fn locked() -> Sent {
    Sent::Failed(CallError::Transient {
        status: LOCKED,
        retry_after: None,
        code: None,
        detail: String::new(),
    })
}

fn due(b: &Batch) -> u64 {
    b.next_due_ms().expect("it waits")
}

#[test]
fn it_waits_as_long_as_an_activity_may_take_and_only_then_its_retries_count() {
    let mut b = fresh();
    let (begin, mut now, mut tries) = (1_000, 1_000, 0);
    while now < begin + GIVE_UP_MS {
        let (c, _) = send(&mut b, locked(), now);
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
        let wait = due(&b) - now;
        assert!((2_000..=10_000).contains(&wait), "{wait}");
        // whoever takes it over knows how often
        b = taken_over(&c.unwrap());
        (now, tries) = (now + wait, tries + 1);
        b.wake(now);
    }
    assert!((18..=24).contains(&tries), "{tries}");
    for attempt in 1..=POLICY.max_retries {
        let (c, _) = send(&mut b, locked(), now);
        assert!(
            matches!(c, Some(Checkpoint::Retry { attempt: a, .. }) if a == attempt),
            "{c:?}"
        );
        now = due(&b);
        b.wake(now);
    }
    send(&mut b, locked(), now);
    assert_eq!(status(&b), Some(TaskStatus::Failed));
}

#[test]
fn the_controller_may_ask_for_more_time() {
    let mut b = fresh();
    let locked = Sent::Failed(CallError::Transient {
        status: LOCKED,
        retry_after: Some(Duration::from_secs(30)),
        code: None,
        detail: String::new(),
    });
    send(&mut b, locked, 1_000);
    assert_eq!(due(&b), 31_000);
}

/// Its job was paused, or its controller away, since it was sent first.
#[test]
fn time_in_which_nothing_was_sent_is_no_patience_used_up() {
    let mut b = fresh();
    send(
        &mut b,
        Sent::Failed(CallError::NotSent(NotSent::Unreachable { detail: String::new() })),
        1_000,
    );
    let late = 1_000 + 10 * GIVE_UP_MS;
    b.wake(late);
    let (c, _) = send(&mut b, locked(), late);
    assert!(matches!(c, Some(Checkpoint::Retry { attempt: 0, .. })), "{c:?}");
    assert_eq!(due(&b), late + 2_000);
}

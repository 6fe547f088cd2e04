//! What a write wants to change is locked: somebody else's change of it is under way.

use super::*;
use crate::remote::LOCKED;

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
        // whoever takes it over knows since when
        b = taken_over(&c.unwrap());
        (now, tries) = (now + wait, tries + 1);
        b.wake(now);
    }
    assert!((18..=30).contains(&tries), "{tries}");
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

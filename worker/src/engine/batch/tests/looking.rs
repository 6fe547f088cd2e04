//! When what became of a write is looked up.

use super::*;

#[test]
fn what_is_reported_done_waits_to_be_read_back_with_its_batch() {
    let mut two = task();
    two.push(task().remove(0));
    two[1].input.index = 8;
    let mut b = Batch::new(two, &[], POLICY, GIVE_UP_MS, 0);
    send(&mut b, accepted(), 1_000);
    let ended = Ended::Success {
        resource_ids: Vec::new(),
    };
    b.ended(0, ended.clone(), |_, _| Settle::ReadBack, 2_000);
    assert!(b.to_read_back(Mode::Run, false).is_empty(), "the other is not sent yet");
    assert_eq!(
        b.to_read_back(Mode::Run, true),
        [0],
        "task by task the next one waits for it"
    );
    assert_eq!(b.to_read_back(Mode::Hold, false), [0], "nothing more is sent");
    b.mark_sent(1, 2_000);
    assert!(b.to_read_back(Mode::Hold, false).is_empty(), "the other is under way");
    b.sent(1, accepted(), 2_000, 0.5);
    assert!(b.to_read_back(Mode::Run, false).is_empty(), "nor has it ended");
    b.ended(1, ended, |_, _| Settle::ReadBack, 3_000);
    assert_eq!(b.to_read_back(Mode::Run, false), [0, 1]);
}

#[test]
fn a_reading_back_that_is_refused_is_tried_again() {
    let refused = CallError::Rejected {
        status: 422,
        code: None,
        detail: String::new(),
    };
    let mut b = fresh();
    send(&mut b, lost(), 1_000);
    b.wake(60_000);
    b.not_read_back(0, &refused, Mode::Run, 60_000, 0.5);
    assert_eq!(status(&b), None, "one refused read makes nothing UNKNOWN");
    b.wake(120_000);
    b.found(0, Found::Present(Outcome::completed(7, None)), Mode::Run, 120_000, 0.5);
    assert_eq!(status(&b), Some(TaskStatus::Completed));
}

#[test]
fn looks_that_fail_are_no_attempts_and_end_when_an_activity_would_be_given_up() {
    let refused = CallError::RateLimited { retry_after: None };
    let mut b = fresh();
    send(&mut b, lost(), 1_000);
    let (begin, mut now, mut last) = (60_000, 60_000, None);
    // whoever takes it over knows since when
    while now < begin + GIVE_UP_MS {
        b.wake(now);
        last = b.not_read_back(0, &refused, Mode::Run, now, 0.5).0;
        assert!(
            matches!(last, Some(Checkpoint::Retry { attempt: 1, unread_ms, .. }) if unread_ms == begin),
            "{last:?}"
        );
        b = taken_over(last.as_ref().unwrap());
        now += 8_000;
    }
    b.wake(now);
    // a controller that is away is not looked at in vain
    let mut away = taken_over(last.as_ref().unwrap());
    away.wake(now);
    let gone = CallError::from(GateClosed::CoolDown(Duration::from_secs(9)));
    away.not_read_back(0, &gone, Mode::Run, now, 0.5);
    away.wake(now + 400_000);
    away.not_read_back(0, &refused, Mode::Run, now + 400_000, 0.5);
    assert_eq!(status(&away), None, "it looks again for as long");
    // one that is answered begins the time anew
    let mut answered = taken_over(last.as_ref().unwrap());
    answered.wake(now);
    answered.found(0, Found::Absent, Mode::Run, now, 0.5);
    assert_eq!(answered.todo(), [0], "and all its attempts are left");
    b.not_read_back(0, &refused, Mode::Run, now, 0.5);
    assert_eq!(status(&b), Some(TaskStatus::Unknown));
}

#[test]
fn a_lost_write_is_not_looked_for_before_it_is_sure_to_be_shown() {
    let mut b = fresh();
    b.lost_settles_ms = 50_000;
    send(&mut b, lost(), 1_000);
    b.wake(50_900);
    assert!(b.uncertain().is_empty());
    b.wake(51_000);
    assert_eq!(b.uncertain(), [0]);
}

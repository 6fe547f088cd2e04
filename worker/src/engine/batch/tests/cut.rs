//! What becomes of a batch that is cut short or put aside.

use super::*;

#[test]
fn the_mode_follows_from_flag_and_crashes() {
    assert_eq!(Mode::of(Flag::None, 4, 4), Mode::Run);
    assert_eq!(Mode::of(Flag::None, 5, 4), Mode::Poison);
    assert_eq!(Mode::of(Flag::Timeout, 5, 4), Mode::Cut);
    assert_eq!(Mode::of(Flag::Held, 0, 4), Mode::Hold);
    assert_eq!(Mode::of(Flag::Cancelled, 9, 4), Mode::Bury);
}

/// What is only to be looked up before it is sent ends as what it is: never sent.
#[test]
fn what_is_only_looked_up_is_unsent_when_the_batch_is_cut_short() {
    let cut = |mode: Mode, woken: bool| {
        let mut b = fresh();
        b.look_up_unsent(0);
        if woken {
            b.wake(u64::MAX);
        }
        assert!(!b.is_unsettled(), "a held job asks nothing for it");
        for mode in [Mode::Hold, mode] {
            assert!(b.to_read_back(mode, false).is_empty(), "{mode:?} asks nobody");
        }
        b.settle(mode, 1);
        b.outcomes().pop().map(|o| (o.status, o.error.map(|e| e.code)))
    };
    for woken in [false, true] {
        assert_eq!(cut(Mode::Cut, woken), Some((TaskStatus::Cancelled, None)));
        for mode in [Mode::Poison, Mode::Bury] {
            assert_eq!(cut(mode, woken), Some((TaskStatus::Failed, Some("POISON".into()))));
        }
    }
    // but what may have been applied stays to be settled
    let mut b = fresh();
    send(&mut b, lost(), 0);
    b.settle(Mode::Cut, 1);
    assert!(b.is_unsettled());
}

/// Found with every claim, it would never end.
#[test]
fn what_was_lost_on_its_way_ends_when_it_is_not_found() {
    for (mode, end) in [(Mode::Cut, TaskStatus::Cancelled), (Mode::Poison, TaskStatus::Failed)] {
        let mut b = fresh();
        send(&mut b, lost(), 0);
        let due = b.next_due_ms();
        b.settle(mode, 1);
        assert_eq!(b.next_due_ms(), due, "a write on its way would be missed before");
        b.wake(due.expect("it waits"));
        b.settle(mode, 2);
        assert_eq!(b.to_read_back(mode, false), [0]);
        b.found(0, Found::Absent, mode, 3, 0.5);
        b.settle(mode, 3);
        assert_eq!(status(&b), Some(end));
    }
}

/// A deploy, or a heartbeat that was late, says nothing of the controller.
#[test]
fn a_look_that_we_kept_back_ourselves_is_not_counted() {
    for closed in [GateClosed::LeaseLost, GateClosed::Stopped] {
        let mut b = fresh();
        send(&mut b, lost(), 0);
        for _ in 0..20 {
            b.wake(u64::MAX);
            b.not_read_back(0, &CallError::from(closed.clone()), Mode::Cut, 1_000, 0.5);
            assert!(matches!(b.states[0], State::Waiting { .. }), "{closed:?}");
        }
    }
}

/// The intent of a write that did not leave makes nothing ours.
#[test]
fn an_intent_whose_write_did_not_leave_is_taken_back() {
    let mut b = fresh();
    b.mark_sent(0, 5);
    assert_eq!(b.not_left([0], 9), [], "it is under way");
    b.put_back(0);
    let [(0, c)] = &b.not_left([0], 9)[..] else {
        panic!("not taken back")
    };
    let mut again = taken_over(c);
    assert!(!again.is_unsettled());
    again.wake(9);
    assert_eq!(again.todo(), [0]);
}

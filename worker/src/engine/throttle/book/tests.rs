//! Schedules of verdicts, grants and reports with times of their own.

use super::*;

const CEILING: Ceiling = Ceiling {
    rate: 30.0,
    concurrency: 40,
};
const TOP: Limit = Limit {
    rate: 30.0,
    concurrency: 40,
};
const THROTTLED: Verdict = Verdict::Throttled { retry_after: None };

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A book that has just cut the limit for one 429, at the instant it answers.
fn after_a_cut() -> (Book, Instant) {
    let (mut b, t) = (Book::new(), Instant::now());
    b.granted(0, TOP, Duration::ZERO, t);
    b.ended(THROTTLED, ms(5), t);
    let r = b.report(CEILING, t).expect("a cut");
    assert!(r.new.is_some_and(|l| l.rate < 30.0));
    b.accepted(&r, t);
    (b, t)
}

#[test]
fn a_429_waits_for_the_next_step_and_is_used_once() {
    let (mut b, t) = after_a_cut();
    let first = b.known.unwrap();
    b.ended(THROTTLED, ms(5), t + ms(100));
    for at in [100, 500, 999] {
        assert!(b.report(CEILING, t + ms(at)).is_none(), "after {at} ms");
    }
    assert_eq!(b.due_in(t + ms(400)), Some(ms(600)));
    let r = b.report(CEILING, t + ms(1000)).expect("the second cut");
    assert_eq!(r.generation, first.0);
    assert!(r.new.unwrap().rate < first.1.rate);
    b.accepted(&r, t + ms(1000));
    assert!(b.report(CEILING, t + ms(9000)).is_none());
}

#[test]
fn before_the_step_only_the_pause_is_told() {
    let (mut b, t) = after_a_cut();
    let asked = Verdict::Throttled {
        retry_after: Some(ms(4000)),
    };
    b.ended(asked, ms(5), t + ms(100));
    let r = b.report(CEILING, t + ms(100)).expect("the pause");
    assert_eq!((r.new, r.fleet_pause, r.lane_pause), (None, ms(4000), ms(4000)));
    assert!(b.report(CEILING, t + ms(200)).is_none(), "told once");
    assert!(b.report(CEILING, t + ms(1100)).is_some_and(|r| r.new.is_some()));
}

#[test]
fn a_429_without_a_grant_is_kept() {
    let (mut b, t) = (Book::new(), Instant::now());
    b.ended(THROTTLED, ms(5), t);
    assert!(b.report(CEILING, t).is_none());
    b.granted(7, TOP, Duration::ZERO, t + ms(5000));
    let r = b.report(CEILING, t + ms(5000)).unwrap();
    assert_eq!((r.generation, r.throttled()), (7, true));
}

#[test]
fn a_refused_429_survives_a_raise_and_is_answered_by_a_cut() {
    for (other, survives) in [(29.0, true), (10.0, false)] {
        let (mut b, t) = (Book::new(), Instant::now());
        b.granted(3, Limit { rate: 20.0, ..TOP }, Duration::ZERO, t);
        b.ended(THROTTLED, ms(5), t);
        let r = b.report(CEILING, t).unwrap();
        b.refused(&r);
        assert!(b.report(CEILING, t + ms(3000)).is_none(), "nothing new is known");
        b.granted(4, Limit { rate: other, ..TOP }, Duration::ZERO, t + ms(3000));
        let r = b.report(CEILING, t + ms(3000)).and_then(|r| r.new);
        assert_eq!(
            r.is_some_and(|l| l.rate < other),
            survives,
            "the other one made it {other}"
        );
    }
}

#[test]
fn what_could_not_be_told_is_told_again() {
    let (mut b, t) = (Book::new(), Instant::now());
    b.granted(0, TOP, Duration::ZERO, t);
    let asked = Verdict::Throttled {
        retry_after: Some(ms(4000)),
    };
    b.ended(asked, ms(5), t);
    let r = b.report(CEILING, t).unwrap();
    b.untold(&r);
    let r = b.report(CEILING, t + ms(1000)).unwrap();
    assert_eq!((r.throttled(), r.fleet_pause, r.lane_pause), (true, ms(3000), ms(3000)));
}

#[test]
fn silent_calls_double_the_pause_up_to_half_a_minute() {
    let (mut b, t) = (Book::new(), Instant::now());
    let mut pauses = Vec::new();
    for n in 1..=40 {
        b.ended(Verdict::NoReply, ms(0), t);
        if n % 5 == 0 {
            pauses.push(b.pause(t).unwrap().as_secs());
        } else if n < 5 {
            assert_eq!(b.pause(t), None);
        }
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30, 30]);
    b.ended(Verdict::Answered, ms(5), t + ms(30_000));
    b.ended(Verdict::NoReply, ms(0), t + ms(30_000));
    assert_eq!(b.pause(t + ms(30_000)), None, "an answer starts the count again");
}

#[test]
fn no_pause_is_longer_than_five_minutes() {
    let (mut b, t) = (Book::new(), Instant::now());
    let retry_after = Some(Duration::MAX);
    b.ended(Verdict::ServerError { retry_after }, ms(5), t);
    assert_eq!(b.pause(t), Some(PAUSE_MAX));
    b.granted(0, TOP, Duration::MAX, t + ms(1000));
    assert_eq!(b.pause(t + ms(1000)), Some(PAUSE_MAX));
}

#[test]
fn a_pause_learnt_from_a_grant_is_for_the_lanes_and_once() {
    let (mut b, t) = (Book::new(), Instant::now());
    b.granted(0, TOP, ms(5000), t);
    let r = b.report(CEILING, t).expect("without any call of its own");
    assert_eq!((r.fleet_pause, r.lane_pause), (Duration::ZERO, ms(5000)));
    b.granted(0, TOP, ms(4950), t + ms(100));
    assert!(b.report(CEILING, t + ms(100)).is_none(), "the same pause");
}

#[test]
fn a_raise_seen_is_a_raise_made() {
    let (mut b, t) = (Book::new(), Instant::now());
    b.granted(0, Limit { rate: 10.0, ..TOP }, Duration::ZERO, t);
    b.granted(1, Limit { rate: 11.0, ..TOP }, Duration::ZERO, t + ms(500));
    b.ended(Verdict::Answered, ms(5), t + ms(600));
    assert!(b.report(CEILING, t + ms(1400)).is_none());
    assert!(b.report(CEILING, t + ms(1500)).is_some_and(|r| r.new.is_some()));
}

#[test]
fn a_lane_that_could_not_be_told_is_told_again_while_the_pause_lasts() {
    let asked = Verdict::Throttled {
        retry_after: Some(ms(4000)),
    };
    for (at, told) in [(500, true), (3900, true), (4100, false)] {
        let (mut b, t) = (Book::new(), Instant::now());
        b.ended(asked, ms(5), t);
        let r = b.report(CEILING, t).unwrap();
        assert!(!r.lane_pause.is_zero());
        assert_eq!(b.due_in(t), None);
        b.lanes_untold();
        assert_eq!(b.due_in(t), Some(TELL_AGAIN));
        let again = b.report(CEILING, t + ms(at));
        let left = told.then(|| (Duration::ZERO, ms(4000 - at)));
        assert_eq!(again.map(|r| (r.fleet_pause, r.lane_pause)), left, "after {at} ms");
        assert_eq!(b.due_in(t + ms(at)), None);
    }
}

/// Eight workers and the store's compare-and-set, in steps of 10 ms. `throttled`: the milliseconds in which every worker sees a 429.
/// Answers when the fleet's limit was cut. Between the 429s calls succeed, unless it starts at the lowest rate and shall stay there.
fn cuts_of_a_fleet(start: Limit, throttled: std::ops::Range<u64>) -> Vec<u64> {
    let (t, mut store, mut cuts) = (Instant::now(), (0, start), Vec::new());
    let mut fleet: Vec<Book> = (0..8).map(|_| Book::new()).collect();
    for at in (0..6000).step_by(10) {
        let now = t + ms(at);
        for n in 0..8 {
            let b = &mut fleet[(n + at as usize / 10) % 8];
            // each leases at times of its own, a few times a second or every two
            if at % [50, 70, 110, 250, 410, 770, 1010, 2030][(n + at as usize / 10) % 8] == 0 {
                b.granted(store.0, store.1, Duration::ZERO, now);
            }
            if throttled.contains(&at) {
                b.ended(THROTTLED, ms(5), now);
            } else if start == TOP {
                b.ended(Verdict::Answered, ms(5), now);
            }
            let Some(r) = b.report(CEILING, now) else { continue };
            let Some(new) = r.new else { continue };
            if r.generation != store.0 {
                b.refused(&r);
                continue;
            }
            if r.throttled() {
                cuts.push(at);
            }
            store = (store.0 + 1, new);
            b.accepted(&r, now);
        }
    }
    cuts
}

#[test]
fn eight_workers_that_see_one_burst_make_one_cut() {
    let lowest = Limit {
        rate: aimd::RATE_MIN,
        concurrency: 40,
    };
    for start in [TOP, lowest] {
        assert_eq!(cuts_of_a_fleet(start, 2100..2110), [2100], "{start:?}");
        // also the calls that were under way when it was cut are one signal, a step later
        assert!(cuts_of_a_fleet(start, 2100..2300).len() <= 2, "{start:?}");
        let cuts = cuts_of_a_fleet(start, 2100..6000);
        assert!(cuts.len() >= 3, "{start:?}: {cuts:?}");
        assert!(cuts.windows(2).all(|w| w[1] - w[0] >= 1000), "{start:?}: {cuts:?}");
    }
}

//! Whether a controller answers at all, for people: what a job's status and the log say while it is down. The limits do not follow
//! from this (see [`super::book`]). No store, no clock.

use std::time::{Duration, Instant};

use crate::gate::Verdict;

/// Failures in a row, of whatever kind, after which it is taken for down.
const FAILURES: u32 = 5;
/// So is one that has not answered anything for so long.
const SILENT: Duration = Duration::from_secs(3);
/// The store is told again of what it knows at most so often.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// That it answers is told so often: another worker may have told the contrary.
const ANSWERS_EVERY: Duration = Duration::from_secs(2);
/// Longest reason that is kept, in characters.
const REASON_MAX: usize = 160;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    Down {
        /// The first failure after the last answer.
        since: Instant,
        reason: String,
        /// It was not known yet.
        first: bool,
    },
    Answers {
        /// How long it had not, when that was told.
        after: Option<Duration>,
    },
}

#[derive(Default)]
pub struct Reach {
    failing_since: Option<Instant>,
    failures: u32,
    reason: String,
    /// Told to be down.
    down_told: Option<Instant>,
    /// Something has ended since the last news.
    changed: bool,
    answers_told: Option<Instant>,
    /// The first answer after it was down.
    back_since: Option<Instant>,
}

impl Reach {
    /// A call has ended.
    pub fn ended(&mut self, verdict: Verdict, why: &str, now: Instant) {
        match verdict {
            Verdict::Unused => return,
            Verdict::Answered | Verdict::Throttled { .. } => {
                if self.is_down(now) {
                    self.back_since = Some(now);
                }
                self.failures = 0;
                if self.down_told.is_none() {
                    self.failing_since = None;
                }
            }
            Verdict::ServerError { .. } | Verdict::Unreachable | Verdict::NoReply | Verdict::NoLogin => {
                self.failing_since.get_or_insert(now);
                self.failures += 1;
                self.reason = why.chars().take(REASON_MAX).collect();
            }
        }
        self.changed = true;
    }

    /// For how long it answers again; none: it never was down.
    pub fn back_for(&self, now: Instant) -> Option<Duration> {
        self.back_since.map(|since| now.saturating_duration_since(since))
    }

    /// Nothing but failures, too many or for too long.
    fn is_down(&self, now: Instant) -> bool {
        let is_silent = |since| now.saturating_duration_since(since) >= SILENT;
        self.failures >= FAILURES || self.failures > 0 && self.failing_since.is_some_and(is_silent)
    }

    /// What is to be told now, if anything.
    pub fn news(&mut self, now: Instant) -> Option<News> {
        if !self.changed {
            return None;
        }
        let due = |told: Option<Instant>, every| told.is_none_or(|at| now.saturating_duration_since(at) >= every);
        if self.failures == 0 {
            if self.down_told.is_none() && !due(self.answers_told, ANSWERS_EVERY) {
                return None;
            }
            (self.changed, self.answers_told, self.down_told) = (false, Some(now), None);
            let since = self.failing_since.take();
            return Some(News::Answers {
                after: since.map(|at| now.saturating_duration_since(at)),
            });
        }
        let since = self.failing_since?;
        if !self.is_down(now) || !due(self.down_told, TELL_EVERY) {
            return None;
        }
        let first = self.down_told.replace(now).is_none();
        self.changed = false;
        Some(News::Down {
            since,
            reason: self.reason.clone(),
            first,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOWN: Verdict = Verdict::Unreachable;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn one_failure_among_answers_is_no_news_and_silence_is() {
        let (t, mut r) = (Instant::now(), Reach::default());
        r.ended(DOWN, "refused", t);
        assert_eq!(r.news(at(t, 100)), None);
        r.ended(Verdict::Answered, "", at(t, 200));
        assert_eq!(r.news(at(t, 200)), Some(News::Answers { after: None }));
        r.ended(DOWN, "refused", at(t, 5_000));
        r.ended(Verdict::NoLogin, "no token", at(t, 8_000));
        let reason = "no token".to_owned();
        let down = |first| News::Down {
            since: at(t, 5_000),
            reason: reason.clone(),
            first,
        };
        assert_eq!(r.news(at(t, 8_000)), Some(down(true)));
        // nothing new, or too soon
        assert_eq!(r.news(at(t, 20_000)), None);
        r.ended(Verdict::NoLogin, "no token", at(t, 30_000));
        assert_eq!(r.news(at(t, 30_000)), Some(down(false)));
        r.ended(Verdict::NoLogin, "no token", at(t, 30_100));
        assert_eq!(r.news(at(t, 30_100)), None);
    }

    #[test]
    fn five_failures_in_a_row_are_enough_and_the_first_answer_ends_it() {
        let (t, mut r) = (Instant::now(), Reach::default());
        for n in 0..5 {
            assert_eq!(r.news(t), None, "{n}");
            r.ended(Verdict::ServerError { retry_after: None }, "503", t);
        }
        assert!(matches!(r.news(t), Some(News::Down { first: true, .. })));
        r.ended(Verdict::Answered, "", at(t, 4_000));
        let after = Some(Duration::from_secs(4));
        assert_eq!(r.news(at(t, 4_000)), Some(News::Answers { after }));
        r.ended(Verdict::Answered, "", at(t, 4_100));
        assert_eq!(r.news(at(t, 4_100)), None, "told a moment ago");
        r.ended(DOWN, "", at(t, 4_200));
        assert_eq!(r.news(at(t, 4_200)), None, "a new row of failures");
    }

    #[test]
    fn it_is_back_from_its_first_answer_on_and_a_single_failure_is_no_absence() {
        let (t, mut r) = (Instant::now(), Reach::default());
        r.ended(Verdict::NoReply, "lost", t);
        r.ended(Verdict::Answered, "", at(t, 100));
        assert_eq!(r.back_for(at(t, 200)), None);
        r.ended(Verdict::NoReply, "lost", at(t, 1_000));
        r.ended(Verdict::Answered, "", at(t, 5_000));
        r.ended(Verdict::Answered, "", at(t, 6_000));
        assert_eq!(r.back_for(at(t, 7_000)), Some(Duration::from_secs(2)));
        for _ in 0..5 {
            r.ended(DOWN, "refused", at(t, 8_000));
        }
        assert_eq!(
            r.back_for(at(t, 8_000)),
            Some(Duration::from_secs(3)),
            "until it answers"
        );
        r.ended(Verdict::Answered, "", at(t, 8_100));
        assert_eq!(r.back_for(at(t, 8_100)), Some(Duration::ZERO));
    }
}

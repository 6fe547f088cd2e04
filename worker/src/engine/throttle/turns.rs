//! Whose turn it is: queues go round, one permit at a time; within a queue the lowest order goes first.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};

use tokio::sync::oneshot;

struct Waiter<T> {
    /// Lower ones first: what was begun first is finished first.
    order: i64,
    want: u32,
    answer: oneshot::Sender<T>,
}

/// Who waits, by queue. A queue is there as long as somebody waits in it.
pub struct Turns<T> {
    queues: BTreeMap<String, VecDeque<Waiter<T>>>,
    /// The queue that was served last: kept between two deals, so that blocks of one permit go round as well.
    last: String,
}

impl<T> Default for Turns<T> {
    fn default() -> Self {
        Turns {
            queues: BTreeMap::new(),
            last: String::new(),
        }
    }
}

impl<T> Turns<T> {
    /// Waits for up to `want` (at least one).
    pub fn push(&mut self, queue: &str, order: i64, want: u32, answer: oneshot::Sender<T>) {
        let q = self.queues.entry(queue.to_owned()).or_default();
        let at = q.partition_point(|w| w.order <= order);
        let want = want.max(1);
        q.insert(at, Waiter { order, want, answer });
    }

    /// Permits that would be taken now. Forgets those who have stopped waiting.
    pub fn wanted(&mut self) -> u32 {
        for q in self.queues.values_mut() {
            q.retain(|w| !w.answer.is_closed());
        }
        self.queues.retain(|_, q| !q.is_empty());
        let all = self.queues.values().flatten();
        all.fold(0, |sum, w| sum.saturating_add(w.want))
    }

    /// Deals `free` permits: who is to be answered, and with how many (at least one each).
    pub fn deal(&mut self, mut free: u32) -> Vec<(oneshot::Sender<T>, u32)> {
        let mut dealt = Vec::new();
        // the waiter at the head of each queue and what it has got so far
        let mut hands: BTreeMap<String, (Waiter<T>, u32)> = BTreeMap::new();
        while free > 0 && self.fill(&mut hands) {
            let next = hands.range::<str, _>((Excluded(self.last.as_str()), Unbounded)).next();
            let Some(name) = next.or_else(|| hands.iter().next()).map(|(name, _)| name.clone()) else {
                break;
            };
            if let Some((w, got)) = hands.get_mut(&name) {
                *got += 1;
                free -= 1;
                if *got == w.want {
                    dealt.extend(hands.remove(&name).map(|(w, got)| (w.answer, got)));
                }
            }
            self.last = name;
        }
        for (name, (w, got)) in hands {
            if got > 0 {
                dealt.push((w.answer, got));
            } else {
                self.queues.entry(name).or_default().push_front(w);
            }
        }
        self.queues.retain(|_, q| !q.is_empty());
        dealt
    }

    /// Fills the hands from the queues; false when nobody waits.
    fn fill(&mut self, hands: &mut BTreeMap<String, (Waiter<T>, u32)>) -> bool {
        for (name, q) in &mut self.queues {
            if hands.contains_key(name) {
                continue;
            }
            while let Some(w) = q.pop_front() {
                if !w.answer.is_closed() {
                    hands.insert(name.clone(), (w, 0));
                    break;
                }
            }
        }
        !hands.is_empty()
    }

    /// Everybody who waits: they are sent away.
    pub fn dismiss(&mut self) -> impl Iterator<Item = oneshot::Sender<T>> + use<T> {
        let queues = std::mem::take(&mut self.queues);
        queues.into_values().flatten().map(|w| w.answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    /// One more that waits; what it got comes over the channel.
    fn wait(t: &mut Turns<u32>, queue: &str, order: i64, want: u32) -> oneshot::Receiver<u32> {
        let (tx, rx) = oneshot::channel();
        t.push(queue, order, want, tx);
        rx
    }

    fn deal(t: &mut Turns<u32>, free: u32) {
        for (answer, n) in t.deal(free) {
            answer.send(n).unwrap();
        }
    }

    #[test]
    fn two_queues_with_a_backlog_get_half_each() {
        for (free, deals) in [(10, 4), (1, 40), (3, 20), (7, 10)] {
            let mut t = Turns::default();
            let mut waiting: Vec<_> = (0..50)
                .flat_map(|n| [("big", n, 9), ("small", n, 2)])
                .map(|(q, n, want)| (q, wait(&mut t, q, n, want)))
                .collect();
            for _ in 0..deals {
                deal(&mut t, free);
            }
            let mut got: HashMap<&str, u32> = HashMap::new();
            for (q, rx) in &mut waiting {
                *got.entry(q).or_default() += rx.try_recv().unwrap_or(0);
            }
            assert_eq!(got["big"] + got["small"], free * deals);
            assert!(got["big"].abs_diff(got["small"]) <= 1, "blocks of {free}: {got:?}");
        }
    }

    #[test]
    fn the_lower_order_goes_first_whenever_it_came() {
        let mut t = Turns::default();
        let mut late = wait(&mut t, "job", 7, 1);
        let mut early = wait(&mut t, "job", 2, 1);
        deal(&mut t, 1);
        assert_eq!((early.try_recv().ok(), late.try_recv().ok()), (Some(1), None));
        deal(&mut t, 1);
        assert_eq!(late.try_recv().ok(), Some(1));
    }

    #[test]
    fn who_has_gone_gets_nothing_and_holds_up_nobody() {
        let mut t = Turns::default();
        drop(wait(&mut t, "a", 1, 5));
        let mut second = wait(&mut t, "a", 2, 5);
        drop(wait(&mut t, "b", 1, 5));
        deal(&mut t, 5);
        assert_eq!(second.try_recv().ok(), Some(5));
        drop(wait(&mut t, "b", 1, 5));
        assert_eq!(t.wanted(), 0);
        assert!(t.queues.is_empty());
    }

    #[test]
    fn who_got_nothing_waits_on_and_is_sent_away_with_the_others() {
        let mut t = Turns::default();
        let mut rx: Vec<_> = (0..3).map(|n| wait(&mut t, &n.to_string(), 0, 2)).collect();
        deal(&mut t, 2);
        assert_eq!(t.wanted(), 2);
        assert_eq!(t.dismiss().filter_map(|a| a.send(0).ok()).count(), 1);
        let got: Vec<_> = rx.iter_mut().map(|r| r.try_recv().unwrap()).collect();
        assert_eq!(got, [1, 1, 0]);
    }
}

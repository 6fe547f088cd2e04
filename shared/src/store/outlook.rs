//! How long a job may still take. Pure but for the clock.

use super::inspect::now_ms;
use super::model::{Counts, PhaseView};
use crate::job::{JobStatus, PhaseStatus};

/// Seconds to go: what is left at the pace of the phase that runs; before there is one, what was predicted.
pub(super) fn eta(
    status: JobStatus,
    phases: &[PhaseView],
    counts: &Counts,
    predicted: u64,
    started: Option<u64>,
) -> Option<u64> {
    if status.is_terminal() || status == JobStatus::Paused || status == JobStatus::AwaitingConfirmation {
        return None;
    }
    let now = now_ms();
    let left = counts.total().saturating_sub(counts.settled());
    let busiest = phases
        .iter()
        .filter(|p| p.status == PhaseStatus::Running && p.counts.settled() >= 20)
        .max_by_key(|p| p.counts.tasks.saturating_sub(p.counts.settled()));
    if let Some(p) = busiest {
        let seconds = now.saturating_sub(p.started_ms?).max(1) as f64 / 1000.0;
        let pace = p.counts.settled() as f64 / seconds;
        return Some((left as f64 / pace).ceil() as u64);
    }
    let gone = started.map_or(0, |s| now.saturating_sub(s) / 1000);
    // time in which a controller was away brings the end no nearer
    let share = predicted * left / counts.total().max(1);
    Some(predicted.saturating_sub(gone).max(share).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_in_which_nothing_was_done_brings_the_end_no_nearer() {
        let counts = Counts {
            expected: 200,
            completed: 50,
            ..Counts::default()
        };
        let minutes_ago = Some(now_ms() - 300_000);
        assert_eq!(eta(JobStatus::Running, &[], &counts, 40, minutes_ago), Some(30));
        assert_eq!(eta(JobStatus::Paused, &[], &counts, 40, minutes_ago), None);
    }
}

//! Progress in words and bars: a bar on a terminal, plain lines elsewhere. State changes are lines in both.

use std::collections::{BTreeMap, VecDeque};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;
use crate::wire::{Job, Phase};

/// The rate shown is that of the last half minute: short enough to see a change, long enough not to flicker.
const WINDOW: Duration = Duration::from_secs(30);
/// Without a terminal a line every so often shows that it goes on.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Columns of the bar.
const BAR: usize = 24;

/// What is shown of a watched job.
pub struct Progress {
    output: Output,
    bar: Option<ProgressBar>,
    status: String,
    phases: BTreeMap<String, String>,
    samples: VecDeque<(Instant, u64)>,
    last_line: Option<Instant>,
    warned: bool,
}

impl Progress {
    pub fn new(output: Output) -> Self {
        let bar = (!output.json && std::io::stderr().is_terminal()).then(|| {
            let style = ProgressStyle::with_template(&format!("{{bar:{BAR}}} {{pos}}/{{len}} {{msg}}"))
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style)
        });
        Progress {
            output,
            bar,
            status: String::new(),
            phases: BTreeMap::new(),
            samples: VecDeque::new(),
            last_line: None,
            warned: false,
        }
    }

    /// A line that stays.
    pub fn note(&self, text: &str) {
        match &self.bar {
            _ if self.output.json => {}
            Some(bar) => bar.suspend(|| self.output.line(text)),
            None => self.output.line(text),
        }
    }

    /// Takes the bar away so that something else can be printed; the next state brings it back.
    pub fn suspend(&self) {
        if let Some(bar) = &self.bar {
            bar.set_draw_target(ProgressDrawTarget::hidden());
            bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    pub fn show(&mut self, job: &Job, now: Instant) {
        for phase in &job.phases {
            if let Some(line) = self.phase_change(phase) {
                self.note(&line);
            }
        }
        if job.status != self.status {
            self.status.clone_from(&job.status);
            self.note(&format!("job {}", job.status));
        }
        // Once when it begins and once when it is over: its words may change on the way. Those of a job that has ended stand in its summary,
        // and one that is held does not go on, whatever is over.
        if job.standing().is_none() && self.warned == job.warnings.is_empty() {
            self.warned = !self.warned;
            for warning in &job.warnings {
                self.note(&format!("warning: {warning}"));
            }
            if !self.warned && job.status != "CANCELLING" {
                self.note("what it was waiting for is over: it goes on");
            }
        }
        let settled = job.summary.settled();
        self.samples.push_back((now, settled));
        while self.samples.len() > 2 && self.samples.front().is_some_and(|s| now.duration_since(s.0) > WINDOW) {
            self.samples.pop_front();
        }
        let line = pace(job, rate(&self.samples));
        match &self.bar {
            Some(bar) => {
                bar.set_length(job.summary.total_tasks);
                bar.set_position(settled);
                let beside = BAR + 3 + format!("{settled}{}", job.summary.total_tasks).len();
                bar.set_message(beside_the_bar(&line, beside, self.output.width));
            }
            None if self.last_line.is_none_or(|t| now.duration_since(t) >= LINE_EVERY) => {
                self.last_line = Some(now);
                self.note(&format!("{settled} of {} tasks {line}", job.summary.total_tasks));
            }
            None => {}
        }
    }

    /// A line when a phase has begun or ended since the last look.
    fn phase_change(&mut self, phase: &Phase) -> Option<String> {
        let before = self.phases.insert(phase.id.clone(), phase.status.clone());
        if before.as_deref() == Some(&phase.status) || (before.is_none() && phase.status == "PENDING") {
            return None;
        }
        Some(phase_line(phase))
    }

    pub fn ended(&self, job: &Job) {
        self.finish();
        for line in super::status::summary(job) {
            self.note(&line);
        }
    }

    /// Of a job that goes on only when somebody says so.
    pub fn held(&self, job: &Job) {
        self.finish();
        for line in super::status::held(job) {
            self.note(&line);
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// One line of a phase: its name, its state, what became of its tasks.
pub fn phase_line(phase: &Phase) -> String {
    let mut line = format!("{}: {}", phase.name, phase.status);
    let tasks = &phase.tasks;
    if tasks.total > 0 && phase.status != "PENDING" {
        // what was cancelled was not done: it is counted apart
        line += &format!(", {} of {}", tasks.settled() - tasks.cancelled, tasks.total);
        for (count, what) in [
            (tasks.failed, "failed"),
            (tasks.unknown, "unknown"),
            (tasks.skipped, "skipped"),
            (tasks.cancelled, "cancelled"),
        ] {
            if count > 0 {
                line += &format!(", {count} {what}");
            }
        }
    }
    if let (Some(seconds), false) = (phase.duration_seconds, phase.status == "RUNNING") {
        line += &format!(", {}", duration(seconds.round() as u64));
    }
    if let Some(error) = &phase.error {
        line += &format!(": {error}");
    }
    line
}

/// Percent of the very tasks counted beside it, rate, time left, and what holds it back.
fn pace(job: &Job, per_second: Option<f64>) -> String {
    let percent = job.summary.settled() * 100 / job.summary.total_tasks.max(1);
    let mut line = format!("({} %)", percent.min(100));
    if !goes_on(job) {
        return line;
    }
    if let Some(rate) = per_second.filter(|r| *r > 0.0) {
        line += &format!(", {rate:.1}/s");
    }
    for words in outlook(job, per_second) {
        line += ", ";
        line += &words;
    }
    line
}

/// The pace where it fits beside the bar, and on further lines what does not: what limits the job is the longest of it.
fn beside_the_bar(pace: &str, beside: usize, width: Option<usize>) -> String {
    let Some(width) = width else { return pace.to_owned() };
    let taken = " ".repeat(beside + 1);
    let options = textwrap::Options::new(width)
        .initial_indent(&taken)
        .subsequent_indent("  ");
    textwrap::wrap(pace, options).join("\n").trim_start().to_owned()
}

/// Whether something is still to come by itself.
pub fn goes_on(job: &Job) -> bool {
    matches!(job.status.as_str(), "PENDING" | "RUNNING" | "CANCELLING")
}

/// Time left, where somebody can tell, and what holds a running job back.
pub fn outlook(job: &Job, per_second: Option<f64>) -> Vec<String> {
    if !job.warnings.is_empty() {
        let why = match job.limited_by.as_deref() {
            Some("workers") => "waiting for a worker: none is running",
            Some("polling") => "waiting for another job, which uses the same names",
            _ => "waiting for the controller, which does not answer",
        };
        return vec![why.to_owned()];
    }
    let left = job.summary.total_tasks.saturating_sub(job.summary.settled());
    let own_guess = per_second.filter(|r| *r > 0.0).map(|r| (left as f64 / r).ceil() as u64);
    let eta = job.eta_seconds.or(own_guess).map(|s| format!("{} left", duration(s)));
    let limit = job.limited_by.as_deref().and_then(limit_words).map(str::to_owned);
    eta.into_iter().chain(limit).collect()
}

fn limit_words(limited_by: &str) -> Option<&'static str> {
    Some(match limited_by {
        "controller_rate" => "as many calls a minute as the controller allows",
        "controller_concurrency" => "as many calls at once as the controller allows",
        "cool_down" => "the controller has asked for a pause",
        "polling" => "waiting for the controller to finish what it accepted",
        "own_cap" => "at the limit set for this installation",
        "workers" => "waiting for a worker (is phaseline-worker running?)",
        _ => return None,
    })
}

/// Tasks per second over the samples; None before there are two moments.
fn rate(samples: &VecDeque<(Instant, u64)>) -> Option<f64> {
    let ((t0, n0), (t1, n1)) = (samples.front()?, samples.back()?);
    let seconds = t1.duration_since(*t0).as_secs_f64();
    (seconds >= 0.5).then(|| n1.saturating_sub(*n0) as f64 / seconds)
}

/// Seconds in words: `26 s`, `3 min 05 s`, `1 h 02 min`.
pub fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// Bytes sent of an upload; only on a terminal, and only when it takes long enough to be seen.
pub struct UploadBar(Option<ProgressBar>);

impl UploadBar {
    pub fn new(bytes: u64, output: Output) -> Self {
        let style = ProgressStyle::with_template("sending {bar:32} {bytes} of {total_bytes} {msg}");
        let shown = !output.json && std::io::stderr().is_terminal();
        UploadBar(shown.then(|| {
            ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr())
                .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        }))
    }

    pub fn show(&self, sent: u64, elapsed: Duration) {
        if let Some(bar) = self.0.as_ref().filter(|_| elapsed > Duration::from_millis(300)) {
            bar.set_position(sent);
            bar.set_message(if Some(sent) == bar.length() {
                "the API checks it"
            } else {
                ""
            });
        }
    }

    pub fn clear(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_window() {
        let t = Instant::now();
        let at = |s, n| (t + Duration::from_secs(s), n);
        assert_eq!(rate(&VecDeque::from([at(0, 5)])), None);
        assert_eq!(rate(&VecDeque::from([at(0, 5), at(3, 20), at(10, 105)])), Some(10.0));
    }

    #[test]
    fn the_pace_says_what_limits() {
        let mut job = Job {
            status: "RUNNING".to_owned(),
            limited_by: Some("controller_rate".to_owned()),
            ..Job::default()
        };
        job.summary.total_tasks = 100;
        job.summary.completed = 60;
        job.summary.percent = 60.0;
        assert_eq!(
            pace(&job, Some(2.0)),
            "(60 %), 2.0/s, 20 s left, as many calls a minute as the controller allows"
        );
        job.eta_seconds = Some(65);
        assert_eq!(
            pace(&job, None),
            "(60 %), 1 min 05 s left, as many calls a minute as the controller allows"
        );
        // of the tasks counted beside it, whatever the API's own figure
        job.summary.percent = 75.0;
        job.warnings = vec!["controller 1 has not answered since …".to_owned()];
        assert_eq!(
            pace(&job, Some(2.0)),
            "(60 %), 2.0/s, waiting for the controller, which does not answer"
        );
        job.warnings = vec!["waits for job 1, which writes …".to_owned()];
        job.limited_by = Some("polling".to_owned());
        assert_eq!(
            pace(&job, None),
            "(60 %), waiting for another job, which uses the same names"
        );
        job.limited_by = Some("workers".to_owned());
        assert_eq!(pace(&job, None), "(60 %), waiting for a worker: none is running");
    }

    #[test]
    fn the_pace_breaks_at_words_when_the_terminal_ends() {
        let pace = "(60 %), 33.1/s, 49 min 05 s left, as many calls a minute as the controller allows";
        let shown = beside_the_bar(pace, 38, Some(80));
        assert_eq!(
            shown,
            "(60 %), 33.1/s, 49 min 05 s left, as many\n  calls a minute as the controller allows"
        );
        assert_eq!(beside_the_bar(pace, 38, None), pace);
    }

    #[test]
    fn a_phase_is_told_once_per_state() {
        let mut progress = Progress::new(Output::new(true));
        let mut phase = Phase {
            id: "p".to_owned(),
            name: "Create keys".to_owned(),
            status: "PENDING".to_owned(),
            ..Phase::default()
        };
        assert_eq!(progress.phase_change(&phase), None);
        phase.status = "RUNNING".to_owned();
        assert!(progress.phase_change(&phase).is_some());
        assert_eq!(progress.phase_change(&phase), None);
        phase.status = "COMPLETED".to_owned();
        phase.duration_seconds = Some(61.4);
        phase.tasks.total = 5;
        phase.tasks.completed = 4;
        phase.tasks.skipped = 1;
        let line = progress.phase_change(&phase).unwrap();
        assert_eq!(line, "Create keys: COMPLETED, 5 of 5, 1 skipped, 1 min 01 s");
        phase.status = "CANCELLED".to_owned();
        (phase.tasks.total, phase.tasks.cancelled) = (10, 5);
        assert_eq!(
            phase_line(&phase),
            "Create keys: CANCELLED, 5 of 10, 1 skipped, 5 cancelled, 1 min 01 s"
        );
    }
}

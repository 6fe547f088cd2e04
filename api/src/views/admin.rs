//! What operators and administrators see of the fleet.

use serde::Serialize;
use shared::id::TenantId;
use shared::store::{DeadLetter, LaneFigures, PartitionFigures, WorkerFigures};
use utoipa::ToSchema;

use super::time;
use crate::remotes::Remote;

fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// One decimal.
fn rounded(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

/// A partition's work stream, and what waits in front of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stream)]
pub struct StreamView {
    pub partition: u16,
    /// Key of the stream in Redis.
    #[schema(example = "workflow:{p0}:work")]
    pub stream: String,
    /// Its consumer group.
    #[schema(example = "workers")]
    pub group: &'static str,
    /// Batches in the stream, taken or not.
    pub entries: u64,
    /// Of these, not taken yet.
    pub lag_entries: u64,
    /// How long the first of them has waited; null when none does.
    pub lag_seconds: Option<f64>,
    /// Batches in workers' hands.
    pub in_flight: u64,
    /// Since the oldest of them was queued; null when there is none.
    pub in_flight_age_seconds: Option<f64>,
    /// Batches put aside until an activity ends or a retry is due.
    pub parked: u64,
    /// Batches that workers kept crashing on.
    pub dead_letters: u64,
    /// Without those that are held: paused, or to be confirmed.
    pub jobs_unfinished: u64,
    /// Tasks of unfinished jobs, without paused ones, that have not ended.
    pub backlog_tasks: u64,
    /// Those with most to do first, at most 50. One that has nothing, not even a paused job or a pause, is not listed.
    pub lanes: Vec<LaneView>,
    /// Also of those that are not shown.
    pub lanes_total: u64,
}

/// One tenant's work on one controller.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Lane)]
pub struct LaneView {
    pub tenant: String,
    pub controller_id: i64,
    /// What waits for room in the stream: a phase with all its batches, or a batch that comes back.
    pub queued: u64,
    /// Tasks of its batches in the stream.
    pub in_stream: u64,
    /// Its batches that are put aside until an activity ends or a retry is due.
    pub parked: u64,
    /// Its paused jobs, of the 1,000 newest jobs of the partition.
    pub jobs_paused: u64,
    /// Its jobs in `AWAITING_CONFIRMATION`, of the same.
    pub jobs_to_confirm: u64,
    /// Its controller is left alone for so long.
    pub cool_down_seconds: f64,
    /// Its controller does not answer; null in fair weather.
    pub outage: Option<OutageView>,
}

/// A controller that does not answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Outage)]
pub struct OutageView {
    pub since: String,
    pub reason: String,
    /// It is tried again at least so often.
    pub tried_every_seconds: u64,
}

impl StreamView {
    pub fn of(p: &PartitionFigures) -> Self {
        let f = &p.figures;
        StreamView {
            partition: p.partition.0,
            stream: p.stream.clone(),
            group: p.group,
            entries: f.stream_entries,
            lag_entries: f.waiting_entries,
            lag_seconds: f.waiting_age_ms.map(seconds),
            in_flight: f.in_flight_entries,
            in_flight_age_seconds: f.in_flight_age_ms.map(seconds),
            parked: f.parked,
            dead_letters: f.dead_letters,
            jobs_unfinished: p.jobs_unfinished,
            backlog_tasks: f.backlog_tasks,
            lanes: p.lanes.iter().map(LaneView::of).collect(),
            lanes_total: p.lanes_total,
        }
    }
}

impl LaneView {
    fn of(lane: &LaneFigures) -> Self {
        LaneView {
            tenant: lane.tenant.to_string(),
            controller_id: lane.controller,
            queued: lane.queued,
            in_stream: lane.in_stream,
            parked: lane.parked,
            cool_down_seconds: seconds(lane.cool_ms),
            jobs_paused: lane.jobs_paused,
            jobs_to_confirm: lane.jobs_to_confirm,
            outage: lane.outage.as_ref().map(|o| OutageView {
                since: time(o.since_ms),
                reason: o.reason.clone(),
                tried_every_seconds: o.every_s,
            }),
        }
    }
}

/// A batch that was given up.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = DeadLetter)]
pub struct DeadLetterView {
    /// Partition and entry of the stream of dead letters.
    #[schema(example = "0.1795817912065-0")]
    pub id: String,
    /// When it was given up.
    #[schema(format = DateTime)]
    pub at: String,
    /// This and the next four are null where the letter can't be read by this version: only an operator sees it.
    pub tenant_id: Option<String>,
    pub controller_id: Option<i64>,
    #[schema(format = Uuid)]
    pub job_id: Option<String>,
    #[schema(example = "create_passphrases")]
    pub phase: Option<String>,
    /// From 0; -1 is the plan of the phase.
    #[schema(minimum = -1)]
    pub batch: Option<i64>,
    /// Workers that died over it in a row.
    pub crashes: u64,
    #[schema(example = "workers kept crashing on it")]
    pub why: String,
    /// Whether it can be taken up by a retry of its job, which `replay` makes. One that is under way already is in the way of another.
    pub replayable: bool,
    /// What to do about it where it can't.
    #[schema(example = "its job is RUNNING; replay it when the job has ended")]
    pub advice: Option<String>,
}

impl DeadLetterView {
    pub fn of(letter: DeadLetter) -> Self {
        let (unit, advice) = (letter.unit.as_ref(), letter.replay.advice());
        DeadLetterView {
            at: time(letter.id.at_ms()),
            id: letter.id.to_string(),
            tenant_id: unit.map(|unit| unit.tenant.to_string()),
            controller_id: unit.map(|unit| unit.controller),
            job_id: unit.map(|unit| unit.job.to_string()),
            phase: unit.map(|unit| unit.phase.to_string()),
            batch: unit.map(|unit| unit.batch),
            crashes: letter.crashes,
            why: letter.why,
            replayable: advice.is_none(),
            advice,
        }
    }
}

/// A worker, in one of the partitions it serves.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Worker)]
pub struct WorkerView {
    #[schema(example = "worker-0-17-5b1f0a3c")]
    pub id: String,
    pub partition: u16,
    /// False: it has not been heard of for 15 s. It is listed as long as it owns batches; another worker takes them over.
    pub alive: bool,
    /// Its last heartbeat; null of a worker that has been silent for long.
    pub seen_at: Option<String>,
    /// Batches it may hold, over all partitions.
    pub slots: Option<u64>,
    /// Batches of this partition it holds.
    pub slots_busy: Option<u64>,
    /// Entries of the stream that were delivered to it and have not ended.
    pub pending: u64,
    /// Since it last asked for work; null of one that never has.
    pub idle_seconds: Option<f64>,
    #[schema(example = "0.1.0")]
    pub version: Option<String>,
    /// Of its process, on its machine.
    pub pid: Option<u64>,
}

impl WorkerView {
    pub fn of(w: WorkerFigures) -> Self {
        WorkerView {
            id: w.id,
            partition: w.partition.0,
            alive: w.is_alive,
            seen_at: w.seen_ms.map(time),
            slots: w.slots,
            slots_busy: w.busy,
            pending: w.pending,
            idle_seconds: w.idle_ms.map(seconds),
            version: w.version,
            pid: w.pid,
        }
    }
}

/// What the fleet may ask of a controller. Controllers with the same token host and remote tenant share it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ControllerLimits)]
pub struct LimitsView {
    pub controller_id: i64,
    pub controller_name: String,
    /// Who may use it; an administrator sees their own tenant only.
    pub tenants: Vec<String>,
    pub rate: RateView,
    pub concurrency: ConcurrencyView,
    /// It is left alone for so long.
    pub cool_down_seconds: f64,
    /// Accepted requests whose activity has not ended.
    pub activities_pending: u64,
}

/// Calls a minute.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RateLimit)]
pub struct RateView {
    /// Now: it falls when the controller answers 429, and comes back.
    pub limit_per_minute: f64,
    /// By the controllers file.
    pub configured_per_minute: f64,
}

/// Calls at once.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ConcurrencyLimit)]
pub struct ConcurrencyView {
    /// Now: it falls when the controller gets slow, and comes back.
    pub limit: u32,
    /// By the controllers file and `MAX_PARALLEL_API_CALLS`.
    pub configured: u32,
    /// Granted to workers.
    pub leased: u64,
}

impl LimitsView {
    /// `seen_by`: an administrator's tenant; none: an operator.
    pub fn of(remote: &Remote, seen_by: Option<&TenantId>) -> Self {
        let c = &remote.controller;
        let shown = c.tenants.iter().filter(|t| seen_by.is_none_or(|own| own == *t));
        LimitsView {
            controller_id: c.id,
            controller_name: c.name.clone(),
            tenants: shown.map(ToString::to_string).collect(),
            rate: RateView {
                limit_per_minute: rounded(remote.rate() * 60.0),
                configured_per_minute: rounded(remote.configured_rate * 60.0),
            },
            concurrency: ConcurrencyView {
                limit: remote.concurrency(),
                configured: remote.configured_concurrency,
                leased: remote.now.concurrency_leased,
            },
            cool_down_seconds: seconds(remote.now.cool_ms),
            activities_pending: remote.now.activities_pending,
        }
    }
}

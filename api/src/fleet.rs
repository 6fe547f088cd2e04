//! The fleet in numbers, for `/metrics`: read from the store when somebody scrapes, kept for a moment, and left out when the store
//! is away (`phaseline_redis_up 0`). Every API process answers the same numbers: take `max`, not `sum`, over instances.

use std::convert::Infallible;
use std::fmt::Error;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};
use shared::job::JobStatus;
use shared::store::{DURATION_BOUNDS, Figures, Store, StoreError};
use shared::workflow::catalog;

use crate::kept::Kept;
use crate::remotes::{self, Remote};
use crate::state::State;

/// A scrape is given up after ten seconds by default; a store that hangs must not take that long.
const READ_TIMEOUT: Duration = Duration::from_secs(2);

/// The last reading: many scrapers cost the store no more than one. One for the process.
#[derive(Default)]
pub struct Fleet(Kept<Reading>);

/// A look at the store. None: it was away.
#[derive(Debug)]
pub struct Reading(Option<(Figures, Vec<Remote>)>);

impl Fleet {
    /// The last reading, or a new one. That the store was away is kept as well.
    pub async fn read(&self, state: &State) -> Arc<Reading> {
        let Ok(reading) = self
            .0
            .read(async { Ok::<_, Infallible>(Reading::of(state).await) })
            .await;
        reading
    }
}

impl Reading {
    async fn of(state: &State) -> Self {
        let Ok(store) = state.store() else {
            return Reading(None);
        };
        match tokio::time::timeout(READ_TIMEOUT, look(store, state)).await {
            Ok(Ok(found)) => Reading(Some(found)),
            Ok(Err(error)) => {
                tracing::debug!(%error, "the fleet's numbers can't be read");
                Reading(None)
            }
            Err(_) => Reading(None),
        }
    }
}

async fn look(store: &Store, state: &State) -> Result<(Figures, Vec<Remote>), StoreError> {
    let figures = store.figures().await?;
    let controllers = state.controllers.current();
    let all = controllers.iter().cloned().collect();
    Ok((figures, remotes::look(store, state, all).await?))
}

/// Registries with the reading's series: ours, and those whose names are given.
pub fn registries(reading: &Arc<Reading>) -> [Registry; 2] {
    let mut ours = Registry::with_prefix("phaseline");
    ours.register_collector(Box::new(reading.clone()));
    let mut lifecycle = Registry::with_prefix("lifecycle_workflow");
    lifecycle.register_collector(Box::new(Lifecycle(reading.clone())));
    [ours, lifecycle]
}

type Labels = Vec<(&'static str, String)>;

/// One metric with its series; without labels it has one.
fn gauge<const N: usize>(
    e: &mut DescriptorEncoder<'_>,
    (name, help, unit): (&str, &str, Option<Unit>),
    rows: [(Labels, f64); N],
) -> Result<(), Error> {
    gauges(e, (name, help, unit), rows.into_iter())
}

fn gauges(
    e: &mut DescriptorEncoder<'_>,
    (name, help, unit): (&str, &str, Option<Unit>),
    rows: impl Iterator<Item = (Labels, f64)>,
) -> Result<(), Error> {
    let mut metric = e.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
    for (labels, value) in rows {
        if labels.is_empty() {
            metric.encode_gauge(&value)?;
        } else {
            metric.encode_family(&labels)?.encode_gauge(&value)?;
        }
    }
    Ok(())
}

fn counters(
    e: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    rows: impl Iterator<Item = (Labels, u64)>,
) -> Result<(), Error> {
    let mut metric = e.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in rows {
        metric
            .encode_family(&labels)?
            .encode_counter::<NoLabelSet, _, f64>(&value, None)?;
    }
    Ok(())
}

fn seconds(ms: Option<u64>) -> f64 {
    ms.unwrap_or(0) as f64 / 1000.0
}

/// Workflows that are shipped, whether or not a job of theirs has run, and others that have.
fn workflows(f: &Figures) -> impl Iterator<Item = String> {
    let mut names: Vec<String> = catalog::all().iter().map(|d| d.name.clone()).collect();
    names.extend(f.workflows.keys().filter(|w| catalog::find(w).is_none()).cloned());
    names.into_iter()
}

impl Collector for Reading {
    fn encode(&self, mut e: DescriptorEncoder<'_>) -> Result<(), Error> {
        let e = &mut e;
        let one = |n: u64| [(Labels::new(), n as f64)];
        let up = u64::from(self.0.is_some());
        gauge(
            e,
            ("redis_up", "1 when these numbers could be read from Redis", None),
            one(up),
        )?;
        let Some((f, remotes)) = &self.0 else { return Ok(()) };
        let bytes = || Some(Unit::Bytes);
        gauge(
            e,
            ("redis_memory_used", "Memory Redis uses", bytes()),
            one(f.memory_used_bytes),
        )?;
        let help = "Memory Redis may use (maxmemory), 0 without a limit";
        gauge(e, ("redis_memory_max", help, bytes()), one(f.memory_max_bytes))?;

        let help = "Tasks of unfinished jobs, without paused ones, that have not ended";
        gauge(e, ("backlog_tasks", help, None), one(f.backlog_tasks))?;
        let rows = Figures::states().map(|s| {
            let n = f.jobs.get(s.as_str()).copied().unwrap_or(0);
            (vec![("status", s.as_str().to_owned())], n as f64)
        });
        gauges(
            e,
            ("jobs_unfinished", "Unfinished jobs, without paused ones", None),
            rows,
        )?;
        gauge(
            e,
            ("stream_entries", "Batches in the work stream", None),
            one(f.stream_entries),
        )?;
        let help = "Batches in the work stream that no worker has taken: the group's lag";
        gauge(e, ("stream_lag_entries", help, None), one(f.waiting_entries))?;
        let wait = [(Labels::new(), seconds(f.waiting_age_ms))];
        let help = "How long the first of them has waited";
        gauge(e, ("stream_lag", help, Some(Unit::Seconds)), wait)?;
        gauge(
            e,
            ("batches_in_flight", "Batches in workers' hands", None),
            one(f.in_flight_entries),
        )?;
        let oldest = [(Labels::new(), seconds(f.in_flight_age_ms))];
        let help = "Since the oldest of them was queued";
        gauge(e, ("batches_in_flight_age", help, Some(Unit::Seconds)), oldest)?;
        let help = "Tasks of the batches in the work stream";
        gauge(e, ("stream_tasks", help, None), one(f.tasks_in_stream))?;
        let help = "Batches put aside until an activity ends or a retry is due";
        gauge(e, ("batches_parked", help, None), one(f.parked))?;
        let help = "Tenants' lanes whose controller is left alone for now";
        gauge(e, ("lanes_cooling", help, None), one(f.lanes_cooling))?;
        gauge(
            e,
            ("dead_letters", "Batches that workers kept crashing on", None),
            one(f.dead_letters),
        )?;
        gauge(e, ("fleet_workers", "Workers heard of lately", None), one(f.workers))?;
        gauge(e, ("fleet_slots", "Batches they may hold", None), one(f.slots))?;
        gauge(e, ("fleet_slots_busy", "Batches they hold", None), one(f.slots_busy))?;

        self.limiters(e, remotes)?;
        let rows = workflows(f).flat_map(|w| {
            let ended = [
                JobStatus::Completed,
                JobStatus::Partial,
                JobStatus::Failed,
                JobStatus::Cancelled,
            ];
            ended.map(|s| {
                let labels = vec![("workflow", w.clone()), ("status", s.as_str().to_owned())];
                (labels, f.ended(&w, s))
            })
        });
        counters(e, ("jobs_ended", "Jobs by the state they ended in"), rows)
    }
}

impl Reading {
    fn limiters(&self, e: &mut DescriptorEncoder<'_>, remotes: &[Remote]) -> Result<(), Error> {
        type Value = fn(&Remote) -> f64;
        let metrics: [(&str, &str, Option<Unit>, Value); 7] = [
            (
                "controller_rate_limit_calls_per_second",
                "Calls a second the fleet makes to the controller, at most, now",
                None,
                Remote::rate,
            ),
            (
                "controller_rate_configured_calls_per_second",
                "Calls a second by the controllers file",
                None,
                |r| r.configured_rate,
            ),
            (
                "controller_concurrency_limit",
                "Calls at once, at most, now",
                None,
                |r| f64::from(r.concurrency()),
            ),
            (
                "controller_concurrency_configured",
                "Calls at once by the controllers file and MAX_PARALLEL_API_CALLS",
                None,
                |r| f64::from(r.configured_concurrency),
            ),
            (
                "controller_concurrency_leased",
                "Calls at once that workers have been granted",
                None,
                |r| r.now.concurrency_leased as f64,
            ),
            (
                "controller_cool_down",
                "How long the controller is left alone",
                Some(Unit::Seconds),
                |r| r.now.cool_ms as f64 / 1000.0,
            ),
            (
                "controller_activities_pending",
                "Accepted requests whose activity has not ended",
                None,
                |r| r.now.activities_pending as f64,
            ),
        ];
        for (name, help, unit, value) in metrics {
            let rows = remotes.iter().map(|r| {
                let labels = vec![
                    ("controller", r.controller.name.clone()),
                    ("controller_id", r.controller.id.to_string()),
                ];
                (labels, value(r))
            });
            gauges(e, (name, help, unit), rows)?;
        }
        Ok(())
    }
}

/// `lifecycle_workflow_*`: the names that dashboards have always known. A job that ended `PARTIAL` counts as failed, for somebody
/// has to look at it; one that was cancelled counts as neither.
#[derive(Debug)]
struct Lifecycle(Arc<Reading>);

impl Collector for Lifecycle {
    fn encode(&self, mut e: DescriptorEncoder<'_>) -> Result<(), Error> {
        let e = &mut e;
        let Some((f, _)) = &self.0.0 else { return Ok(()) };
        let label = |w: &str| vec![("service_type", w.to_owned())];
        let started = |w: &str| f.workflows.get(w).map_or(0, |w| w.started);
        let failed = |w: &str| f.ended(w, JobStatus::Failed) + f.ended(w, JobStatus::Partial);
        let rows = workflows(f).map(|w| (label(&w), started(&w)));
        counters(e, ("started", "Jobs a worker has begun"), rows)?;
        let rows = workflows(f).map(|w| (label(&w), f.ended(&w, JobStatus::Completed)));
        counters(e, ("completed", "Jobs that ended COMPLETED"), rows)?;
        let rows = workflows(f).map(|w| (label(&w), failed(&w)));
        counters(e, ("failed", "Jobs that ended FAILED or PARTIAL"), rows)?;
        let mut metric = e.encode_descriptor(
            "duration",
            "From a job's first claim to its end, pauses included",
            Some(&Unit::Seconds),
            MetricType::Histogram,
        )?;
        for (name, w) in &f.workflows {
            let bounds = DURATION_BOUNDS.iter().map(|b| f64::from(*b)).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(w.durations).collect();
            metric.encode_family(&label(name))?.encode_histogram::<NoLabelSet>(
                w.duration_sum_ms as f64 / 1000.0,
                w.durations.iter().sum(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

//! `phaseline admin`: the fleet, as tables or as one JSON document.

use serde::Deserialize;
use serde_json::Value;

use crate::api::Api;
use crate::args::Admin;
use crate::exit::{self, Failure};
use crate::list::List;
use crate::output::Output;
use crate::progress::duration;
use crate::replay;
use crate::table::{Column, Table};
use crate::wire::fleet::{DeadLetter, Limits, Stream, Worker};

/// More streams, workers or controllers than any fleet has.
const ITEMS_MAX: u64 = 10_000;

pub async fn run(api: &Api, what: Admin, output: Output) -> Result<u8, Failure> {
    let (path, show): (_, fn(&[Value], Output)) = match what {
        Admin::Streams => ("api/v1/admin/streams", streams),
        Admin::Workers => ("api/v1/admin/workers", workers),
        Admin::Limits => ("api/v1/admin/limits", limits),
        Admin::DeadLetters => ("api/v1/admin/dead-letters", dead_letters),
        Admin::Replay(replay) => return replay::run(api, &replay, output).await,
        Admin::Dismiss { letter } => return replay::dismiss(api, &letter, output).await,
    };
    let list = List::read(api, path, &[], ITEMS_MAX).await?;
    if output.json {
        output.document(&list.document());
    } else {
        show(&list.items, output);
    }
    Ok(exit::OK)
}

fn streams(items: &[Value], output: Output) {
    let mut table = Table::new([
        Column::number("PART"),
        Column::number("JOBS"),
        Column::number("BACKLOG"),
        Column::number("QUEUED"),
        Column::number("WAITS"),
        Column::number("IN WORK"),
        Column::number("SINCE"),
        Column::number("PARKED"),
        Column::number("DEAD"),
    ]);
    let mut lanes = Table::new([
        Column::word("TENANT"),
        Column::number("CTRL"),
        Column::number("QUEUED"),
        Column::number("IN STREAM"),
        Column::number("PARKED"),
        Column::number("PAUSED"),
        Column::number("TO CONFIRM"),
        Column::text("HELD BACK BY"),
    ]);
    let mut left_out = 0;
    for item in items {
        let stream = Stream::deserialize(item).unwrap_or_default();
        table.row([
            stream.partition.to_string(),
            stream.jobs_unfinished.to_string(),
            stream.backlog_tasks.to_string(),
            stream.lag_entries.to_string(),
            seconds(stream.lag_seconds),
            stream.in_flight.to_string(),
            seconds(stream.in_flight_age_seconds),
            stream.parked.to_string(),
            stream.dead_letters.to_string(),
        ]);
        left_out += stream.lanes_total.saturating_sub(stream.lanes.len() as u64);
        for lane in stream.lanes {
            let held_back_by = lane.held_back_by();
            lanes.row([
                lane.tenant,
                lane.controller_id.to_string(),
                lane.queued.to_string(),
                lane.in_stream.to_string(),
                lane.parked.to_string(),
                dash(lane.jobs_paused),
                dash(lane.jobs_to_confirm),
                held_back_by,
            ]);
        }
    }
    table.print(output);
    if lanes.is_empty() {
        output.line("no lanes: nothing is queued for any controller");
        return;
    }
    output.line("");
    lanes.print(output);
    if left_out > 0 {
        output.line(&format!("(and {left_out} more lanes)"));
    }
}

fn workers(items: &[Value], output: Output) {
    if items.is_empty() {
        output.line("no workers: jobs wait until a phaseline-worker is started");
        return;
    }
    let mut table = Table::new([
        Column::word("WORKER"),
        Column::word("STATE"),
        Column::number("PART"),
        Column::number("BUSY"),
        Column::number("SLOTS"),
        Column::number("HOLDS"),
        Column::number("IDLE").spare(),
        Column::number("PID").spare(),
        Column::word("VERSION").spare(),
    ]);
    for item in items {
        let worker = Worker::deserialize(item).unwrap_or_default();
        table.row([
            worker.id,
            if worker.alive { "alive" } else { "silent" }.to_owned(),
            worker.partition.to_string(),
            dash(worker.slots_busy),
            dash(worker.slots),
            worker.pending.to_string(),
            seconds(worker.idle_seconds),
            dash(worker.pid),
            dash(worker.version),
        ]);
    }
    table.print(output);
}

fn limits(items: &[Value], output: Output) {
    if items.is_empty() {
        output.line("no controllers");
        return;
    }
    let mut table = Table::new([
        Column::number("CTRL"),
        Column::text("NAME"),
        Column::number("CALLS/MIN"),
        Column::number("OF"),
        Column::number("AT ONCE"),
        Column::number("OF"),
        Column::number("IN USE"),
        Column::number("PAUSE"),
        Column::number("WAITED FOR"),
        Column::text("TENANTS").spare(),
    ]);
    for item in items {
        let limits = Limits::deserialize(item).unwrap_or_default();
        table.row([
            limits.controller_id.to_string(),
            limits.controller_name,
            number(limits.rate.limit_per_minute),
            number(limits.rate.configured_per_minute),
            number(limits.concurrency.limit),
            number(limits.concurrency.configured),
            number(limits.concurrency.leased),
            seconds(limits.cool_down_seconds),
            limits.activities_pending.to_string(),
            limits.tenants.join(", "),
        ]);
    }
    table.print(output);
}

fn dead_letters(items: &[Value], output: Output) {
    if items.is_empty() {
        output.line("no dead letters: no batch was given up");
        return;
    }
    let mut table = Table::new([
        Column::word("LETTER"),
        Column::word("SINCE").spare(),
        Column::word("JOB"),
        Column::word("PHASE"),
        Column::number("BATCH"),
        Column::text("WHAT TO DO"),
        Column::text("WHY").spare(),
        Column::word("TENANT").spare(),
        Column::number("CTRL").spare(),
    ]);
    for item in items {
        let letter = DeadLetter::deserialize(item).unwrap_or_default();
        let batch = match letter.batch {
            Some(-1) => "plan".to_owned(),
            batch => dash(batch),
        };
        table.row([
            letter.id,
            letter.at,
            dash(letter.job_id),
            dash(letter.phase),
            batch,
            letter.advice.unwrap_or_else(|| "replay it".to_owned()),
            letter.why,
            dash(letter.tenant_id),
            dash(letter.controller_id),
        ]);
    }
    table.print(output);
}

/// Nothing to tell is a dash: it is told from a zero at once.
fn seconds(seconds: Option<f64>) -> String {
    match seconds {
        Some(s) if s > 0.0 => duration(s.ceil() as u64),
        _ => "-".to_owned(),
    }
}

fn number(n: Option<f64>) -> String {
    dash(n.map(f64::round))
}

fn dash(what: Option<impl ToString>) -> String {
    what.map_or_else(|| "-".to_owned(), |what| what.to_string())
}

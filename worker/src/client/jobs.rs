//! `phaseline jobs` and `phaseline tasks`: lists, as tables or as one JSON document.

use jiff::Timestamp;
use serde::Deserialize;

use crate::api::Api;
use crate::args;
use crate::audit;
use crate::exit::{self, Failure};
use crate::list::List;
use crate::output::Output;
use crate::table::{Column, Table};
use crate::wire::{Job, Task};

pub async fn jobs(api: &Api, args: args::Jobs, output: Output) -> Result<u8, Failure> {
    let list = List::read(api, "api/v1/jobs", &args.query(), args.limit()).await?;
    if output.json {
        output.document(&list.document());
        return Ok(exit::OK);
    }
    let mut table = Table::new([
        Column::word("JOB"),
        Column::word("STATUS"),
        Column::number("DONE"),
        Column::number("TASKS"),
        Column::number("CTRL"),
        Column::number("AGE"),
        Column::word("CREATED").spare(),
        Column::word("WORKFLOW").spare(),
        Column::word("VENUE").spare(),
    ]);
    let now = Timestamp::now();
    for item in &list.items {
        let job = Job::deserialize(item).unwrap_or_default();
        let created = job.created_at.as_deref().and_then(|t| t.parse::<Timestamp>().ok());
        table.row([
            job.id,
            job.status,
            // never 100 % while something is left
            format!("{} %", job.summary.percent.floor()),
            job.summary.total_tasks.to_string(),
            job.controller_id.map_or_else(|| "-".to_owned(), |c| c.to_string()),
            created.map_or_else(|| "-".to_owned(), |t| age(now.as_second() - t.as_second())),
            created.map_or_else(|| "-".to_owned(), |t| t.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
            job.workflow_name,
            job.venue_id,
        ]);
    }
    show(&table, &list, args.limit(), "no such jobs", output);
    Ok(exit::OK)
}

pub async fn tasks(api: &Api, args: args::Tasks, output: Output) -> Result<u8, Failure> {
    let path = format!("api/v1/jobs/{}/tasks", args.job);
    let list = List::read(api, &path, &args.query(), args.limit()).await?;
    if output.json {
        output.document(&list.document());
        return Ok(exit::OK);
    }
    let mut table = Table::new([
        Column::word("STATUS"),
        Column::text("NAME"),
        Column::word("PHASE").spare(),
        Column::number("RETRIES").spare(),
        Column::text("WHY"),
    ]);
    for item in &list.items {
        let task = Task::deserialize(item).unwrap_or_default();
        let judged = task.input_data.unwrap_or_default();
        let why = match (task.error_message, task.error_code) {
            (Some(message), Some(code)) => format!("{message} [{code}]"),
            (None, None) => audit::why(&judged),
            (message, code) => message.or(code).unwrap_or_default(),
        };
        let retries = match task.retry_count {
            0 => String::new(),
            n => n.to_string(),
        };
        table.row([task.status, task.name, task.phase, retries, why]);
    }
    show(&table, &list, args.limit(), "no such tasks", output);
    Ok(exit::OK)
}

fn show(table: &Table, list: &List, limit: u64, none: &str, output: Output) {
    if table.is_empty() {
        output.line(none);
    } else {
        table.print(output);
    }
    if let Some(more) = list.more(limit) {
        output.line(&more);
    }
}

/// Since when, in a word that is easily compared: `45 s`, `12 min`, `3 h`, `5 d`.
fn age(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} min", s / 60),
        s @ 3_600..172_800 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let ages = [-5, 59, 60, 3_599, 7_200, 172_799, 172_800].map(age);
        assert_eq!(ages, ["0 s", "59 s", "1 min", "59 min", "2 h", "47 h", "2 d"]);
    }
}

//! What happened, for a network engineer; and the last line, which is also for machines.

use serde_json::Value;
use testkit::harness::api::summary;
use testkit::scene::not_mended;

use crate::import::Imported;
use crate::keys::Keys;
use crate::say::result;

/// Faults of the comparison told one by one.
const FAULTS_SHOWN: usize = 20;

/// Tells a first import. True: the job is complete, and the ledger agrees with the export. `may_fail`: RUCKUS One misbehaves; then
/// it is enough that the job says what happened.
pub fn tell(imported: &Imported, may_fail: bool) -> bool {
    let is_good = body(imported, may_fail);
    result(&last_line(imported));
    is_good
}

/// Tells an import that should have found everything in place.
pub fn tell_again(imported: &Imported) -> bool {
    let mut is_good = body(imported, false);
    let writes = number(&imported.counts, "writes");
    let keys = Keys::of(&imported.tasks);
    if writes != 0 || keys.adopted != imported.verdict.keys_expected as u64 {
        let expected = imported.verdict.keys_expected;
        result(&format!(
            "  WRONG      {writes} writes instead of 0, {} of {expected} keys adopted",
            keys.adopted
        ));
        is_good = false;
    }
    result(&last_line(imported));
    is_good
}

/// Tells an import in fair weather after one in a storm: every key is right in the end, but for those people have to delete first.
pub fn tell_mended(imported: &Imported) -> bool {
    let mut is_good = body(imported, true);
    let (keys, verdict) = (Keys::of(&imported.tasks), &imported.verdict);
    let bad = not_mended(&imported.tasks);
    let (right, wanted) = (verdict.keys_right, verdict.keys_expected);
    if bad.is_empty() && right as u64 + keys.failed == wanted as u64 {
        if keys.failed > 0 {
            result(&format!(
                "  checked    {right} of {wanted} keys are right now, and people have to delete something in RUCKUS One first for {}",
                keys.failed
            ));
        }
    } else {
        result(&format!(
            "  WRONG      {right} of {wanted} keys are right after a second import in fair weather, and it left {} tasks that it could have done",
            bad.len()
        ));
        list(bad.iter());
        is_good = false;
    }
    result(&last_line(imported));
    is_good
}

fn body(imported: &Imported, may_fail: bool) -> bool {
    let Imported {
        job,
        verdict,
        untruths,
        counts,
        ledger,
        trouble,
        ..
    } = imported;
    let mut is_good = true;
    result("");
    result(&format!(
        "  job        {} {}",
        job["id"].as_str().unwrap_or_default(),
        job["status"].as_str().unwrap_or_default()
    ));
    for phase in job["phases"].as_array().into_iter().flatten() {
        let seconds = phase["duration_seconds"]
            .as_f64()
            .map_or(String::new(), |s| format!("{s:>7.1} s"));
        let name = phase["name"].as_str().unwrap_or_default();
        let status = phase["status"].as_str().unwrap_or_default().to_lowercase();
        result(&format!(
            "             {name:<24} {status:<10} {:>6} tasks {seconds}",
            phase["tasks"]["total"]
        ));
    }
    let total = |what: &str| number(&ledger["totals"], what);
    result(&format!(
        "  RUCKUS One {} identity groups, {} DPSK pools, {} keys",
        total("identity_groups"),
        total("dpsk_pools"),
        total("passphrases")
    ));
    if total("policies") + total("activations") > 0 {
        let sets = ledger["policy_sets"].as_array().into_iter().flatten();
        let assigned = sets.filter(|set| set["assignments"].as_array().is_some_and(|to| !to.is_empty()));
        result(&format!(
            "             {} policies, {} policy sets ({} assigned), {} networks linked, {} on the air",
            total("policies"),
            total("policy_sets"),
            assigned.count(),
            total("network_pools"),
            total("activations"),
        ));
    }
    result(&format!(
        "  calls      {} writes, {} reads, {} polls; at most {} at once; {} refused for the rate",
        number(counts, "writes"),
        number(counts, "reads"),
        number(counts, "polls"),
        number(counts, "max_concurrent"),
        number(counts, "http_429"),
    ));
    for text in &trouble.done {
        result(&format!("  trouble    {text}"));
    }
    for text in &trouble.failed {
        result(&format!("  WRONG      {text}"));
        is_good = false;
    }
    let is_partial = may_fail && job["status"] == "PARTIAL";
    if job["status"] != "COMPLETED" && !is_partial {
        result(&format!("  WRONG      the job has not completed: {}", summary(job)));
        is_good = false;
    }
    if verdict.agrees() {
        result(&format!(
            "  checked    all {} keys are there as in the export, in every field",
            verdict.keys_expected
        ));
    } else if is_partial {
        explained(job, verdict.keys_right, verdict.keys_expected);
    } else {
        result(&format!(
            "  WRONG      {} of {} keys are right: {} lost, {} not in the export, {} different, {} twice",
            verdict.keys_right,
            verdict.keys_expected,
            verdict.missing.len(),
            verdict.extra.len(),
            verdict.different.len(),
            verdict.duplicates.len()
        ));
        list(verdict.faults());
        is_good = false;
    }
    let duplicates = number(counts, "duplicates");
    if duplicates > 0 {
        result(&format!(
            "  WRONG      {duplicates} objects twice, or made twice: {} {}",
            counts["existing_twice"], counts["refused_by"]
        ));
        is_good = false;
    }
    if untruths.is_empty() {
        let tasks = &job["summary"]["total_tasks"];
        result(&format!(
            "  checked    what the job says of each of its {tasks} tasks is what RUCKUS One holds"
        ));
    } else {
        result(&format!(
            "  WRONG      the job says {} things that are not so",
            untruths.len()
        ));
        list(untruths.iter());
        is_good = false;
    }
    is_good
}

/// How many tasks did not succeed, by reason.
fn explained(job: &Value, right: usize, wanted: usize) {
    let count = |what: &str| number(&job["summary"], what);
    result(&format!(
        "  partial    {right} of {wanted} keys are there as in the export; of all tasks {} failed and of {} nobody knows, each with its reason:",
        count("failed"),
        count("unknown"),
    ));
    let errors = job["errors"].as_array().into_iter().flatten().filter_map(Value::as_str);
    errors
        .take(FAULTS_SHOWN)
        .for_each(|error| result(&format!("             {error}")));
}

fn list<'f>(faults: impl Iterator<Item = &'f String>) {
    faults
        .take(FAULTS_SHOWN)
        .for_each(|fault| result(&format!("             {fault}")));
}

fn number(value: &Value, field: &str) -> u64 {
    value[field].as_u64().unwrap_or_default()
}

fn last_line(imported: &Imported) -> String {
    let (counts, wanted) = (&imported.counts, imported.verdict.keys_expected as u64);
    let (makespan, ideal) = (imported.makespan.as_secs_f64(), imported.ideal_seconds);
    format!(
        "{}, duplicates {}, http_429 {}, makespan {makespan:.1} s, ideal {ideal:.1} s, ratio {:.2}",
        Keys::of(&imported.tasks).line(wanted),
        number(counts, "duplicates"),
        number(counts, "http_429"),
        makespan / ideal,
    )
}

//! Judging an export as a whole, once its options are known: which rows are bad, which stand twice, and what of
//! that refuses the request.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::document::Document;
use super::export::{CloudpathPool, ExportRow, Shape, Skip};
use super::fate::fate;
use super::fault::{Code, Fault, Faults, child};
use super::limits::{MAX_PLANNED_POOLS, MAX_ROWS};
use super::options::{ImportOptions, InvalidRows};

/// Adds the faults of the document to `faults`; with `invalid_rows: skip`, bad rows get their `skip` instead.
pub(super) fn judge(document: &mut Document, options: &ImportOptions, now: Timestamp, faults: &mut Faults) {
    let Some(shape) = document.shape else { return };
    if document.row_total == 0 {
        faults.push(Fault::new(
            "/dpsk_data",
            Code::EmptyExport,
            "there is not one DPSK in it",
        ));
    }
    if document.row_total > MAX_ROWS as u64 {
        let detail = format!("{} DPSKs; at most {MAX_ROWS} in one import", document.row_total);
        faults.push(Fault::new("/dpsk_data", Code::TooManyRows, detail));
    }
    judge_pools(shape, &document.pools, faults);
    let targets = judge_rows(shape, document, options, now, faults);
    if targets > MAX_PLANNED_POOLS {
        let detail = format!("{targets} pools would be needed, one per VLAN and pool; at most {MAX_PLANNED_POOLS}");
        faults.push(Fault::new("/options/group_by_vlan", Code::TooManyPools, detail));
    }
}

fn judge_pools(shape: Shape, pools: &[CloudpathPool], faults: &mut Faults) {
    let mut first = HashMap::new();
    for (index, pool) in pools.iter().enumerate().filter(|(_, pool)| !pool.guid.is_empty()) {
        let earlier = *first.entry(&*pool.guid).or_insert(index);
        if earlier != index {
            let detail = format!("the pool at {} has the same guid", shape.pool_pointer(earlier));
            faults.push(Fault::new(
                child(&shape.pool_pointer(index), "guid"),
                Code::DuplicateGuid,
                detail,
            ));
        }
    }
}

/// Where a key goes: one pool in RUCKUS One, within which user names and passphrases must be unique.
type Target = (u16, Option<u16>);

/// Returns how many pools the good rows go to.
fn judge_rows(
    shape: Shape,
    document: &mut Document,
    options: &ImportOptions,
    now: Timestamp,
    faults: &mut Faults,
) -> usize {
    let is_skipping = options.invalid_rows == InvalidRows::Skip;
    let mut skips = Vec::new();
    let mut targets = HashSet::new();
    let mut known = Known::default();
    for row in &document.rows {
        let target = (row.pool, row.vlan.filter(|_| options.group_by_vlan));
        // With a VLAN that was refused it is unknown which pool it would go to.
        let is_lost = options.group_by_vlan && row.problems.iter().any(|problem| problem.field == "vlanid");
        let is_wanted = !is_lost && fate(row, options, now).is_ok();
        let doubles = known.doubles(row, target, is_wanted);
        let bad = !row.problems.is_empty() || !doubles.is_empty();
        if !bad && is_wanted {
            targets.insert(target);
        }
        if !bad || !is_skipping {
            known.remember(row, target, is_wanted);
        }
        if !bad {
            continue;
        }
        let place = || {
            let pool = &document.pools[usize::from(row.pool)];
            format!(
                "{}/{}",
                shape.list_pointer(usize::from(row.pool)),
                row.row - pool.first_row
            )
        };
        let twice = doubles.iter().map(|double| {
            let earlier = &document.rows[double.earlier as usize];
            let detail = format!("{} as row {} ({})", double.what, earlier.row, earlier.guid);
            (double.field, double.code, Cow::from(detail))
        });
        let all = row
            .problems
            .iter()
            .map(|problem| (problem.field, problem.code, problem.detail.clone()))
            .chain(twice);
        if is_skipping {
            skips.push((row.row, skip_of(all)));
            continue;
        }
        for (field, code, detail) in all {
            faults.push_with(|| {
                let pointer = if field.is_empty() {
                    place()
                } else {
                    child(&place(), field)
                };
                Fault::new(pointer, code, detail)
            });
        }
    }
    drop(known);
    for (row, skip) in skips {
        document.rows[row as usize].skip = skip.map(Box::new);
    }
    targets.len()
}

/// The first fault's code, and the details of all.
fn skip_of<'a>(all: impl Iterator<Item = (&'a str, Code, Cow<'a, str>)>) -> Option<Skip> {
    let mut skip: Option<Skip> = None;
    for (field, code, detail) in all {
        let skip = match &mut skip {
            Some(skip) => {
                skip.detail.push_str("; ");
                skip
            }
            none => none.insert(Skip {
                code,
                detail: String::new(),
            }),
        };
        if !field.is_empty() {
            skip.detail.push_str(field);
            skip.detail.push_str(": ");
        }
        skip.detail.push_str(&detail);
    }
    skip
}

/// The rows met so far, by what must be unique. Passphrases are compared in place, never copied.
#[derive(Default)]
struct Known<'a> {
    guids: HashMap<&'a str, u32>,
    usernames: HashMap<(Target, Cow<'a, str>), u32>,
    passphrases: HashMap<(Target, &'a str), u32>,
}

struct Double {
    field: &'static str,
    code: Code,
    what: &'static str,
    earlier: u32,
}

impl<'a> Known<'a> {
    /// `is_wanted`: it would be imported. A key that stays out anyway takes no user name from another.
    fn doubles(&self, row: &'a ExportRow, target: Target, is_wanted: bool) -> Vec<Double> {
        let mut doubles = Vec::new();
        if let Some(&earlier) = self.guids.get(&*row.guid) {
            doubles.push(Double {
                field: "guid",
                code: Code::DuplicateGuid,
                what: "same guid",
                earlier,
            });
        }
        if !is_wanted {
            return doubles;
        }
        if has_username(row)
            && let Some(&earlier) = self.usernames.get(&(target, row.username()))
        {
            let what = "same user name in one pool";
            doubles.push(Double {
                field: "name",
                code: Code::DuplicateUsername,
                what,
                earlier,
            });
        }
        if let Some(secret) = &row.secret
            && let Some(&earlier) = self.passphrases.get(&(target, secret.expose()))
        {
            let what = "same passphrase in one pool";
            doubles.push(Double {
                field: "passphrase",
                code: Code::DuplicatePassphrase,
                what,
                earlier,
            });
        }
        doubles
    }

    fn remember(&mut self, row: &'a ExportRow, target: Target, is_wanted: bool) {
        if !row.guid.is_empty() {
            self.guids.entry(&row.guid).or_insert(row.row);
        }
        if !is_wanted {
            return;
        }
        if has_username(row) {
            self.usernames.entry((target, row.username())).or_insert(row.row);
        }
        if let Some(secret) = &row.secret {
            self.passphrases.entry((target, secret.expose())).or_insert(row.row);
        }
    }
}

/// Not when the name was refused, nor when there is neither a name nor a guid.
fn has_username(row: &ExportRow) -> bool {
    let is_refused = row.problems.iter().any(|problem| problem.field == "name");
    !is_refused && !(row.name.trim().is_empty() && row.guid.is_empty())
}

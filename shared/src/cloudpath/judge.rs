//! Judging an export as a whole, once its options are known: which rows are bad, which stand twice, and what of
//! that refuses the request.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::document::Document;
use super::export::{CloudpathPool, ExportRow, Shape, Skip};
use super::fate::fate;
use super::fault::{Code, Fault, Faults, child};
use super::limits::{MAX_PLANNED_POOLS, MAX_ROWS};
use super::networks::networks;
use super::options::{ImportOptions, InvalidRows};
use super::policies::{self, Suffixes};

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
    let (bad_rows, targets) = bad_rows(&document.rows, options, now);
    for bad in &bad_rows {
        match options.invalid_rows {
            InvalidRows::Fail => report(shape, document, bad, faults),
            InvalidRows::Skip => skip(&mut document.rows, bad),
        }
    }
    judge_optional(document, options, now, &targets, faults);
    if targets.len() > MAX_PLANNED_POOLS {
        let targets = targets.len();
        let detail = format!("{targets} pools would be needed, one per VLAN and pool; at most {MAX_PLANNED_POOLS}");
        faults.push(Fault::new("/options/group_by_vlan", Code::TooManyPools, detail));
    }
}

/// What policies and networks can't be made of; `targets` in order.
fn judge_optional(
    document: &Document,
    options: &ImportOptions,
    now: Timestamp,
    targets: &BTreeSet<Target>,
    faults: &mut Faults,
) {
    if options.include_adaptive_policy_sets {
        let mut suffixes: BTreeMap<Target, Suffixes> = BTreeMap::new();
        for row in document
            .rows
            .iter()
            .filter(|row| row.problems.is_empty() && fate(row, options, now).is_ok())
        {
            let target = (row.pool, row.vlan.filter(|_| options.group_by_vlan));
            suffixes.entry(target).or_default().add(row);
        }
        policies::faults(suffixes.values())
            .into_iter()
            .for_each(|fault| faults.push(fault));
    }
    let sources: Vec<u16> = targets.iter().map(|(pool, _)| *pool).collect();
    let networks = networks(&document.pools, &sources, options);
    networks.faults.into_iter().for_each(|fault| faults.push(fault));
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

/// A row that cannot be imported as it is: for its own problems, for rows it collides with, or both.
struct Bad {
    row: usize,
    doubles: Vec<Double>,
}

/// All bad rows, and the pools the good ones go to.
fn bad_rows(rows: &[ExportRow], options: &ImportOptions, now: Timestamp) -> (Vec<Bad>, BTreeSet<Target>) {
    let is_skipping = options.invalid_rows == InvalidRows::Skip;
    let (mut bad_rows, mut targets, mut known) = (Vec::new(), BTreeSet::new(), Known::default());
    for (index, row) in rows.iter().enumerate() {
        let target = (row.pool, row.vlan.filter(|_| options.group_by_vlan));
        // With a VLAN that was refused it is unknown which pool it would go to.
        let is_lost = options.group_by_vlan && row.has_problem("vlanid");
        let is_wanted = !is_lost && fate(row, options, now).is_ok();
        let doubles = known.doubles(row, target, is_wanted);
        let is_bad = !row.problems.is_empty() || !doubles.is_empty();
        // A row that will be skipped stands in nobody's way.
        if !is_bad || !is_skipping {
            known.remember(row, target, is_wanted);
        }
        if is_bad {
            bad_rows.push(Bad { row: index, doubles });
        } else if is_wanted {
            targets.insert(target);
        }
    }
    (bad_rows, targets)
}

/// One fault per problem and collision.
fn report(shape: Shape, document: &Document, bad: &Bad, faults: &mut Faults) {
    let row = &document.rows[bad.row];
    let pointer = |field: &str| {
        let pool = usize::from(row.pool);
        let place = row.row - document.pools[pool].first_row;
        let pointer = format!("{}/{place}", shape.list_pointer(pool));
        if field.is_empty() {
            pointer
        } else {
            child(&pointer, field)
        }
    };
    for problem in &row.problems {
        faults.push_with(|| Fault::new(pointer(problem.field), problem.code, &*problem.detail));
    }
    for double in &bad.doubles {
        faults.push_with(|| Fault::new(pointer(double.field), double.code, double.detail(&document.rows)));
    }
}

/// The first problem's code, and the details of all. The problems themselves are done with: they are dropped row by
/// row, lest 100,000 bad rows keep both.
fn skip(rows: &mut [ExportRow], bad: &Bad) {
    let problems = std::mem::take(&mut rows[bad.row].problems);
    let problems = problems
        .into_iter()
        .map(|problem| (problem.field, problem.code, problem.detail));
    let doubles = bad
        .doubles
        .iter()
        .map(|double| (double.field, double.code, double.detail(rows).into()));
    let (mut first, mut details) = (None, Vec::new());
    for (field, code, detail) in problems.chain(doubles) {
        first.get_or_insert(code);
        details.push(if field.is_empty() {
            detail.into_owned()
        } else {
            format!("{field}: {detail}")
        });
    }
    rows[bad.row].skip = first.map(|code| {
        Box::new(Skip {
            code,
            detail: details.join("; "),
        })
    });
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

impl Double {
    fn detail(&self, rows: &[ExportRow]) -> String {
        let earlier = &rows[self.earlier as usize];
        format!("{} as row {} ({})", self.what, earlier.row, earlier.guid)
    }
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
    let is_nameless = row.name.trim().is_empty() && row.guid.is_empty();
    !row.has_problem("name") && !is_nameless
}

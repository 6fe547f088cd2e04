//! The input of a retry: that of the job before, with corrected rows. What an import judges of its rows is judged here of the corrected
//! ones, against all the others.
//!
//! The plan stays as it was but for what follows from the keys of a pool (format, length, devices, numbers), and only in pools that a
//! corrected row is in. A correction that would need another pool or another policy is refused: that is another import.
//!
//! All rows are seen twice, a chunk at a time: [`Revision::look`] for the rows that are corrected, then [`Judging::look`] for those they
//! collide with. Nothing but corrected rows is kept.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::change::{Change, Field};
use super::corrections::{Correction, Corrections};
use super::export::ExportRow;
use super::facts::Facts;
use super::fault::{Code, Fault, Faults};
use super::mapping::{Mapper, Target};
use super::options::ImportOptions;
use super::policies::suffix;
use super::scope::RowScope;
use super::spec::{ImportPlan, Row};
use crate::secret::SecretString;

/// A row as it is staged, with its passphrase if it has one to import.
pub type Staged = (Row, Option<SecretString>);

/// What is to be corrected, and the rows it is about.
pub struct Revision {
    plan: ImportPlan,
    options: ImportOptions,
    scope: RowScope,
    corrections: BTreeMap<u32, Correction>,
    faults: Faults,
    /// Guids of the Cloudpath pools, for the first half of a target.
    sources: BTreeMap<String, u16>,
    pools: BTreeMap<Target, u16>,
    before: BTreeMap<u32, Staged>,
}

impl Revision {
    /// `scope`: the rows that the retry is about.
    pub fn new(corrections: Corrections, plan: ImportPlan, options: ImportOptions, scope: RowScope) -> Self {
        let guids: BTreeSet<&String> = plan.pools.iter().map(|pool| &pool.cloudpath_guid).collect();
        let sources: BTreeMap<String, u16> = guids.into_iter().cloned().zip(0..).collect();
        let mut pools = BTreeMap::new();
        if !options.group_by_vlan {
            let target = |guid: &String| (sources[guid], None);
            pools = plan
                .pools
                .iter()
                .map(|p| (target(&p.cloudpath_guid), p.index))
                .collect();
        }
        let Corrections { by_row, faults } = corrections;
        Self {
            plan,
            options,
            scope,
            corrections: by_row,
            faults,
            sources,
            pools,
            before: BTreeMap::new(),
        }
    }

    fn source(&self, pool: u16) -> Option<u16> {
        let pool = self.plan.pools.get(usize::from(pool))?;
        self.sources.get(&pool.cloudpath_guid).copied()
    }

    /// The next chunk, seen for the first time.
    pub fn look(&mut self, rows: &[Staged]) {
        for (row, secret) in rows {
            if self.options.group_by_vlan
                && let Some(pool) = row.pool
                && let Some(source) = self.source(pool)
            {
                self.pools.insert((source, row.vlan), pool);
            }
            if self.corrections.contains_key(&row.row) {
                self.before.insert(row.row, (row.clone(), secret.clone()));
            }
        }
    }

    /// All chunks were seen: the rows as they will be. `now` decides which keys are expired.
    pub fn correct(mut self, now: Timestamp) -> Judging {
        let mapper = Mapper::onto(self.options.clone(), now, std::mem::take(&mut self.pools));
        let (mut rows, mut places) = (BTreeMap::new(), BTreeMap::new());
        let mut touched = BTreeSet::new();
        for (number, correction) in std::mem::take(&mut self.corrections) {
            let before = self.before.remove(&number);
            let at = Place::of(&correction);
            match self.row(number, before, correction, &at, &mapper) {
                Ok((before, row, secret)) => {
                    touched.extend(before.pool.into_iter().chain(row.pool));
                    self.count(&before, &row);
                    rows.insert(number, (row, secret));
                    places.insert(number, at);
                }
                Err(faults) => faults.into_iter().for_each(|fault| self.faults.push(fault)),
            }
        }
        let mut judging = Judging {
            plan: self.plan,
            faults: self.faults,
            rows,
            places,
            names: HashMap::new(),
            passphrases: HashMap::new(),
            facts: touched.into_iter().map(|pool| (pool, Facts::default())).collect(),
        };
        judging.claim();
        judging
    }

    /// The row before, and as it will be.
    fn row(
        &self,
        number: u32,
        before: Option<Staged>,
        correction: Correction,
        at: &Place,
        mapper: &Mapper,
    ) -> Result<(Row, Row, SecretString), Vec<Fault>> {
        let one = |pointer: &str, code, detail: String| Err(vec![Fault::new(pointer, code, detail)]);
        let Some((before, secret)) = before else {
            let rows = self.plan.totals.rows;
            return one(
                &at.item,
                Code::UnknownRow,
                format!("there is no row {number}; there are {rows}, from 0"),
            );
        };
        if !self.scope.contains(number) {
            return one(
                &at.item,
                Code::NotRetried,
                format!("row {number} is done: it is not retried"),
            );
        }
        let (Some(pool), Some(secret), None) = (before.pool, secret, &before.skip) else {
            let detail = format!("row {number} was skipped when it was imported, and is not kept; import it anew");
            return one(&at.item, Code::NotRetried, detail);
        };
        let Some(source) = self.source(pool) else {
            return one(
                &at.item,
                Code::NeedsImport,
                format!("the pool of row {number} is not in the plan"),
            );
        };
        let base = ExportRow {
            row: number,
            pool: source,
            guid: before.guid.as_str().into(),
            name: before.username.as_str().into(),
            secret: Some(secret),
            vlan: before.vlan,
            device_limit: before.devices.map(u32::from),
            expires: before.expires.as_deref().and_then(|text| text.parse().ok()),
            ..ExportRow::default()
        };
        let corrected = correction.given.onto(base);
        if !corrected.problems.is_empty() {
            let fault = |p: &super::export::Problem| Fault::new(at.field(p.field), p.code, &*p.detail);
            return Err(corrected.problems.iter().map(fault).collect());
        }
        let suffix = suffix(&corrected.name).map(str::to_owned);
        let (mut row, secret) = mapper.map(corrected);
        let Some(pool) = row.pool else {
            let vlan = row.vlan.map_or("no VLAN".to_owned(), |vlan| format!("VLAN {vlan}"));
            let detail = format!("this job makes no pool for {vlan}; import the corrected export anew");
            return one(at.field("vlanid"), Code::NeedsImport, detail);
        };
        let is_moved = row.username != before.username || row.pool != before.pool;
        if is_moved && let Some(suffix) = suffix.filter(|suffix| !self.is_answered(pool, suffix)) {
            let detail = format!(
                "this job makes no policy for users of {suffix:?} in that pool; import the corrected export anew"
            );
            return one(at.field("name"), Code::NeedsImport, detail);
        }
        row.changes = changes(&before, row.changes, at);
        Ok((before, row, secret))
    }

    /// Whether the policy set of a pool answers users of a suffix; without policies nobody asks.
    fn is_answered(&self, pool: u16, suffix: &str) -> bool {
        let policy = self.plan.policies.iter().find(|policy| policy.radius_group == suffix);
        let sets = || self.plan.policy_sets.iter().filter(|set| set.pool == pool);
        !self.options.include_adaptive_policy_sets
            || policy.is_some_and(|policy| sets().any(|set| set.policies.contains(&policy.index)))
    }

    /// Takes the old row out of the sums and the new one in.
    fn count(&mut self, before: &Row, row: &Row) {
        let totals = &mut self.plan.totals;
        for change in &before.changes {
            if let Some(count) = totals.changes_by_reason.get_mut(&change.reason) {
                *count = count.saturating_sub(1);
            }
        }
        totals.changes_by_reason.retain(|_, count| *count > 0);
        for change in &row.changes {
            *totals.changes_by_reason.entry(change.reason).or_default() += 1;
        }
        if let Some(skip) = &row.skip {
            totals.imports = totals.imports.saturating_sub(1);
            totals.skips += 1;
            *totals.skips_by_code.entry(skip.code).or_default() += 1;
        }
    }
}

/// Where a correction stands in the request.
struct Place {
    item: String,
    fields: Vec<(&'static str, String)>,
    whole: String,
}

impl Place {
    fn of(correction: &Correction) -> Self {
        let given = super::CORRECTABLE
            .into_iter()
            .filter(|field| correction.given.has(field));
        Self {
            item: correction.pointer(),
            fields: given.map(|field| (field, correction.pointer_of(field))).collect(),
            whole: correction.pointer_of(""),
        }
    }

    fn has(&self, field: &str) -> bool {
        self.fields.iter().any(|(given, _)| *given == field)
    }

    fn field(&self, field: &str) -> &str {
        let given = self.fields.iter().find(|(given, _)| *given == field);
        given.map_or(&self.whole, |(_, pointer)| pointer)
    }
}

/// What was changed in the row before stays told, unless it was corrected or is changed anew.
fn changes(before: &Row, anew: Vec<Change>, at: &Place) -> Vec<Change> {
    let is_corrected =
        |field: Field| at.has(field.name()) || field == Field::DeviceLimit && at.has("useDeviceCountLimit");
    let is_anew = |field: Field| anew.iter().any(|change| change.field == field);
    let old = before.changes.iter();
    let kept: Vec<Change> = old
        .filter(|c| !is_corrected(c.field) && !is_anew(c.field))
        .cloned()
        .collect();
    kept.into_iter().chain(anew).collect()
}

/// Corrected rows, to be held against all the others.
pub struct Judging {
    plan: ImportPlan,
    faults: Faults,
    rows: BTreeMap<u32, (Row, SecretString)>,
    places: BTreeMap<u32, Place>,
    /// Of corrected rows.
    names: HashMap<(u16, String), u32>,
    passphrases: HashMap<(u16, [u8; 32]), u32>,
    /// Of pools that a corrected row was or is in.
    facts: BTreeMap<u16, Facts>,
}

fn digest(secret: &SecretString) -> [u8; 32] {
    Sha256::digest(secret.expose()).into()
}

impl Judging {
    /// Corrected rows among each other: of two that collide, the first stays.
    fn claim(&mut self) {
        for (number, (row, secret)) in &self.rows {
            let (Some(pool), None) = (row.pool, &row.skip) else {
                continue;
            };
            let name = self.names.entry((pool, row.username.clone())).or_insert(*number);
            let passphrase = self.passphrases.entry((pool, digest(secret))).or_insert(*number);
            for (first, what) in [(*name, Same::Name), (*passphrase, Same::Passphrase)] {
                if first != *number {
                    let of = &self.rows[&first].0;
                    self.faults.push(what.fault(&self.places[number], of));
                }
            }
        }
    }

    /// The next chunk, seen for the second time.
    pub fn look(&mut self, rows: &[Staged]) {
        for (row, secret) in rows {
            let (row, secret) = match self.rows.get(&row.row) {
                Some((row, secret)) => (row, Some(secret)),
                None => (row, secret.as_ref()),
            };
            let (Some(pool), Some(secret), None) = (row.pool, secret, &row.skip) else {
                continue;
            };
            if let Some(facts) = self.facts.get_mut(&pool) {
                facts.add(secret.expose(), row.devices);
            }
            if self.rows.contains_key(&row.row) {
                continue;
            }
            let name = self.names.get(&(pool, row.username.clone()));
            let passphrase = self.passphrases.get(&(pool, digest(secret)));
            for (found, what) in [(name, Same::Name), (passphrase, Same::Passphrase)] {
                if let Some(number) = found {
                    self.faults.push(what.fault(&self.places[number], row));
                }
            }
        }
    }

    /// What the retry has to do, or everything that is wrong with the corrections.
    pub fn finish(mut self) -> Result<Revised, Faults> {
        if !self.faults.is_empty() {
            return Err(self.faults);
        }
        for pool in &mut self.plan.pools {
            // its last key may have gone: then it stays as it was
            let Some(facts) = self.facts.get(&pool.index).filter(|facts| facts.passphrases > 0) else {
                continue;
            };
            pool.passphrase_format = facts.format();
            pool.passphrase_length = facts.length();
            pool.device_count_limit = facts.devices();
            pool.passphrases = facts.passphrases;
            for change in &mut pool.changes {
                match change.field {
                    Field::PhraseLength => change.to = Some(facts.length().to_string()),
                    Field::DeviceLimit => change.to = facts.devices().map(|devices| devices.to_string()),
                    _ => {}
                }
            }
        }
        Ok(Revised {
            plan: self.plan,
            rows: self.rows,
        })
    }
}

/// What must be unique in a pool.
enum Same {
    Name,
    Passphrase,
}

impl Same {
    fn fault(&self, at: &Place, other: &Row) -> Fault {
        let (field, code, what) = match self {
            Self::Name => ("name", Code::DuplicateUsername, "same user name in one pool"),
            Self::Passphrase => ("passphrase", Code::DuplicatePassphrase, "same passphrase in one pool"),
        };
        let detail = format!("{what} as row {} ({})", other.row, other.guid);
        Fault::new(at.field(field), code, detail)
    }
}

/// The plan of the retry, and the rows that are not as they were.
#[derive(Debug)]
pub struct Revised {
    pub plan: ImportPlan,
    rows: BTreeMap<u32, (Row, SecretString)>,
}

impl Revised {
    /// Nothing is corrected.
    pub fn unchanged(plan: ImportPlan) -> Self {
        Self {
            plan,
            rows: BTreeMap::new(),
        }
    }

    /// Corrects the rows of a chunk, as it is to be staged: one that is skipped keeps no passphrase.
    pub fn apply(&mut self, rows: &mut [Staged]) {
        for staged in rows {
            if let Some((row, secret)) = self.rows.remove(&staged.0.row) {
                let secret = row.skip.is_none().then_some(secret);
                *staged = (row, secret);
            }
        }
    }
}

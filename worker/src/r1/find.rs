//! Keys looked up by user name, and when it is to be believed that one is not there.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, json};

use super::passphrase::Passphrase;
use super::sweep::PAGE_SIZE;
use super::{R1, Sweep};
use crate::gate::Gate;
use crate::remote::CallError;

/// User names asked for in one query.
const NAMES_PER_QUERY: usize = 100;
/// A key stored under a number behind its name has the first that is free; further than this nobody looks.
const NUMBERS_MAX: u32 = 9;

/// Keys, each once.
#[derive(Default)]
struct Rows {
    rows: Vec<Passphrase>,
    ids: HashSet<String>,
    names: HashSet<String>,
}

impl Rows {
    fn add(&mut self, row: Passphrase) {
        if self.ids.insert(row.id.clone()) {
            self.names.extend(row.username.clone());
            self.rows.push(row);
        }
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

/// Whether keys come newest first, and how far back they are. The order is in no vendor document: it is believed as far as it is seen.
#[derive(Default)]
struct Descent {
    newest: Option<Timestamp>,
    last: Option<Timestamp>,
    is_broken: bool,
}

impl Descent {
    /// A key without a date may be of today.
    fn see(&mut self, made: Option<&str>) {
        let made = made.and_then(|date| date.parse::<Timestamp>().ok());
        self.is_broken |= made.is_none() || self.last.is_some_and(|last| made > Some(last));
        (self.newest, self.last) = (self.newest.or(made), made);
    }

    fn is_past(&self, back: SignedDuration) -> bool {
        let far = |newest: Timestamp| newest.checked_sub(back).ok();
        !self.is_broken && self.newest.and_then(far).is_some_and(|far| self.last < Some(far))
    }
}

/// What RUCKUS One makes of a name it holds to be taken.
fn numbered(name: &str, number: u32) -> String {
    format!("{name}_{number}")
}

/// A user name that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sought<'a> {
    pub name: &'a str,
    /// A write of ours may have made it, and RUCKUS One another name of that.
    pub written: bool,
}

impl R1 {
    /// The passphrases of exactly these user names, in any order; names without one are absent. One call for every 100 names when all
    /// are there.
    ///
    /// That some are absent is only believed of a query that is understood: a controller that does not know a filter answers with
    /// nothing. So where names are missing the newest keys of the pool are read as well, and one of them is asked for among the
    /// missing; where even that does not come back, the whole pool is gone through. What was written may be there under a number
    /// behind its name (`anna_1`), which is asked for too, or under a name nobody can guess: so the keys of the last minutes are gone
    /// through for it. What was read on the way is in the answer, whatever its name.
    pub async fn find_passphrases(
        &self,
        gate: &dyn Gate,
        pool: &str,
        sought: &[Sought<'_>],
    ) -> Result<Vec<Passphrase>, CallError> {
        let mut found = Rows::default();
        let all: Vec<&str> = sought.iter().map(|one| one.name).collect();
        for names in all.chunks(NAMES_PER_QUERY) {
            self.filtered(gate, pool, names, &mut found).await?;
        }
        let missing: Vec<Sought> = sought.iter().copied().filter(|one| !found.has(one.name)).collect();
        if missing.is_empty() {
            return Ok(found.rows);
        }
        let mut newest = self.newest(pool);
        let page = newest.next(gate).await?.unwrap_or_default();
        let others = page.iter().filter_map(|row| row.username.as_deref());
        let witness = others
            .filter(|name| missing.iter().all(|one| one.name != *name))
            .map(str::to_owned)
            .next();
        page.into_iter().for_each(|row| found.add(row));
        if newest.fits_a_page() && !newest.is_whole() {
            // the page was cut: what is not seen may be a missing one under another name
            newest.visit(gate, |row| found.add(row)).await?;
        }
        if newest.is_whole() {
            return Ok(found.rows);
        }
        if let Some(witness) = &witness
            && self.vouched(gate, pool, &missing, witness, &mut found).await?
        {
            if missing.iter().any(|one| one.written && !found.has(one.name)) {
                self.recent(gate, pool, &mut found).await?;
            }
            return Ok(found.rows);
        }
        newest.visit(gate, |row| found.add(row)).await?;
        Ok(found.rows)
    }

    fn newest(&self, pool: &str) -> Sweep<Passphrase> {
        let order = [("sortField", "createdDate"), ("sortOrder", "DESC")];
        let order = order.map(|(field, value)| (field.to_owned(), value.into()));
        self.passphrases(pool, Map::from_iter(order))
    }

    /// Adds the keys of the last minutes, as many as [`super::Settings::look_back`] has, counted from the newest; all keys, where they do
    /// not come in the order asked for. Where pages are cut it looks twice.
    async fn recent(&self, gate: &dyn Gate, pool: &str, found: &mut Rows) -> Result<(), CallError> {
        for _ in 0..2 {
            let (mut sweep, mut order, mut pages) = (self.newest(pool), Descent::default(), 0);
            let back = SignedDuration::try_from(self.look_back).unwrap_or(SignedDuration::MAX);
            while let Some(rows) = sweep.next(gate).await? {
                pages += 1;
                rows.iter().for_each(|row| order.see(row.created_date.as_deref()));
                rows.into_iter().for_each(|row| found.add(row));
                if order.is_past(back) {
                    break;
                }
            }
            if sweep.is_whole() || sweep.seen() as u64 >= u64::from(PAGE_SIZE) * pages {
                break;
            }
        }
        Ok(())
    }

    /// Adds those of these names that are there, as they are or with a number. Whether the rest may be believed absent: each query is
    /// for itself only, and has to be read whole with the witness in it.
    async fn vouched(
        &self,
        gate: &dyn Gate,
        pool: &str,
        missing: &[Sought<'_>],
        witness: &str,
        found: &mut Rows,
    ) -> Result<bool, CallError> {
        let mut is_understood = true;
        let written = || missing.iter().filter(|one| one.written).map(|one| one.name);
        let as_sought = missing.iter().map(|one| one.name.to_owned());
        let mut wanted: Vec<String> = as_sought.chain(written().map(|name| numbered(name, 1))).collect();
        for number in 1..=NUMBERS_MAX {
            for names in wanted.chunks(NAMES_PER_QUERY - 1) {
                let names: Vec<&str> = names.iter().map(String::as_str).chain([witness]).collect();
                let mut answer = Rows::default();
                let is_whole = self.filtered(gate, pool, &names, &mut answer).await?;
                is_understood &= is_whole && answer.has(witness);
                answer.rows.into_iter().for_each(|row| found.add(row));
            }
            // that number is somebody's, perhaps: ours would have the next one
            let is_open = |name: &&str| !found.has(name) && found.has(&numbered(name, number));
            wanted = written()
                .filter(is_open)
                .map(|name| numbered(name, number + 1))
                .collect();
            if wanted.is_empty() {
                break;
            }
        }
        Ok(is_understood)
    }

    /// Adds those of these names, and nothing else: a filter may also be ignored. Whether all that was announced was seen.
    async fn filtered(&self, gate: &dyn Gate, pool: &str, names: &[&str], found: &mut Rows) -> Result<bool, CallError> {
        let filters = json!({ "username": names });
        let mut sweep = self.passphrases(pool, Map::from_iter([("filters".to_owned(), filters)]));
        let is_wanted = |row: &Passphrase| row.username.as_deref().is_some_and(|name| names.contains(&name));
        let keep = |row| {
            if is_wanted(&row) {
                found.add(row);
            }
        };
        sweep.visit(gate, keep).await?;
        Ok(sweep.is_whole())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_past(dates: &[Option<&str>]) -> bool {
        let mut order = Descent::default();
        dates.iter().for_each(|date| order.see(*date));
        order.is_past(SignedDuration::from_mins(20))
    }

    #[test]
    fn only_dates_that_descend_say_how_far_back_they_are() {
        let (noon, before, long_before) = (
            Some("2026-03-01T12:00:00Z"),
            Some("2026-03-01T11:59:00Z"),
            Some("2026-03-01T11:00:00Z"),
        );
        assert!(is_past(&[noon, before, long_before]));
        assert!(!is_past(&[noon, before]), "not yet");
        assert!(
            !is_past(&[long_before, noon, long_before]),
            "the order is not as asked for"
        );
        assert!(
            !is_past(&[noon, None, long_before]),
            "one without a date may be of today"
        );
        assert!(!is_past(&[]));
    }
}

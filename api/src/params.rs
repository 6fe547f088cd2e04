//! Query parameters, checked: unknown names, repeated names and every bad value are all told at once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use actix_web::{HttpRequest, web};

use crate::error::{Fault, Problem};

/// Characters of a value.
const VALUE_MAX: usize = 255;

/// The parameters of one request while they are being read. End with [`Params::finish`].
pub struct Params {
    given: BTreeMap<String, String>,
    known: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl Params {
    pub fn of(req: &HttpRequest) -> Self {
        Self::parse(req.query_string())
    }

    pub fn parse(query: &str) -> Self {
        let mut params = Params {
            given: BTreeMap::new(),
            known: Vec::new(),
            faults: Vec::new(),
        };
        match web::Query::<Vec<(String, String)>>::from_query(query) {
            Ok(pairs) => {
                for (name, value) in pairs.into_inner() {
                    if params.given.insert(name.clone(), value).is_some() {
                        params.fault(&name, "REPEATED", "given more than once".to_owned());
                    }
                }
            }
            Err(_) => params.fault("", "MALFORMED", "the query string cannot be read".to_owned()),
        }
        params
    }

    fn fault(&mut self, name: &str, code: &str, detail: String) {
        let name: String = name.chars().take(64).collect();
        self.faults
            .push(Fault::parameter(&name, code, format!("`{name}`: {detail}")));
    }

    /// Text of 1 to 255 characters.
    pub fn text(&mut self, name: &'static str) -> Option<String> {
        self.read(name, "1 to 255 characters", |v| {
            (1..=255).contains(&v.chars().count()).then(|| v.to_owned())
        })
    }

    pub fn parsed<T: FromStr>(&mut self, name: &'static str, takes: impl Display) -> Option<T> {
        self.read(name, takes, |v| v.parse().ok())
    }

    /// One value, read by `read`; `takes` says what it takes.
    pub fn read<T>(
        &mut self,
        name: &'static str,
        takes: impl Display,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        self.known.push(name);
        let given = self.given.get(name)?;
        // a number may have any number of zeros before it
        let is_short = given.chars().count() <= VALUE_MAX;
        let value = is_short.then(|| read(given)).flatten();
        if value.is_none() {
            self.fault(name, "BAD_VALUE", format!("takes {takes}"));
        }
        value
    }

    /// Values with commas between them, each read by `read`; `takes` says what one is. Every bad one is told.
    pub fn list<T: PartialEq>(
        &mut self,
        name: &'static str,
        takes: impl Display,
        read: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        self.known.push(name);
        let Some(given) = self.given.get(name).cloned() else {
            return Vec::new();
        };
        let mut values = Vec::new();
        for part in given.split(',') {
            match read(part.trim()) {
                Some(value) if !values.contains(&value) => values.push(value),
                Some(_) => {}
                None => {
                    let part: String = part.chars().take(64).collect();
                    self.fault(name, "BAD_VALUE", format!("`{part}` is not {takes}"));
                }
            }
        }
        values
    }

    /// Page size: 1 to 200, 50 unless told.
    pub fn limit(&mut self) -> usize {
        self.read("limit", "a number from 1 to 200", |v| {
            v.parse().ok().filter(|n| (1..=200).contains(n))
        })
        .unwrap_or(50)
    }

    /// A time as milliseconds since the epoch: RFC 3339.
    pub fn time_ms(&mut self, name: &'static str) -> Option<u64> {
        self.read(name, "a time like 2026-11-22T08:00:00Z", |v| {
            let time: jiff::Timestamp = v.parse().ok()?;
            // before 1970 is before every job
            Some(u64::try_from(time.as_millisecond()).unwrap_or_default())
        })
    }

    /// All faults at once, names nobody asked for included: a filter with a typo must not answer with everything.
    pub fn finish(mut self) -> Result<(), Problem> {
        let unknown: Vec<String> = self
            .given
            .keys()
            .filter(|k| !self.known.contains(&k.as_str()))
            .cloned()
            .collect();
        for name in unknown {
            let known = self.known.join(", ");
            let takes = if known.is_empty() {
                "there are none here".to_owned()
            } else {
                format!("known are {known}")
            };
            self.fault(&name, "UNKNOWN_PARAMETER", format!("not known; {takes}"));
        }
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid(self.faults))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_at_once() {
        let mut params = Params::parse("limit=0&limit=5&from=yesterday&statsu=FAILED");
        params.limit();
        params.time_ms("from");
        let problem = params.finish().unwrap_err();
        let names: Vec<_> = problem
            .body()
            .errors
            .iter()
            .map(|f| f.parameter.clone().unwrap())
            .collect();
        assert_eq!(names, ["limit", "from", "statsu"]);
    }

    #[test]
    fn each_bad_value_of_a_list_is_told_and_good_ones_count_once() {
        let read = |v: &str| v.parse::<u8>().ok();
        let mut params = Params::parse("n=1,2,%201&m=3,x,,400");
        assert_eq!(params.list("n", "a small number", read), [1, 2]);
        assert!(params.list("k", "a small number", read).is_empty());
        params.list("m", "a small number", read);
        let problem = params.finish().unwrap_err();
        let said: Vec<_> = problem.body().errors.iter().map(|f| f.detail.clone()).collect();
        assert_eq!(said.len(), 3);
        assert_eq!(said[0], "`m`: `x` is not a small number");
    }

    #[test]
    fn good_values_are_read() {
        let mut params = Params::parse("limit=200&from=1970-01-01T00:00:01Z&controller=7&workflow=a%20b");
        assert_eq!(params.limit(), 200);
        assert_eq!(params.time_ms("from"), Some(1000));
        assert_eq!(params.parsed::<i64>("controller", "a number"), Some(7));
        assert_eq!(params.text("workflow").as_deref(), Some("a b"));
        params.finish().unwrap();
        let long = format!("controller={}7", "0".repeat(255));
        assert_eq!(Params::parse(&long).parsed::<i64>("controller", "a number"), None);
        assert_eq!(Params::parse("from=0001-01-01T00:00:00Z").time_ms("from"), Some(0));
    }
}

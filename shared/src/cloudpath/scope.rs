//! Which rows of the export a job is about: all of them, or of a retry those that are left. The whole export stays the job's input, since
//! groups, pools, policies and networks follow from all of it.

use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::limits::MAX_ROWS;

/// The phase that has a task for each row; the row is the task's index.
pub const ROWS_PHASE: &str = "create_passphrases";

/// Rows by their places. Persisted as part of a job's input, as text: `all`, or ranges in order, `0-12,15`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowScope(Option<Vec<(u32, u32)>>);

impl RowScope {
    pub fn all() -> Self {
        Self(None)
    }

    /// `rows` ascend.
    pub fn of(rows: impl IntoIterator<Item = u32>) -> Self {
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for row in rows {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == row => *last = row,
                _ => ranges.push((row, row)),
            }
        }
        Self(Some(ranges))
    }

    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }

    pub fn contains(&self, row: u32) -> bool {
        let Some(ranges) = &self.0 else { return true };
        let behind = ranges.partition_point(|(first, _)| *first <= row);
        behind > 0 && row <= ranges[behind - 1].1
    }
}

impl fmt::Display for RowScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(ranges) = &self.0 else {
            return f.write_str("all");
        };
        for (place, (first, last)) in ranges.iter().enumerate() {
            if place > 0 {
                f.write_char(',')?;
            }
            match first == last {
                true => write!(f, "{first}")?,
                false => write!(f, "{first}-{last}")?,
            }
        }
        Ok(())
    }
}

/// Text that is no scope of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not rows like 0-12,15")]
pub struct NoScope;

impl FromStr for RowScope {
    type Err = NoScope;

    fn from_str(text: &str) -> Result<Self, NoScope> {
        match text {
            "all" => return Ok(Self::all()),
            "" => return Ok(Self(Some(Vec::new()))),
            _ => {}
        }
        let mut ranges: Vec<(u32, u32)> = Vec::new();
        for range in text.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let number = |text: &str| text.parse::<u32>().map_err(|_| NoScope);
            let (first, last) = (number(first)?, number(last)?);
            let is_behind = ranges.last().is_none_or(|(_, before)| *before < first);
            if !is_behind || last < first || last as usize >= MAX_ROWS {
                return Err(NoScope);
            }
            ranges.push((first, last));
        }
        Ok(Self(Some(ranges)))
    }
}

impl Serialize for RowScope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Nothing stands for all rows: so it was stored before there were retries.
impl<'de> Deserialize<'de> for RowScope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Option::<String>::deserialize(deserializer)? {
            None => Ok(Self::all()),
            Some(text) => text.parse().map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    /// What runs or is kept outlives deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        for (line, scope) in [
            (r#""all""#, RowScope::all()),
            (r#""""#, RowScope::of([])),
            (r#""0-12,15""#, RowScope::of((0..=12).chain([15]))),
        ] {
            let read: RowScope = serde_json::from_str(line).unwrap();
            assert_eq!(
                (read, serde_json::to_string(&scope).unwrap()),
                (scope.clone(), line.to_owned())
            );
        }
        let first: RowScope = serde_json::from_str("null").unwrap();
        assert!(first.is_all());
    }

    #[test]
    fn rows_become_ranges_and_come_back() {
        for (rows, text) in [
            (vec![], ""),
            (vec![7], "7"),
            (vec![0, 1, 2, 5, 99_999], "0-2,5,99999"),
            (vec![1, 3, 5], "1,3,5"),
        ] {
            let scope = RowScope::of(rows.iter().copied());
            assert_eq!(scope.to_string(), text);
            assert_eq!(text.parse(), Ok(scope.clone()));
            let found: Vec<u32> = (0..MAX_ROWS as u32 + 5).filter(|row| scope.contains(*row)).collect();
            assert_eq!(found, rows, "{text}");
        }
        assert!(RowScope::all().contains(0) && RowScope::all().contains(u32::MAX));
        assert_eq!(RowScope::all().to_string().parse(), Ok(RowScope::all()));
    }

    #[test]
    fn what_was_stored_without_one_is_about_all_rows() {
        let read = |json: serde_json::Value| serde_json::from_value::<RowScope>(json);
        assert_eq!(read(serde_json::Value::Null).unwrap(), RowScope::all());
        assert_eq!(read("3-4".into()).unwrap(), RowScope::of([3, 4]));
        for bad in ["3-", "4-3", "5,4", "a", "0,0", "1,,2", "0-100000", " 1"] {
            assert!(read(bad.into()).is_err(), "{bad}");
        }
    }
}

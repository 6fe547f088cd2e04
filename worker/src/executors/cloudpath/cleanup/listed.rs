//! A list of the controller, by id, and whether it may be believed that something is not in it.

use std::collections::HashMap;

use crate::gate::Gate;
use crate::r1::{Row, Sweep};
use crate::remote::CallError;

/// A list that was cut is read so often, at most.
const READS_MAX: u32 = 3;

/// The rows of a list that matter.
#[derive(Debug)]
pub struct Listed<T> {
    rows: HashMap<String, T>,
    /// So many are counted and were not shown.
    hidden: u64,
}

impl<T: Row> Listed<T> {
    pub async fn read(
        gate: &dyn Gate,
        sweep: impl Fn() -> Sweep<T>,
        matters: impl Fn(&T) -> bool + Sync,
    ) -> Result<Self, CallError>
    where
        T: Send,
    {
        let mut listed = Listed {
            rows: HashMap::new(),
            hidden: 0,
        };
        for _ in 0..READS_MAX {
            let (mut sweep, rows) = (sweep(), &mut listed.rows);
            let keep = |row: T| {
                if matters(&row) {
                    rows.insert(row.id().to_owned(), row);
                }
            };
            sweep.visit(gate, keep).await?;
            listed.hidden = sweep.missing();
            if listed.hidden == 0 {
                break;
            }
        }
        Ok(listed)
    }

    /// None: it is not there. [`CallError::Transient`] where it may be one of those that are hidden.
    pub fn get(&self, id: &str) -> Result<Option<&T>, CallError> {
        match (self.rows.get(id), self.hidden) {
            (None, hidden @ 1..) => Err(cut(hidden)),
            (found, _) => Ok(found),
        }
    }

    pub fn has(&self, id: &str) -> Result<bool, CallError> {
        self.get(id).map(|found| found.is_some())
    }

    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.rows.values()
    }

    /// All of them, where none is hidden: whoever is not shown would be taken for gone.
    pub fn whole(self) -> Result<HashMap<String, T>, CallError> {
        match self.hidden {
            0 => Ok(self.rows),
            hidden => Err(cut(hidden)),
        }
    }
}

fn cut(hidden: u64) -> CallError {
    CallError::Transient {
        status: 0,
        retry_after: None,
        code: Some("LIST_CUT".into()),
        detail: format!("RUCKUS One counts {hidden} more than it lists, and what is looked for may be one of them"),
    }
}

//! The executors of the Cloudpath import against the simulator of RUCKUS One, driven by a small engine of the tests' own: what they
//! plan, what they write, and what they make of every surprise. Checked from outside, by the simulator's ledger and counts.

mod audits;
mod audits_findings;
mod cleanup;
mod cleanup_kept;
mod cleanup_kin;
mod conflicts;
mod dry;
mod harness;
mod imports;
mod matrix;
mod names;
mod networks;
mod networks_trouble;
mod policies;
mod policy_conflicts;
mod retries;
mod surprises;

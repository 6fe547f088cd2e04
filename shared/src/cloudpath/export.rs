//! An export as it was read: pools and DPSKs in a compact form, wherever in the document they stood.

use std::borrow::Cow;
use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fault::Code;
use crate::secret::SecretString;

/// Which of the three documents people have it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// `[dpsk, …]`
    Array,
    /// `{metadata, pool, dpsks: […]}`, what the extractor writes for one pool.
    Pool,
    /// `{…, dpskPools: [{…, dpsks: […]}]}`, everything of one Cloudpath server.
    Full,
}

impl Shape {
    /// JSON Pointer of a pool. The bare array has none: its faults stand at the array.
    pub(super) fn pool_pointer(self, pool: usize) -> String {
        match self {
            Self::Array => "/dpsk_data".to_owned(),
            Self::Pool => "/dpsk_data/pool".to_owned(),
            Self::Full => format!("/dpsk_data/dpskPools/{pool}"),
        }
    }

    /// JSON Pointer of the list of a pool's DPSKs.
    pub(super) fn list_pointer(self, pool: usize) -> String {
        match self {
            Self::Array => "/dpsk_data".to_owned(),
            Self::Pool => "/dpsk_data/dpsks".to_owned(),
            Self::Full => format!("/dpsk_data/dpskPools/{pool}/dpsks"),
        }
    }
}

/// A parsed and judged export. Its faults have been reported; rows that stay bad carry `skip`.
#[derive(Debug, Clone)]
pub struct Export {
    pub shape: Shape,
    pub pools: Vec<CloudpathPool>,
    /// In document order; a row's place here is its identity for ever after.
    pub rows: Vec<ExportRow>,
}

/// What a Cloudpath pool says about itself. Texts that only inform are clipped to 64 characters.
#[derive(Debug, Clone, Default)]
pub struct CloudpathPool {
    /// Empty for a bare array.
    pub guid: Box<str>,
    /// Trimmed; empty for a bare array.
    pub display_name: Box<str>,
    pub has_description: bool,
    pub is_disabled: bool,
    pub phrase_default_length: Option<i64>,
    pub enforces_expiration: bool,
    pub expiration_type: Option<Box<str>>,
    pub expiration_value: Option<Box<str>>,
    pub enforces_device_limit: bool,
    pub device_limit: Option<i64>,
    pub supports_policies: bool,
    pub default_access: Option<Box<str>>,
    /// SSIDs of the pool and of its DPSKs, at most [`super::limits::MAX_SSIDS`]. They tell which pool a network takes.
    pub ssids: BTreeSet<Box<str>>,
    /// Row of its first DPSK.
    pub first_row: u32,
    /// DPSKs listed in it.
    pub row_count: u32,
}

/// One DPSK of the export. Fields that were bad are left at their defaults and listed in `problems`.
#[derive(Debug, Clone, Default)]
pub struct ExportRow {
    /// Place in the input, from 0, over all pools.
    pub row: u32,
    /// Place of its Cloudpath pool.
    pub pool: u16,
    pub guid: Box<str>,
    /// As given, white space included; empty when there was none.
    pub name: Box<str>,
    /// `None` only for a row that was refused for it.
    pub secret: Option<SecretString>,
    pub vlan: Option<u16>,
    /// Devices Cloudpath allows, as given; `None` = unlimited.
    pub device_limit: Option<u32>,
    pub expires: Option<Timestamp>,
    /// Status when it is not `ACTIVE`.
    pub status: Option<Box<str>>,
    /// It named SSIDs of its own.
    pub has_ssids: bool,
    pub(super) problems: Vec<Problem>,
    /// Set for a bad row when bad rows are skipped.
    pub skip: Option<Box<Skip>>,
}

/// Why a row is not imported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skip {
    #[serde(rename = "c")]
    pub code: Code,
    #[serde(rename = "d")]
    pub detail: String,
}

/// A fault of a row, before it is known whether bad rows refuse the request or are skipped.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    /// Empty: the row itself.
    pub field: &'static str,
    pub code: Code,
    pub detail: Cow<'static, str>,
}

impl ExportRow {
    pub(super) fn refuse(&mut self, field: &'static str, code: Code, detail: impl Into<Cow<'static, str>>) {
        self.problems.push(Problem {
            field,
            code,
            detail: detail.into(),
        });
    }

    pub(super) fn has_problem(&self, field: &str) -> bool {
        self.problems.iter().any(|problem| problem.field == field)
    }

    /// The user name it gets in RUCKUS One: its name without the white space around it, or `DPSK-<guid>`.
    /// Every key needs one: without it RUCKUS One invents a name that no later run would recognise.
    pub fn username(&self) -> Cow<'_, str> {
        match self.name.trim() {
            "" => format!("DPSK-{}", self.guid).into(),
            name => name.into(),
        }
    }
}

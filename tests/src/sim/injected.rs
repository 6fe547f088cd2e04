//! The kinds of faults a plan can inject, and which operations each of them can hit.

use serde::{Deserialize, Serialize};

use super::route::{Class, Op};

/// How an activity ends that does not end well. The last three are of the newer specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[allow(missing_docs, reason = "the words of RUCKUS One")]
pub enum Unhappy {
    #[default]
    Fail,
    Cancelled,
    PartialSuccess,
    Skipped,
}

impl Unhappy {
    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Fail => "FAIL",
            Self::Cancelled => "CANCELLED",
            Self::PartialSuccess => "PARTIAL_SUCCESS",
            Self::Skipped => "SKIPPED",
        }
    }
}

/// A fault with its parameters; the documentation of the fault plan has the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the table of the fault plan")]
pub enum Injected {
    #[serde(rename = "429_plain")]
    TooMany,
    #[serde(rename = "429_retry_after")]
    TooManyRetryAfter {
        seconds: u64,
    },
    #[serde(rename = "5xx")]
    ServerError {
        #[serde(default = "status_500")]
        status: u16,
    },
    #[serde(rename = "html_503")]
    Html503,
    CutAfterApply,
    CutBeforeApply,
    #[serde(rename = "late_404")]
    Late404 {
        seconds: f64,
    },
    ActivityFail {
        code: String,
        message: String,
        #[serde(default)]
        status: Unhappy,
    },
    ActivityNeverEnds {
        #[serde(default = "yes")]
        work_done: bool,
    },
    TokenDiesEarly {
        #[serde(default)]
        after_calls: Option<u64>,
        #[serde(default)]
        after_seconds: Option<f64>,
        #[serde(default = "one")]
        tokens: u64,
    },
    Slow {
        ms: u64,
    },
    #[serde(rename = "html_200")]
    Html200,
    TextPlain,
    #[serde(rename = "locked_423")]
    Locked,
    LicenceError,
    ClampDevices {
        #[serde(default = "one_device")]
        to: i64,
    },
    ReplacePassphrase,
    InventName,
    RenameSuffix,
    PageCap {
        rows: usize,
    },
    FilterNothing,
    FilterIgnored,
    StaleRead {
        seconds: f64,
    },
    #[serde(rename = "permanent_4xx")]
    Permanent {
        #[serde(default = "status_422")]
        status: u16,
        #[serde(default = "business_rule")]
        code: String,
        #[serde(default = "refused_by_plan")]
        message: String,
    },
}

fn status_500() -> u16 {
    500
}
fn status_422() -> u16 {
    422
}
fn yes() -> bool {
    true
}
fn one_device() -> i64 {
    1
}
fn one() -> u64 {
    1
}
fn business_rule() -> String {
    "GENERAL-422".into()
}
fn refused_by_plan() -> String {
    "business rule violated".into()
}

impl Injected {
    /// The names of all kinds.
    #[cfg(test)]
    pub const NAMES: [&'static str; 24] = [
        "429_plain",
        "429_retry_after",
        "5xx",
        "html_503",
        "cut_after_apply",
        "cut_before_apply",
        "late_404",
        "activity_fail",
        "activity_never_ends",
        "token_dies_early",
        "slow",
        "html_200",
        "text_plain",
        "locked_423",
        "licence_error",
        "clamp_devices",
        "replace_passphrase",
        "invent_name",
        "rename_suffix",
        "page_cap",
        "filter_nothing",
        "filter_ignored",
        "stale_read",
        "permanent_4xx",
    ];

    /// The name of the kind, as in the plan.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TooMany => "429_plain",
            Self::TooManyRetryAfter { .. } => "429_retry_after",
            Self::ServerError { .. } => "5xx",
            Self::Html503 => "html_503",
            Self::CutAfterApply => "cut_after_apply",
            Self::CutBeforeApply => "cut_before_apply",
            Self::Late404 { .. } => "late_404",
            Self::ActivityFail { .. } => "activity_fail",
            Self::ActivityNeverEnds { .. } => "activity_never_ends",
            Self::TokenDiesEarly { .. } => "token_dies_early",
            Self::Slow { .. } => "slow",
            Self::Html200 => "html_200",
            Self::TextPlain => "text_plain",
            Self::Locked => "locked_423",
            Self::LicenceError => "licence_error",
            Self::ClampDevices { .. } => "clamp_devices",
            Self::ReplacePassphrase => "replace_passphrase",
            Self::InventName => "invent_name",
            Self::RenameSuffix => "rename_suffix",
            Self::PageCap { .. } => "page_cap",
            Self::FilterNothing => "filter_nothing",
            Self::FilterIgnored => "filter_ignored",
            Self::StaleRead { .. } => "stale_read",
            Self::Permanent { .. } => "permanent_4xx",
        }
    }

    /// Whether an operation can go wrong in this way.
    pub fn fits(&self, op: Op) -> bool {
        let query = op.class() == Class::Read && op.name().ends_with("/query");
        match self {
            Self::Late404 { .. } | Self::ActivityFail { .. } | Self::ActivityNeverEnds { .. } | Self::LicenceError => {
                op.has_activity()
            }
            Self::Locked => op.class() == Class::Write,
            Self::TokenDiesEarly { .. } => op.class() == Class::Token,
            Self::ClampDevices { .. } => matches!(
                op,
                Op::PassphraseCreate | Op::PassphrasePatch | Op::PassphrasePut | Op::PassphrasePatchMany
            ),
            Self::ReplacePassphrase => matches!(
                op,
                Op::PassphraseCreate | Op::PassphrasePatch | Op::PassphrasePut | Op::IdentityCreate | Op::IdentityPatch
            ),
            Self::InventName => op == Op::PassphraseCreate,
            Self::RenameSuffix => {
                matches!(op, Op::PassphraseCreate | Op::IdentityCreate | Op::IdentityPatch)
            }
            Self::PageCap { .. } => query || op.is_list(),
            Self::FilterNothing | Self::FilterIgnored => query,
            Self::StaleRead { .. } => matches!(op, Op::NetworkQuery | Op::ApGroupQuery | Op::NetworkPoolList),
            _ => true,
        }
    }
}

//! Cloudpath exports, and what becomes of them in RUCKUS One. Pure: no I/O but the body it is handed, no clock
//! (`now` is an argument), no randomness. The same export and options give the same plan in every run, which is what
//! makes a second import find everything in place.
//!
//! # What becomes of what
//!
//! | Cloudpath | RUCKUS One | why |
//! |---|---|---|
//! | pool | identity group `<displayName>-IDG` and DPSK pool `<displayName>-DPSK` in it | a DPSK pool needs an identity group for the users of its keys |
//! | a bare array of DPSKs | group `Cloudpath Import`, pool `Cloudpath DPSKs` | there is no pool to name them after |
//! | pool, with `group_by_vlan` | per VLAN a group `VLAN 44` / `No VLAN` and a pool `VLAN 44 - Cloudpath DPSKs`; with several Cloudpath pools `VLAN 44 - <displayName>` and `VLAN 44 - <displayName>-DPSK` | the name of a pool is unique per tenant |
//! | a name too long (pool 32, group 255) | its beginning, `-`, and 8 digits of a hash of the whole | RUCKUS One refuses longer ones; the hash is the same in every run |
//! | two pools of one name | both end in a hash of their guid | they must not end in one pool; the order in the file must not matter |
//! | pool guid | description of the identity group | DPSK pools have no description there |
//! | the passphrases of a pool | `passphraseFormat`: digits only `NUMBERS_ONLY`, letters and digits `KEYBOARD_FRIENDLY`, else `MOST_SECURED` | by content; Cloudpath's rule is about new keys |
//! | the shortest of them | `passphraseLength` | it is an enforced minimum: a shorter key is reported as created and *replaced by a generated one* |
//! | `phraseDefaultLength` | dropped | it would be such a minimum |
//! | device limits of the keys | pool's `deviceCountLimit`: the highest, at most 512; none if any key is unlimited | the pool must take every key in it |
//! | `enforceDeviceCountLimit`, `deviceCountLimit` of the pool | dropped, with a reason, when keys have no limit of their own; else the highest limit of the keys, with a reason when it is another | a limit the key never had could cut off devices |
//! | `enforceExpirationDate`, `expirationDateType`, `expirationDateValue` | `expirationType` with `expirationOffset` or `expirationDate`; an unknown rule is dropped with a reason | the words are the same on both sides; it concerns keys made later only |
//! | `supportsPolicies`, `defaultAccess`, `description`, `enabled: false` | dropped, with a reason | nothing to hold them; a key works only where a network uses its pool |
//! | the suffix of a user name (behind its last `_`), with `include_adaptive_policy_sets` | one policy `<suffix>-POL` for each, shared by all pools: `^.*_<suffix>$` is answered with the RADIUS attribute group of that name | what RUCKUS One answers depends on the suffix alone, and names of policies are unique per tenant |
//! | a pool with such users | policy set `<displayName>-PS` with their policies, assigned to the DPSK pool | a policy outside of a set does nothing |
//! | `defaultAccess` of a pool that supports policies, with that option | `policyDefaultAccess`; without policies in Cloudpath everybody gets in | it decides about users without a suffix |
//! | a pool without a key to import | nothing, with a warning | it has no shortest passphrase, so a length would be a guess |
//! | DPSK `name` | user name, without white space around it; `DPSK-<guid>` if there is none | without one RUCKUS One invents `DPSK_User_<random>`, which no second run finds |
//! | `passphrase` | the same, or the row is refused | 8–63 printable ASCII characters; a 64-digit raw key has no counterpart |
//! | `vlanid` | `vlanId`; none for `""` | 1–4094 |
//! | `useDeviceCountLimit`, `deviceCountLimit` | `LIMITED` with the number, over 512 becomes 512 with a reason; else `UNLIMITED` | RUCKUS One clamps without saying so |
//! | `expirationDateTime` ahead | `expirationDate` in UTC, whole seconds | the offset decides, not the bracketed zone |
//! | `expirationDateTime` past | by `expired`: none; or the row is skipped; or the original plus whole years | counted from the original, so that a second run gives the same date |
//! | `status` other than `ACTIVE` | the row is skipped (`NOT_ACTIVE`) | the key does not work today and would work after the import |
//! | `ssidList` | dropped, with a reason, when a key names its own | SSIDs belong to networks, not to keys |
//! | an SSID of `ssid_network_map`, with `just_copy_dpsks: false` | the network it names, or one created with the SSID as its name, takes the keys of the pool that uses the SSID, on all AP groups of the venue | a network takes the keys of one pool |
//! | other SSIDs | nothing, with a warning | nobody said which network bears them |
//!
//! # What is refused
//!
//! Every fault of a request is reported, each with a JSON Pointer. Faults of the document (shape, pools, limits,
//! options) always refuse it. Faults of a row refuse it too, or skip the row with `invalid_rows: skip`. Within one
//! target pool, user names and passphrases must be unique (RUCKUS One refuses the second; a shared passphrase could
//! not be told apart by the access point); a guid must be unique in the whole file. Of two that collide, the first
//! stays. Rows that stay out (expired, not active) do not count: an old key and its successor may share a name.
//!
//! # In which order to read
//!
//! [`parse_request`] reads and judges a body; [`plan`] turns the export into an [`ImportPlan`] and a [`Mapper`],
//! which maps the rows one by one; [`Estimate`] says how long it will take.

mod alias;
mod change;
mod convert;
mod corrections;
mod date;
mod document;
mod dpsk;
mod encoding;
mod estimate;
mod export;
mod facts;
mod fate;
mod fault;
mod json;
mod judge;
pub mod limits;
mod mapping;
mod names;
mod networks;
mod options;
mod policies;
mod pool;
mod request;
mod revision;
mod scope;
pub mod shown;
mod spec;
#[cfg(test)]
mod tests;

pub use change::{Change, Field, Reason};
pub use corrections::{CORRECTABLE, Corrections, parse_corrections};
pub use estimate::{Estimate, PlannedWrites, Rate, predicted_seconds};
pub use export::{CloudpathPool, Export, ExportRow, Shape, Skip};
pub use fault::{Code, DOCUMENT, Fault, Faults, RequestError};
pub use mapping::{Mapper, plan};
pub use networks::OnAir;
pub use options::{Expired, ImportOptions, InvalidRows, MAX_TIMEOUT_SECONDS, NameConflict};
pub use request::{ImportRequest, parse_request};
pub use revision::{Judging, Revised, Revision, Staged};
pub use scope::{ROWS_PHASE, RowScope};
pub use spec::{
    ExpirationType, GroupSpec, ImportPlan, NetworkSpec, NetworkTarget, PassphraseFormat, PolicySetSpec, PolicySpec,
    PoolExpiration, PoolSpec, Row, Totals,
};

//! The objects of a tenant, as plain structs.

use serde::Serialize;

use super::clock::Millis;

/// What kind of object an id belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Identity group.
    Group,
    /// DPSK service, also called pool.
    Pool,
    /// DPSK passphrase.
    Passphrase,
    /// Identity.
    Identity,
    /// Adaptive policy set.
    PolicySet,
    /// Adaptive policy.
    Policy,
    /// RADIUS attribute group.
    RadiusGroup,
    /// Wi-Fi network.
    Network,
    /// AP group of a venue.
    ApGroup,
}

impl Kind {
    /// The word for it in counts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Pool => "pool",
            Self::Passphrase => "passphrase",
            Self::Identity => "identity",
            Self::PolicySet => "policy_set",
            Self::Policy => "policy",
            Self::RadiusGroup => "radius_group",
            Self::Network => "network",
            Self::ApGroup => "ap_group",
        }
    }
}

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ref {
    /// Its kind.
    pub kind: Kind,
    /// Its id.
    pub id: String,
}

impl Ref {
    /// Names an object.
    pub fn new(kind: Kind, id: &str) -> Self {
        Self { kind, id: id.into() }
    }
}

/// Where an object comes from and whether it can be seen yet.
#[derive(Debug, Clone, Default)]
pub struct Origin {
    /// Order of acceptance within the tenant.
    pub seq: u64,
    /// When the 202 was given.
    pub created_at: Millis,
    /// Last change.
    pub updated_at: Millis,
    /// Request id of the call that made it; `None` for seeded objects.
    pub request_id: Option<String>,
    /// False from the 202 until the activity ends: the name is taken, but no read shows the object.
    pub live: bool,
}

/// Identity group.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct Group {
    pub id: String,
    pub name: String,
    pub description: Option<String>,
    pub pool_id: Option<String>,
    pub policy_set_id: Option<String>,
    pub mac_registration_pool_id: Option<String>,
    pub auto_cleanup: bool,
    pub origin: Origin,
}

/// DPSK pool.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct Pool {
    pub id: String,
    pub name: String,
    pub passphrase_format: String,
    /// Shorter passphrases are silently replaced by generated ones.
    pub passphrase_length: usize,
    /// `None`: unlimited.
    pub device_count_limit: Option<i64>,
    pub expiration_type: Option<String>,
    pub expiration_offset: Option<i64>,
    pub expiration_date: Option<Millis>,
    pub policy_default_access: bool,
    pub group_id: Option<String>,
    pub policy_set_id: Option<String>,
    pub origin: Origin,
}

/// DPSK passphrase.
#[derive(Clone, Default)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct Passphrase {
    pub id: String,
    pub pool_id: String,
    pub identity_id: Option<String>,
    pub username: String,
    pub value: String,
    pub vlan_id: Option<i64>,
    pub vxlan_id: Option<i64>,
    /// `None`: unlimited.
    pub number_of_devices: Option<i64>,
    pub expiration_date: Option<Millis>,
    pub email: Option<String>,
    pub phone_number: Option<String>,
    pub mac: Option<String>,
    pub revocation_reason: Option<String>,
    pub revocation_date: Option<Millis>,
    /// The name was made up because the call had none.
    pub invented: bool,
    /// The value sent was too short for the pool and was replaced.
    pub replaced: bool,
    pub origin: Origin,
}

/// Identity.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct Identity {
    pub id: String,
    pub group_id: String,
    pub name: String,
    pub display_name: Option<String>,
    pub description: Option<String>,
    pub email: Option<String>,
    pub phone_number: Option<String>,
    pub vlan: Option<i64>,
    pub passphrase_id: Option<String>,
    pub invented: bool,
    pub origin: Origin,
}

/// Venue; the simulator only has them, it never makes them.
#[derive(Debug, Clone, Serialize)]
#[allow(missing_docs, reason = "the field names of RUCKUS One")]
pub struct Venue {
    pub id: String,
    pub name: String,
}

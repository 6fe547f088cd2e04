//! Every limit of an import, with where it comes from. Lengths are counted in UTF-16 code units: RUCKUS One is
//! a Java service, and a UTF-16 count is never smaller than a count of characters.

/// DPSKs of one import. Promised by the product.
pub const MAX_ROWS: usize = 100_000;
/// Cloudpath pools of one export. A bound of ours, so that an export of empty pools cannot eat the memory.
pub const MAX_POOLS: usize = 1_000;
/// Pools one import may create: one Cloudpath pool split over every VLAN (4,094 and "none") fits.
pub const MAX_PLANNED_POOLS: usize = 5_000;
/// Faults listed for one request; the total is counted beyond it.
pub const MAX_FAULTS: usize = 1_000;
/// Arrays and objects inside one another. A real export needs six.
pub const MAX_DEPTH: u32 = 32;

/// A WPA2 passphrase is 8–63 printable ASCII characters (IEEE 802.11); RUCKUS One says the same.
pub const PASSPHRASE_LENGTH: std::ops::RangeInclusive<usize> = 8..=63;
/// Names of users, groups and identities in RUCKUS One.
pub const MAX_NAME: usize = 255;
/// Names of DPSK pools in RUCKUS One are 2–32 long; the suffix we add keeps them above two.
pub const MAX_POOL_NAME: usize = 32;
/// Cloudpath guids are about 50 long. `DPSK-<guid>` must fit a user name, and a group's description holds one.
pub const MAX_GUID: usize = 128;
/// VLANs of IEEE 802.1Q; 0 and 4095 are reserved.
pub const VLAN: std::ops::RangeInclusive<u16> = 1..=4094;
/// Devices per passphrase. RUCKUS One clamps higher values without saying so; we clamp and say so.
pub const MAX_DEVICES: u16 = 512;
/// SSIDs remembered per Cloudpath pool: as many as `ssid_network_map` may name.
pub const MAX_SSIDS: usize = MAX_NETWORK_MAP;
/// Entries of `ssid_network_map`.
pub const MAX_NETWORK_MAP: usize = 1_000;
/// Adaptive policies of one import. A bound of ours: each needs a RADIUS group that exists, and nobody makes thousands of those; more
/// suffixes are a sign that they mean something else.
pub const MAX_POLICIES: usize = 1_000;
/// Places of policies in policy sets, over all pools of one import. A bound of ours: each is a task.
pub const MAX_POLICY_LINKS: usize = 20_000;
/// Pattern of a policy's condition, in characters. RUCKUS One's.
pub const MAX_PATTERN: usize = 255;
/// SSID of a network to be created: RUCKUS One wants two characters, IEEE 802.11 allows 32 bytes.
pub const SSID_LENGTH: std::ops::RangeInclusive<usize> = 2..=32;
/// SSIDs of one AP group, as seen live.
pub const MAX_SSIDS_PER_AP_GROUP: usize = 15;
/// SSIDs one DPSK pool may serve, as seen live.
pub const MAX_SSIDS_PER_POOL: u32 = 64;
/// Bytes of text and structure the options may hold (they are kept in memory as a whole).
pub const MAX_OPTIONS_BYTES: usize = 256 * 1024;

/// Length as RUCKUS One counts it.
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

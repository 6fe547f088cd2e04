//! Every Redis key of the product, in one file. P = `workflow:{p<k>}:` (a partition, one slot), L = `workflow:{c:<limiter>}:`.

use crate::id::{JobId, TenantId};

/// Partition of a tenant's jobs. All keys of a partition share its hash tag, so a script touches one slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub u16);

/// The one consumer group of the work stream.
pub const GROUP: &str = "workers";

impl Partition {
    /// `crc16(tenant) mod count`: stable for as long as the number of partitions is (it is fixed at first start).
    pub fn of(tenant: &TenantId, count: u16) -> Self {
        Partition(crc16(tenant.as_str().as_bytes()) % count.max(1))
    }
    pub fn prefix(self) -> String {
        format!("workflow:{{p{}}}:", self.0)
    }
    pub fn key(self, name: &str) -> String {
        format!("workflow:{{p{}}}:{name}", self.0)
    }
    pub fn job(self, job: JobId) -> String {
        format!("workflow:{{p{}}}:jobs:{job}", self.0)
    }
    pub fn job_part(self, job: JobId, part: &str) -> String {
        format!("workflow:{{p{}}}:jobs:{job}:{part}", self.0)
    }
}

/// Prefix of a limiter's keys.
pub fn limiter(key: &str) -> String {
    format!("workflow:{{c:{key}}}:")
}

/// Limiters with activities to poll: a sorted set, limiter → last time something was added (ms).
pub const POLLS: &str = "workflow:polls";
/// Written and forgotten by readiness probes.
pub const PROBE: &str = "workflow:probe";
/// Schema version, number of partitions, id of the payload key.
pub const META: &str = "workflow:meta";

/// CRC-16/XMODEM, the one Redis Cluster uses for its slots.
pub(super) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0u16, |crc, b| {
        (0..8).fold(crc ^ (u16::from(*b) << 8), |c, _| {
            if c & 0x8000 != 0 { (c << 1) ^ 0x1021 } else { c << 1 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc16_is_the_one_of_redis_cluster() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
    }
}

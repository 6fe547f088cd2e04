//! The controllers: remote systems with their addresses, credentials and limits, read from one TOML file.
//!
//! The file is mounted as a secret and re-read when it changes ([`ControllersFile`]); credentials never enter Redis and
//! never show in Debug output or in an error.

mod parse;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use url::Url;

use crate::id::TenantId;
use crate::secret::SecretString;

pub use watch::{ControllersFile, Reload};

/// Which client speaks to a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControllerKind {
    /// `ruckus-one`, the default.
    RuckusOne,
}

/// What the controller lets us do. Shared by the whole fleet, not per worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Calls per minute, 1–600,000. RUCKUS One: 2000 for each of its tenants.
    pub calls_per_minute: u32,
    /// Calls that may follow each other without a pause, 1–10,000.
    pub burst: u32,
    /// Calls under way at once, 1–1,000.
    pub concurrency: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            calls_per_minute: 2000,
            burst: 17,
            concurrency: 50,
        }
    }
}

/// One `[[controllers]]` table.
#[derive(Debug, Clone, PartialEq)]
pub struct Controller {
    pub id: i64,
    pub name: String,
    pub kind: ControllerKind,
    /// Who may use it.
    pub tenants: Vec<TenantId>,
    /// `https://`, or `http://` on the loopback interface.
    pub base_url: Url,
    /// The token endpoint in full, same rules.
    pub token_url: Url,
    pub tenant_id: String,
    pub client_id: String,
    /// From `client_secret`, or the content of `client_secret_file` without the line end.
    pub client_secret: SecretString,
    /// The managed customer all calls are about, sent as `x-rks-tenantid`.
    pub msp_tenant_id: Option<String>,
    pub limits: Limits,
}

impl Controller {
    /// The remote tenant the calls are about, and whose quota they use up.
    pub fn effective_tenant(&self) -> &str {
        self.msp_tenant_id.as_deref().unwrap_or(&self.tenant_id)
    }

    /// Names the quota: two entries with the same token host and remote tenant share one bucket on the remote side, so they
    /// share one of ours. Only `A–Z a–z 0–9 . _ -`, fit for a Redis key; where a character had to be replaced, a hash of the
    /// original follows, so that different tenants stay different.
    pub fn limiter_key(&self) -> String {
        let host = self.token_url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        let port = self.token_url.port().map(|p| format!("_{p}")).unwrap_or_default();
        let exact = format!("{host}{port}_{}", self.effective_tenant());
        let safe: String = exact
            .chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || "._-".contains(c) {
                    c
                } else {
                    '-'
                }
            })
            .collect();
        if safe == exact {
            return safe;
        }
        let hash = Sha256::digest(exact.as_bytes());
        format!("{safe}-{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3])
    }
}

/// All controllers of one reading of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Controllers {
    by_id: BTreeMap<i64, Arc<Controller>>,
}

impl Controllers {
    /// Reads and checks the file, and the secret files it names.
    pub fn load(path: &Path) -> Result<Self, ControllersError> {
        Ok(parse::read(path)?.controllers)
    }

    /// Checks `text`; `client_secret_file` names are taken relative to `folder`.
    pub fn parse(text: &str, folder: &Path) -> Result<Self, ControllersError> {
        Ok(parse::parse(text, folder)?.controllers)
    }

    pub fn get(&self, id: i64) -> Option<&Arc<Controller>> {
        self.by_id.get(&id)
    }

    /// `None` both for an id that does not exist and for one that belongs to others: a caller can't tell the two apart.
    pub fn for_tenant(&self, id: i64, tenant: &TenantId) -> Option<&Arc<Controller>> {
        self.get(id).filter(|c| c.tenants.contains(tenant))
    }

    /// In order of id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Controller>> {
        self.by_id.values()
    }

    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}

/// One thing wrong with the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `controllers[1] (id 7)`, or empty for the file as a whole.
    pub entry: String,
    pub key: String,
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in [&self.entry, &self.key] {
            if !part.is_empty() {
                write!(f, "{part}: ")?;
            }
        }
        f.write_str(&self.message)
    }
}

/// Why the file can't be used. Every fault of it, not the first.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControllersError {
    #[error("cannot read the controllers file {path}: {message}")]
    Unreadable { path: String, message: String },
    #[error("the controllers file has {} fault(s): {}", .0.len(), .0.iter().map(Fault::to_string).collect::<Vec<_>>().join("; "))]
    Faulty(Vec<Fault>),
}

/// Addresses no call of ours may go to, whatever a name resolves to: link-local ones (where clouds keep the credentials of
/// the machine), unspecified, multicast and broadcast.
pub fn is_forbidden_address(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(a) => {
            a.is_link_local()
                || a.is_unspecified()
                || a.is_multicast()
                || a.is_broadcast()
                || a.octets() == [100, 100, 100, 200]
        }
        IpAddr::V6(a) => {
            a.is_unicast_link_local() || a.is_unspecified() || a.is_multicast() || a.segments()[..2] == [0xfd00, 0x0ec2]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn controller(token_url: &str, tenant: &str, msp: Option<&str>) -> Controller {
        let msp = msp.map(|m| format!("msp_tenant_id = \"{m}\"")).unwrap_or_default();
        let text = format!(
            "[[controllers]]\nid = 1\nname = \"n\"\ntenants = [\"acme\"]\nbase_url = \"https://api.example.com\"\n\
             token_url = \"{token_url}\"\ntenant_id = \"{tenant}\"\nclient_id = \"c\"\nclient_secret = \"s3cr3t-s3cr3t\"\n{msp}\n"
        );
        Controllers::parse(&text, Path::new("."))
            .unwrap()
            .get(1)
            .unwrap()
            .as_ref()
            .clone()
    }

    #[test]
    fn the_limiter_key_is_the_token_host_and_the_effective_tenant() {
        let key = |url, tenant, msp| controller(url, tenant, msp).limiter_key();
        assert_eq!(
            key("https://ruckus.cloud/oauth2/token/t1", "t1", None),
            "ruckus.cloud_t1"
        );
        assert_eq!(
            key("https://ruckus.cloud/oauth2/token/t1", "t1", Some("ec9")),
            "ruckus.cloud_ec9"
        );
        assert_eq!(
            key("http://127.0.0.1:9001/oauth2/token/t1", "t1", None),
            "127.0.0.1_9001_t1"
        );
        let (a, b) = (
            key("https://ruckus.cloud/t", "a b", None),
            key("https://ruckus.cloud/t", "a/b", None),
        );
        assert_ne!(a, b, "replaced characters must not make two tenants one");
        assert!(
            a.bytes().all(|c| c.is_ascii_alphanumeric() || b"._-".contains(&c)),
            "{a}"
        );
    }

    #[test]
    fn another_tenants_controller_is_as_good_as_none() {
        let text = "[[controllers]]\nid = 4\nname = \"n\"\ntenants = [\"acme\"]\nbase_url = \"https://api.example.com\"\n\
             token_url = \"https://example.com/t\"\ntenant_id = \"t\"\nclient_id = \"c\"\nclient_secret = \"s\"\n";
        let all = Controllers::parse(text, Path::new(".")).unwrap();
        assert!(all.for_tenant(4, &"acme".parse().unwrap()).is_some());
        assert!(all.for_tenant(4, &"other".parse().unwrap()).is_none());
        assert!(all.for_tenant(5, &"acme".parse().unwrap()).is_none());
        let limits = all.get(4).unwrap().limits;
        assert_eq!(
            (limits.calls_per_minute, limits.burst, limits.concurrency),
            (2000, 17, 50)
        );
    }

    #[test]
    fn debug_output_holds_no_secret() {
        let shown = format!("{:?}", controller("https://ruckus.cloud/t", "t", None));
        assert!(!shown.contains("s3cr3t") && shown.contains("***"), "{shown}");
    }

    #[test]
    fn metadata_and_link_local_addresses_are_forbidden_in_every_spelling() {
        for bad in [
            "169.254.169.254",
            "169.254.0.1",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "::",
            "224.0.0.1",
        ] {
            assert!(is_forbidden_address(bad.parse().unwrap()), "{bad}");
        }
        for good in ["127.0.0.1", "10.0.0.1", "::1", "8.8.8.8", "fd12::1"] {
            assert!(!is_forbidden_address(good.parse().unwrap()), "{good}");
        }
    }
}

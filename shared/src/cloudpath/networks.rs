//! From `ssid_network_map` to networks: which SSID goes on the air with which pool.
//!
//! A network takes the keys of one pool. So an SSID that keys of several pools use can't be activated, and the export says which pool
//! is meant where it names SSIDs at all.

use std::collections::{BTreeMap, BTreeSet};

use super::export::CloudpathPool;
use super::fault::{Code, Fault, child, quote};
use super::limits::{MAX_SSIDS_PER_AP_GROUP, MAX_SSIDS_PER_POOL, SSID_LENGTH, length};
use super::options::ImportOptions;
use super::spec::{NetworkSpec, NetworkTarget};

const AT: &str = "/options/ssid_network_map";
/// The value that asks for a new network.
const CREATE: &str = "create";
/// SSIDs named in one sentence.
const NAMED_IN_A_SENTENCE: usize = 20;

/// What becomes of the map.
#[derive(Debug, Default)]
pub(super) struct Networks {
    /// In order of their SSIDs.
    pub networks: Vec<NetworkSpec>,
    pub warnings: Vec<String>,
    pub faults: Vec<Fault>,
}

/// `targets`: the place in `pools` of the Cloudpath pool each planned pool is made of, in order of the planned pools.
pub(super) fn networks(pools: &[CloudpathPool], targets: &[u16], options: &ImportOptions) -> Networks {
    let mut made = Networks::default();
    let map = &options.ssid_network_map;
    if options.just_copy_dpsks {
        if !map.is_empty() {
            let detail = "networks are activated only when just_copy_dpsks is false";
            made.faults.push(Fault::new(AT, Code::Contradiction, detail));
        }
        return made;
    }
    // Every network is activated on every AP group of the venue; so this many SSIDs fit none, whatever is there already.
    if map.len() > MAX_SSIDS_PER_AP_GROUP {
        let detail = format!(
            "{} SSIDs; an AP group carries at most {MAX_SSIDS_PER_AP_GROUP}, and each is activated on all AP groups of the venue",
            map.len()
        );
        made.faults.push(Fault::new(AT, Code::TooManySsids, detail));
    }
    let names_any = pools.iter().any(|pool| !pool.ssids.is_empty());
    let mut first_of: BTreeMap<&str, &str> = BTreeMap::new();
    for (ssid, target) in map {
        let at = child(AT, ssid);
        let mut refuse = |code, detail: String| made.faults.push(Fault::new(at.clone(), code, detail));
        if target == CREATE {
            if let Some(detail) = unfit(ssid) {
                refuse(Code::BadSsid, detail);
            }
        } else if let Some(other) = first_of.insert(target, ssid) {
            let detail = format!("the same network as for SSID {}; a network has one SSID", quote(other));
            refuse(Code::DuplicateNetwork, detail);
        }
        match pool_of(ssid, pools, targets, names_any) {
            Ok(pool) => made.networks.push(NetworkSpec {
                index: made.networks.len() as u16,
                ssid: ssid.clone(),
                pool,
                target: match target.as_str() {
                    CREATE => NetworkTarget::Create,
                    id => NetworkTarget::Existing(id.to_owned()),
                },
            }),
            Err((code, detail)) => refuse(code, detail),
        }
    }
    if map.is_empty() {
        let text = "no network is activated: just_copy_dpsks is false, but ssid_network_map names no SSID";
        made.warnings.push(text.to_owned());
    }
    made.warnings.extend(left_out(pools, targets, map));
    made
}

/// The planned pool whose keys use the SSID.
fn pool_of(ssid: &str, pools: &[CloudpathPool], targets: &[u16], names_any: bool) -> Result<u16, (Code, String)> {
    let source = |target: &u16| &pools[usize::from(*target)];
    let mut users = (0..)
        .zip(targets)
        .filter(|(_, target)| !names_any || source(target).ssids.contains(ssid));
    match (users.next(), users.next()) {
        (Some((pool, _)), None) => Ok(pool),
        (Some((_, one)), Some((_, other))) => {
            let (one, other) = (&source(one).display_name, &source(other).display_name);
            let which = match one == other {
                true => format!("several pools made of {one:?}"),
                false => format!("pools {one:?} and {other:?}"),
            };
            Err((
                Code::AmbiguousSsid,
                format!("keys of {which} use it; a network takes those of one pool"),
            ))
        }
        (None, _) if pools.iter().any(|pool| pool.ssids.contains(ssid)) => {
            Err((Code::UnknownSsid, "no key to import uses it".to_owned()))
        }
        (None, _) => Err((Code::UnknownSsid, "the export names no such SSID".to_owned())),
    }
}

/// Why a network of this SSID can't be created. RUCKUS One names it like its SSID, and takes less in a name.
fn unfit(ssid: &str) -> Option<String> {
    let bounds = format!("{} to {}", SSID_LENGTH.start(), SSID_LENGTH.end());
    if !SSID_LENGTH.contains(&length(ssid)) || ssid.len() > *SSID_LENGTH.end() {
        return Some(format!(
            "a new network needs an SSID of {bounds} characters (bytes, with others than ASCII)"
        ));
    }
    if ssid.trim() != ssid || ssid.contains(['`', '\t', '\r', '\n']) || ssid.contains("$(") {
        return Some(
            "a new network's SSID begins and ends with no white space and holds no backtick, tab or \"$(\"".into(),
        );
    }
    None
}

/// SSIDs of the planned pools that nobody asked to activate.
fn left_out(pools: &[CloudpathPool], targets: &[u16], map: &BTreeMap<String, String>) -> Option<String> {
    let used: BTreeSet<&str> = targets
        .iter()
        .flat_map(|target| &pools[usize::from(*target)].ssids)
        .map(|ssid| &**ssid)
        .filter(|ssid| !map.contains_key(*ssid))
        .collect();
    if used.is_empty() {
        return None;
    }
    let named: Vec<_> = used.iter().take(NAMED_IN_A_SENTENCE).map(|ssid| quote(ssid)).collect();
    let more = match used.len() - named.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    Some(format!(
        "not activated, since ssid_network_map does not name them: {}{more}",
        named.join(", ")
    ))
}

/// What the controller has on the air, as far as activation may clash with it. To be filled from what was read, before anything is made.
#[derive(Debug, Default, Clone)]
pub struct OnAir {
    /// Name of each AP group of the venue, and ids of the networks on it.
    pub ap_groups: Vec<(String, BTreeSet<String>)>,
    /// SSIDs in the venue, and ids of the networks that bear them.
    pub ssids: BTreeMap<String, BTreeSet<String>>,
    /// Name of each pool that is there already, SSIDs it serves, and how many will be linked to it.
    pub pools: Vec<(String, u32, u32)>,
}

impl OnAir {
    /// Everything activation would break, each in a sentence. `wanted`: SSIDs with the id of their network, `None` when it is yet to be created.
    pub fn clashes(&self, wanted: &[(&str, Option<&str>)]) -> Vec<String> {
        let new = wanted.iter().filter(|(_, network)| network.is_none()).count();
        let ssids = wanted.iter().filter_map(|(ssid, network)| {
            let mut bearers = self.ssids.get(*ssid)?.iter();
            let other = bearers.find(|id| Some(id.as_str()) != *network)?;
            Some(format!(
                "SSID {ssid:?} is on the air in the venue already, by network {other}; it can't be there twice"
            ))
        });
        let groups = self.ap_groups.iter().filter_map(|(name, there)| {
            let joining = wanted.iter().filter_map(|(_, network)| *network);
            let joining = joining.filter(|id| !there.contains(*id)).count();
            let after = there.len() + joining + new;
            // One that is over the limit as it is takes no harm from networks that are on it.
            (after > MAX_SSIDS_PER_AP_GROUP && joining + new > 0).then(|| {
                format!(
                    "AP group {name:?} carries {} SSIDs and would carry {after}; at most {MAX_SSIDS_PER_AP_GROUP}",
                    there.len()
                )
            })
        });
        let pools = self.pools.iter().filter_map(|(name, there, links)| {
            let after = there.saturating_add(*links);
            (*links > 0 && after > MAX_SSIDS_PER_POOL).then(|| {
                format!("pool {name:?} serves {there} SSIDs and would serve {after}; at most {MAX_SSIDS_PER_POOL}")
            })
        });
        ssids.chain(groups).chain(pools).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(range: std::ops::Range<u32>) -> BTreeSet<String> {
        range.map(|i| format!("n{i}")).collect()
    }

    #[test]
    fn limits_are_counted_by_what_will_be_there() {
        let there = OnAir {
            ap_groups: vec![
                ("Full".into(), ids(0..15)),
                ("Lobby".into(), ids(0..13)),
                ("Over".into(), ids(0..16)),
            ],
            pools: vec![("A".into(), 65, 0), ("B".into(), 63, 1), ("C".into(), 63, 2)],
            ssids: BTreeMap::new(),
        };
        let clashes = |wanted: &[(&str, Option<&str>)]| {
            let mut told = there.clashes(wanted);
            assert_eq!(
                told.pop().unwrap(),
                "pool \"C\" serves 63 SSIDs and would serve 65; at most 64",
                "a pool nothing is linked to breaks nothing"
            );
            told
        };
        assert_eq!(
            clashes(&[("a", Some("n0")), ("b", Some("n12"))]),
            [""; 0],
            "what is active takes no place a second time"
        );
        let full = "AP group \"Full\" carries 15 SSIDs and would carry 16; at most 15";
        let over = "AP group \"Over\" carries 16 SSIDs and would carry 17; at most 15";
        assert_eq!(clashes(&[("a", Some("n3")), ("b", None)]), [full, over]);
        assert_eq!(
            clashes(&[("a", Some("n20")), ("b", None)]).len(),
            2,
            "15 fit into the lobby"
        );
        assert_eq!(
            clashes(&[("a", Some("n20")), ("b", Some("n21")), ("c", None)]).len(),
            3,
            "16 do not"
        );
    }

    #[test]
    fn an_ssid_is_on_the_air_once() {
        let there = OnAir {
            ssids: BTreeMap::from([("Lobby".to_owned(), ids(1..2)), ("Bar".to_owned(), ids(2..4))]),
            ..OnAir::default()
        };
        assert_eq!(there.clashes(&[("Lobby", Some("n1")), ("Gym", None)]), [""; 0]);
        let told = there.clashes(&[("Lobby", None), ("Bar", Some("n2"))]);
        assert_eq!(told.len(), 2, "made anew, or borne by another network besides");
        assert!(
            told[0].contains("by network n1") && told[1].contains("by network n3"),
            "{told:?}"
        );
    }
}

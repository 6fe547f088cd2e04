//! What the controller has: networks by id and by name, and how each is on the air.

use std::time::Duration;

use shared::cloudpath::{NetworkSpec, NetworkTarget};
use shared::job::outcome::TaskError;

use super::super::compare::{ambiguous, quoted};
use crate::executors::Context;
use crate::gate::Gate;
use crate::r1::activation::VenueSettings;
use crate::r1::network::WifiNetwork;
use crate::r1::{R1, asked};
use crate::remote::CallError;

/// What was changed may be shown so late; looked for again after this.
pub const SHOWN_WITHIN: Duration = Duration::from_secs(3);

/// The networks of the tenant, as far as they matter.
#[derive(Debug, Default)]
pub struct There {
    networks: Vec<WifiNetwork>,
    /// So many are counted and were not shown.
    hidden: u64,
}

impl There {
    /// One sweep; of thousands of networks only those that matter are kept. A list that was cut is read once more.
    pub async fn sweep(
        r1: &R1,
        gate: &dyn Gate,
        matters: impl Fn(&WifiNetwork) -> bool + Sync,
    ) -> Result<Self, CallError> {
        let (mut kept, mut hidden): (Vec<WifiNetwork>, u64) = (Vec::new(), 0);
        for _ in 0..2 {
            let mut sweep = r1.wifi_networks();
            let keep = |network: WifiNetwork| {
                if matters(&network) && kept.iter().all(|known| known.id != network.id) {
                    kept.push(network);
                }
            };
            sweep.visit(gate, keep).await?;
            hidden = sweep.missing();
            if sweep.is_whole() {
                break;
            }
        }
        Ok(There { networks: kept, hidden })
    }

    /// To be asked before a network that is not shown is believed to be absent: it would be made again, or taken for gone.
    /// [`CallError::Transient`] where it may be one of those that are hidden.
    pub fn shows_all(&self) -> Result<(), CallError> {
        match self.hidden {
            0 => Ok(()),
            hidden => Err(CallError::Transient {
                status: 0,
                retry_after: Some(SHOWN_WITHIN),
                code: Some("LIST_CUT".into()),
                detail: format!(
                    "RUCKUS One counts {hidden} Wi-Fi networks more than it lists, and one that is needed is not in the list"
                ),
            }),
        }
    }

    /// Those the plan names or would make, and those in the venue.
    pub async fn look(r1: &R1, cx: &Context, wanted: &[NetworkSpec]) -> Result<Self, CallError> {
        let meant = |network: &WifiNetwork, spec: &NetworkSpec| match &spec.target {
            NetworkTarget::Create => network.name == spec.ssid,
            NetworkTarget::Existing(id) => network.id == *id,
        };
        let matters = |network: &WifiNetwork| {
            network.at(&cx.spec.venue_id).is_some() || wanted.iter().any(|spec| meant(network, spec))
        };
        let there = Self::sweep(r1, cx.gate.as_ref(), matters).await?;
        let is_shown = |spec: &NetworkSpec| there.all().iter().any(|network| meant(network, spec));
        if !wanted.iter().all(is_shown) {
            there.shows_all()?;
        }
        Ok(there)
    }

    pub fn all(&self) -> &[WifiNetwork] {
        &self.networks
    }

    pub fn with_id(&self, id: &str) -> Option<&WifiNetwork> {
        self.networks.iter().find(|network| network.id == id)
    }

    /// The network of this name, and why it can't be told.
    pub fn named(&self, name: &str) -> Result<Option<&WifiNetwork>, TaskError> {
        let mut named = self.networks.iter().filter(|network| network.name == name);
        match (named.next(), named.count()) {
            (found, 0) => Ok(found),
            (_, more) => Err(ambiguous("Wi-Fi network", name, more + 1)),
        }
    }

    /// The network that shall bear an SSID; `None`: it is to be made.
    pub fn resolve(&self, spec: &NetworkSpec) -> Result<Option<&WifiNetwork>, TaskError> {
        let found = match &spec.target {
            NetworkTarget::Create => self.named(&spec.ssid)?,
            NetworkTarget::Existing(id) => {
                let missing = || {
                    let message = format!(
                        "there is no Wi-Fi network of id {}, which SSID {} shall use",
                        quoted(id),
                        quoted(&spec.ssid)
                    );
                    TaskError::new("NETWORK_NOT_FOUND", message)
                };
                Some(self.with_id(id).ok_or_else(missing)?)
            }
        };
        match found.and_then(|network| unfit(network, &spec.ssid)) {
            Some(error) => Err(error),
            None => Ok(found),
        }
    }
}

/// Why a network can't bear an SSID for DPSKs. No policy helps: a network that is there keeps its kind and its SSID.
pub fn unfit(network: &WifiNetwork, ssid: &str) -> Option<TaskError> {
    let mut faults = Vec::new();
    if !network.is_dpsk() {
        let kind = network.nw_sub_type.as_deref().unwrap_or("none");
        faults.push(format!("nwSubType is {}, wanted dpsk", quoted(kind)));
    }
    if network.ssid.as_deref() != Some(ssid) {
        let there = network.ssid.as_deref().unwrap_or_default();
        faults.push(format!("ssid is {}, wanted {}", quoted(there), quoted(ssid)));
    }
    let message = || {
        format!(
            "Wi-Fi network {} ({}) can't be used: {}",
            quoted(&network.name),
            network.id,
            faults.join("; ")
        )
    };
    (!faults.is_empty()).then(|| TaskError::new("NETWORK_UNFIT", message()))
}

/// Where in the venue a network is on the air.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Nowhere,
    /// On single AP groups, or on none.
    SomeGroups,
    AllGroups,
}

/// What the query does not show as active everywhere is asked for by itself: queries are behind for a while, and never show what was
/// activated with an empty body.
pub async fn place(r1: &R1, cx: &Context, network: &WifiNetwork) -> Result<Place, CallError> {
    let venue = &cx.spec.venue_id;
    let shown = network.at(venue);
    if shown.is_some_and(|at| at.is_all_ap_groups == Some(true)) {
        return Ok(Place::AllGroups);
    }
    let ask = |permit| r1.venue_settings(permit, venue, &network.id);
    match asked(cx.gate.as_ref(), ask).await {
        Ok(VenueSettings {
            is_all_ap_groups: Some(true),
            ..
        }) => Ok(Place::AllGroups),
        Ok(_) => Ok(Place::SomeGroups),
        Err(CallError::NotFound { .. }) if shown.is_none() => Ok(Place::Nowhere),
        Err(CallError::NotFound { .. }) => Ok(Place::SomeGroups),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn network(id: &str, name: &str, ssid: &str, kind: &str) -> WifiNetwork {
        serde_json::from_value(json!({"id": id, "name": name, "ssid": ssid, "nwSubType": kind})).unwrap()
    }

    fn spec(ssid: &str, target: NetworkTarget) -> NetworkSpec {
        NetworkSpec {
            index: 0,
            ssid: ssid.into(),
            pool: 0,
            target,
        }
    }

    #[test]
    fn a_network_is_the_one_named_or_the_one_of_its_id() {
        let networks = vec![
            network("n", "Lobby", "Lobby", "dpsk"),
            network("m", "Roof", "Up there", "psk"),
            network("x", "Twin", "Twin", "dpsk"),
            network("y", "Twin", "Twin", "dpsk"),
        ];
        let there = There { networks, hidden: 0 };
        let resolved = |ssid: &str, target: NetworkTarget| {
            there
                .resolve(&spec(ssid, target))
                .map(|found| found.map(|n| n.id.clone()))
                .map_err(|e| (e.code, e.message))
        };
        let existing = |id: &str| NetworkTarget::Existing(id.to_owned());
        assert_eq!(resolved("Lobby", NetworkTarget::Create), Ok(Some("n".into())));
        assert_eq!(resolved("Bar", NetworkTarget::Create), Ok(None));
        assert_eq!(resolved("Twin", existing("y")), Ok(Some("y".into())));
        let code = |ssid: &str, target: NetworkTarget| resolved(ssid, target).unwrap_err().0;
        assert_eq!(code("Twin", NetworkTarget::Create), "AMBIGUOUS_NAME");
        assert_eq!(code("Gone", existing("z")), "NETWORK_NOT_FOUND");
        let (code, message) = resolved("Roof", NetworkTarget::Create).unwrap_err();
        assert_eq!(code, "NETWORK_UNFIT");
        assert_eq!(
            message,
            "Wi-Fi network \"Roof\" (m) can't be used: nwSubType is \"psk\", wanted dpsk; ssid is \"Up there\", wanted \"Roof\""
        );
    }
}

//! The tasks of `activate_networks`: which there are, and what each carries.

use serde::{Deserialize, Serialize};
use shared::cloudpath::{ImportPlan, NetworkSpec, NetworkTarget};
use shared::job::outcome::{Origin, Resource};

use crate::r1::network::WifiNetwork;

/// What is done to a network, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Only where the plan names no network.
    Create,
    Link,
    Activate,
}

impl Step {
    pub fn title(self, ssid: &str) -> String {
        match self {
            Step::Create => format!("create {ssid}"),
            Step::Link => format!("link {ssid}"),
            Step::Activate => format!("activate {ssid}"),
        }
    }
}

/// A task of the phase.
pub struct Planned<'p> {
    pub index: u32,
    pub network: &'p NetworkSpec,
    pub step: Step,
}

/// All tasks, in order. It depends on the plan of the import alone, not on what is there: an index means the same in every run.
pub fn steps(plan: &ImportPlan) -> Vec<Planned<'_>> {
    let steps = plan.networks.iter().flat_map(|network| {
        let create = (network.target == NetworkTarget::Create).then_some(Step::Create);
        let steps = create.into_iter().chain([Step::Link, Step::Activate]);
        steps.map(move |step| (network, step))
    });
    let planned = |(index, (network, step))| Planned { index, network, step };
    (0..).zip(steps).map(planned).collect()
}

/// What a task carries. Stored in batch blobs: fields are only ever added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Data {
    /// The network's name is its SSID.
    Create { ssid: String },
    Link {
        ssid: String,
        /// Absent: it was not there when this was planned; then it is the one named like its SSID.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        network_id: Option<String>,
        pool_id: String,
        pool: String,
        /// Another pool was linked, and shall not be any more.
        #[serde(default)]
        replaces: bool,
    },
    Activate {
        ssid: String,
        /// As of [`Data::Link`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        network_id: Option<String>,
        /// The pool that has to be linked before. Absent: that was so when this was planned.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        needs_pool_id: Option<String>,
        /// It is on some AP groups of the venue, and shall be on all.
        #[serde(default)]
        widens: bool,
    },
}

impl Data {
    pub fn ssid(&self) -> &str {
        match self {
            Data::Create { ssid } | Data::Link { ssid, .. } | Data::Activate { ssid, .. } => ssid,
        }
    }

    pub fn network_id(&self) -> Option<&str> {
        match self {
            Data::Create { .. } => None,
            Data::Link { network_id, .. } | Data::Activate { network_id, .. } => network_id.as_deref(),
        }
    }

    /// Whether the task is about this network. One that was not there when it was planned is known by its name.
    pub fn means(&self, network: &WifiNetwork) -> bool {
        match self.network_id() {
            Some(id) => network.id == id,
            None => network.name == self.ssid(),
        }
    }

    /// What a write of this task that was carried out is in the ledger.
    pub fn origin(&self) -> Origin {
        match self {
            Data::Link { replaces: true, .. } | Data::Activate { widens: true, .. } => Origin::Updated,
            _ => Origin::Created,
        }
    }

    pub fn resource(&self, id: String, origin: Origin) -> Resource {
        let kind = match self {
            Data::Create { .. } => "wifi_network",
            Data::Link { .. } => "network_pool",
            Data::Activate { .. } => "activation",
        };
        Resource {
            kind: kind.into(),
            id,
            name: self.ssid().to_owned(),
            origin,
        }
    }
}

/// Id of a link in the ledger: that of the network, and that of the pool.
pub fn link_id(network: &str, pool: &str) -> String {
    format!("{network}/{pool}")
}

/// Id of an activation in the ledger: that of the venue, and that of the network.
pub fn activation_id(venue: &str, network: &str) -> String {
    format!("{venue}/{network}")
}

/// What no two jobs change at a time: an activation, and a link of what is on the air, goes to every AP group of the venue.
pub fn ap_groups(venue: &str) -> String {
    format!("ap_groups|{venue}")
}

/// What no two jobs change at a time, whichever way they name the network.
pub fn claimed(ssid: &str) -> String {
    format!("wifi_network|{ssid}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_index_is_that_of_the_step_in_the_plan() {
        let plan: ImportPlan = serde_json::from_value(json!({
            "groups": [], "pools": [],
            "totals": {"rows": 0, "imports": 0, "skips": 0, "skips_by_code": {}, "changes_by_reason": {}},
            "networks": [{"index": 0, "ssid": "A", "pool": 0, "target": {"existing": "n-1"}},
                         {"index": 1, "ssid": "B", "pool": 0, "target": "create"}],
        }))
        .unwrap();
        let all: Vec<_> = steps(&plan)
            .iter()
            .map(|p| (p.index, p.step.title(&p.network.ssid)))
            .collect();
        let wanted = ["link A", "activate A", "create B", "link B", "activate B"];
        assert_eq!(all, (0..).zip(wanted.map(str::to_owned)).collect::<Vec<_>>());
    }

    /// Blobs of running jobs outlive deploys: these lines must be read for ever.
    #[test]
    fn persisted_forms_are_read_for_ever() {
        for line in [
            r#"{"step":"create","ssid":"A"}"#,
            r#"{"step":"link","ssid":"A","network_id":"n","pool_id":"p","pool":"P","replaces":true}"#,
            r#"{"step":"activate","ssid":"A","needs_pool_id":"p","widens":false}"#,
        ] {
            let data: Data = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_string(&data).unwrap(), line);
        }
    }
}

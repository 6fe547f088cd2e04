//! AP groups: looked up, never changed.

use serde::Deserialize;
use serde_json::{Map, json};

use super::sweep::{List, Row};
use super::wire::Media;
use super::{R1, Sweep};
use crate::gate::Gate;
use crate::remote::CallError;

/// An AP group as it is on the controller.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApGroup {
    pub id: String,
    /// The default group of a venue may have none.
    #[serde(default)]
    pub name: Option<String>,
    #[serde(default)]
    pub is_default: Option<bool>,
    #[serde(default)]
    pub venue_id: Option<String>,
    /// Networks on its access points: at most 15 SSIDs.
    #[serde(default)]
    pub wifi_network_ids: Option<Vec<String>>,
}

impl Row for ApGroup {
    fn id(&self) -> &str {
        &self.id
    }
}

impl R1 {
    /// The AP groups of a venue. Every venue has one at least, so when the controller shows none it did not understand the filter, and
    /// all AP groups of the tenant are gone through instead.
    pub async fn ap_groups(&self, gate: &dyn Gate, venue: &str) -> Result<Vec<ApGroup>, CallError> {
        let of_venue = |group: &ApGroup| group.venue_id.as_deref() == Some(venue);
        let filter = json!({"venueId": [venue]});
        for filters in [Some(filter), None] {
            let mut groups = Vec::new();
            let mut sweep = self.query_ap_groups(filters);
            // A filter may also be ignored.
            sweep
                .visit(gate, |group| groups.extend(Some(group).filter(of_venue)))
                .await?;
            if !groups.is_empty() {
                return Ok(groups);
            }
        }
        Ok(Vec::new())
    }

    fn query_ap_groups(&self, filters: Option<serde_json::Value>) -> Sweep<ApGroup> {
        let fields = json!(["id", "name", "isDefault", "venueId", "wifiNetworkIds"]);
        let mut body = Map::from_iter([("fields".into(), fields)]);
        body.extend(filters.map(|filters| ("filters".into(), filters)));
        let path = ["venues", "apGroups", "query"].map(String::from).to_vec();
        let media = Media::Json;
        Sweep::new(self, List::Body { path, media, body })
    }
}

//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};
use uuid::Uuid;

use crate::exit;

/// Move Wi-Fi keys from Cloudpath into RUCKUS One, and watch the jobs that do it
#[derive(Debug, Parser)]
#[command(name = "phaseline", version, after_help = exit::TABLE, max_term_width = 100)]
pub struct Args {
    /// Address of the Phaseline API
    #[arg(long, env = "PHASELINE_URL", default_value = "http://127.0.0.1:8080", global = true)]
    pub url: String,
    /// Access token (JWT); an API in development mode needs none
    #[arg(long, env = "PHASELINE_TOKEN", hide_env_values = true, global = true)]
    pub token: Option<String>,
    /// Print JSON: one document, or one line for every change while watching
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Import a Cloudpath export into a RUCKUS One controller
    Import(Import),
    /// Show how far a job is
    Status(Status),
    /// List jobs, newest first
    Jobs(Jobs),
    /// List the tasks of a job: one for every group, pool and key
    Tasks(Tasks),
    /// Stop sending anything new; what is under way is still brought to its end
    Pause {
        /// The job's id
        #[arg(value_parser = job_id)]
        job: Uuid,
        /// Kept with the job, for whoever finds it paused
        #[arg(long)]
        reason: Option<String>,
    },
    /// Continue a paused job
    Resume {
        /// The job's id
        #[arg(value_parser = job_id)]
        job: Uuid,
    },
    /// End a job; what it has created stays
    Cancel {
        /// The job's id
        #[arg(value_parser = job_id)]
        job: Uuid,
    },
}

#[derive(Debug, ClapArgs)]
#[command(after_help = "\
FILE is either an export as Cloudpath makes it (then --controller and --venue say where to), or a whole
request body {\"controller_id\", \"venue_id\", \"dpsk_data\", \"options\"}.

What is made in RUCKUS One, for a Cloudpath pool `Lobby`:
  identity group `Lobby-IDG`, DPSK pool `Lobby-DPSK`
  a bare array of DPSKs:     group `Cloudpath Import`, pool `Cloudpath DPSKs`
  group_by_vlan, one pool:   group `VLAN 44` (or `No VLAN`), pool `VLAN 44 - Cloudpath DPSKs`
  group_by_vlan, several:    group `VLAN 44 - Lobby`, pool `VLAN 44 - Lobby-DPSK`
Longer names (pool 32, group 255 characters) are cut and end in a hash.

Options (NAME=VALUE; the first value is the default):
  group_by_vlan=false|true       one group and one pool per VLAN
  include_adaptive_policy_sets=false|true  users by the suffix behind their last `_`: RADIUS groups of that name
  just_copy_dpsks=true|false     false: put the SSIDs of ssid_network_map on the air
  ssid_network_map={\"Lobby\":\"create\"}  SSID to id of a network, or create
  name_conflict=fail|adopt|update  an object of that name is there and differs
  invalid_rows=fail|skip         a bad row refuses the whole export, or is skipped
  expired=import|skip|renew      keys whose time is over: without expiry, not at all, or by whole years
  failure_budget_percent=N       pause the job when more than N % have failed
  timeout_seconds=N              end the job FAILED when it takes longer

Examples:
  phaseline import export.json --controller 1 --venue 7f3c… --watch
  phaseline import export.json --controller 1 --venue 7f3c… --option group_by_vlan=true --option expired=renew
  phaseline import request.json")]
pub struct Import {
    /// Cloudpath export, or a whole request body (JSON)
    pub file: PathBuf,
    /// Number of the controller that the keys go to
    #[arg(long, value_name = "ID")]
    pub controller: Option<i64>,
    /// Id of the venue that the keys go to
    #[arg(long, value_name = "ID")]
    pub venue: Option<String>,
    /// An option of the import; repeat for several
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = option_pair)]
    pub options: Vec<(String, serde_json::Value)>,
    /// Show the progress until the job has ended
    #[arg(long)]
    pub watch: bool,
    /// Print the request body to standard output instead of sending it (it holds the passphrases)
    #[arg(long, conflicts_with_all = ["watch", "idempotency_key"])]
    pub just_wrap: bool,
    /// Makes a repeated command find its job again instead of starting another; made up when not given
    #[arg(long, value_name = "KEY")]
    pub idempotency_key: Option<String>,
    /// How long to go on trying when the API is away
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=1440))]
    pub patience: u64,
}

#[derive(Debug, ClapArgs)]
pub struct Status {
    /// The job's id
    #[arg(value_parser = job_id)]
    pub job: Uuid,
    /// Show the progress until the job has ended
    #[arg(long)]
    pub watch: bool,
    /// How long to go on trying when the API is away while watching
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=1440))]
    pub patience: u64,
}

#[derive(Debug, ClapArgs)]
pub struct Jobs {
    /// Only jobs in this state, e.g. RUNNING or PARTIAL
    #[arg(long, ignore_case = true, value_parser = [
        "AWAITING_CONFIRMATION", "PENDING", "RUNNING", "PAUSED", "CANCELLING", "CANCELLED", "COMPLETED", "PARTIAL", "FAILED"])]
    pub status: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub limit: u64,
}

#[derive(Debug, ClapArgs)]
pub struct Tasks {
    /// The job's id
    #[arg(value_parser = job_id)]
    pub job: Uuid,
    /// Only tasks that failed, or whose fate is unknown
    #[arg(long, conflicts_with = "status")]
    pub failed: bool,
    /// Only tasks in this state
    #[arg(long, ignore_case = true, value_parser = [
        "PENDING", "IN_PROGRESS", "POLLING", "COMPLETED", "FAILED", "SKIPPED", "UNKNOWN", "CANCELLED"])]
    pub status: Option<String>,
    /// Only tasks of this phase, e.g. create_passphrases
    #[arg(long)]
    pub phase: Option<String>,
    /// At most this many
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub limit: u64,
}

fn job_id(text: &str) -> Result<Uuid, String> {
    let id = "the id of a job looks like 0197a1b2-3c4d-7000-8000-1234567890ab; `phaseline jobs` lists them";
    text.trim().parse().map_err(|_| id.to_owned())
}

/// `name=value`: the value is JSON where it is (`true`, `5`, `{"a":"b"}`), else text.
fn option_pair(text: &str) -> Result<(String, serde_json::Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    if name.is_empty() {
        return Err("write it as NAME=VALUE".to_owned());
    }
    let value = serde_json::from_str(value).unwrap_or_else(|_| serde_json::Value::String(value.to_owned()));
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn option_values_are_json_where_they_can_be() {
        assert_eq!(option_pair("a=true").unwrap().1, serde_json::json!(true));
        assert_eq!(option_pair("a=renew").unwrap().1, serde_json::json!("renew"));
        assert_eq!(option_pair("a=x=y").unwrap().1, serde_json::json!("x=y"));
        assert!(option_pair("a").is_err() && option_pair("=a").is_err());
    }

    #[test]
    fn what_is_no_job_id_is_told_what_one_looks_like() {
        for command in ["status", "tasks", "pause", "resume", "cancel"] {
            let said = Args::try_parse_from(["phaseline", command, "42"])
                .unwrap_err()
                .to_string();
            assert!(
                said.contains("`phaseline jobs` lists them") && !said.contains("length"),
                "{said}"
            );
        }
    }
}

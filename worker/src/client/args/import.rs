//! The command line of `phaseline import`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::values::option_pair;

/// Names an import's `--option` may begin with, for shells to complete. The API knows which there are.
pub const OPTIONS: [&str; 11] = [
    "just_copy_dpsks",
    "ssid_network_map",
    "include_adaptive_policy_sets",
    "group_by_vlan",
    "name_conflict",
    "invalid_rows",
    "expired",
    "failure_budget_percent",
    "timeout_seconds",
    "require_confirmation",
    "plan_hash",
];

/// What is sent, and where to.
#[derive(Debug, Args)]
pub struct Sent {
    /// Cloudpath export, or a whole request body (JSON)
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Number of the controller that the keys go to
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other)]
    pub controller: Option<i64>,
    /// Id of the venue that the keys go to
    #[arg(long, value_name = "ID", value_hint = ValueHint::Other)]
    pub venue: Option<String>,
    /// An option of the import; repeat for several
    #[arg(long = "option", value_name = "NAME=VALUE", value_parser = option_pair, value_hint = ValueHint::Other)]
    pub options: Vec<(String, serde_json::Value)>,
    /// Makes a repeated command find its job again instead of starting another; made up when not given
    #[arg(long, value_name = "KEY", value_hint = ValueHint::Other)]
    pub idempotency_key: Option<String>,
    /// How long to go on trying when the API is away
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=1440))]
    pub patience: u64,
}

#[derive(Debug, Args)]
#[command(after_help = "\
FILE and the options are those of `phaseline import`, whose help lists them.
Nothing is written. What an import would do is counted by phase:
  create    not there: to be made
  update    there, differs, and is to be changed (name_conflict=update)
  adopt     there, and taken as it is
  conflict  would fail; the reasons are printed, `phaseline tasks` lists all
  skip      nothing is to be done for it
`phaseline report JOB` has every row of the plan.

The hash stands for all of it. `phaseline import FILE --option plan_hash=HASH`
begins only if a plan made at that moment would be the same.

Exit code 2 says that something would fail.

Examples:
  phaseline plan export.json --controller 1 --venue 7f3c…
  phaseline plan export.json --controller 1 --venue 7f3c… \\
      --option name_conflict=update --json")]
pub struct Plan {
    #[command(flatten)]
    pub sent: Sent,
}

#[derive(Debug, Args)]
#[command(after_help = "\
FILE is either an export as Cloudpath makes it (then --controller and --venue
say where to), or a whole request body {\"controller_id\", \"venue_id\",
\"dpsk_data\", \"options\"}.

What is made in RUCKUS One, for a Cloudpath pool `Lobby`:
  identity group `Lobby-IDG`, DPSK pool `Lobby-DPSK`
  a bare array of DPSKs:     `Cloudpath Import`, `Cloudpath DPSKs`
  group_by_vlan, one pool:   `VLAN 44` (or `No VLAN`),
                             `VLAN 44 - Cloudpath DPSKs`
  group_by_vlan, several:    `VLAN 44 - Lobby`, `VLAN 44 - Lobby-DPSK`
Longer names (pool 32, group 255 characters) are cut and end in a hash.

Options (NAME=VALUE; the first value is the default):
  just_copy_dpsks=true|false
      false: put the SSIDs of ssid_network_map on the air
  ssid_network_map={}|{\"Lobby\":\"create\"}
      SSID to id of a network, or create
  include_adaptive_policy_sets=false|true
      users by the suffix behind their last `_`: RADIUS groups of that name
  group_by_vlan=false|true
      one group and one pool per VLAN
  name_conflict=fail|adopt|update
      an object of that name is there and differs
  invalid_rows=fail|skip
      a bad row refuses the whole export, or is skipped
  expired=import|skip|renew
      keys whose time is over: without expiry, not at all, or by whole years
  failure_budget_percent=N
      pause the job when more than N % have failed
  timeout_seconds=N
      end the job FAILED when it takes longer
  require_confirmation=false|true
      true: nothing is done until `phaseline confirm`
  plan_hash=HASH
      of `phaseline plan`: begin only if it would do what was planned

Examples:
  phaseline import export.json --controller 1 --venue 7f3c… --watch
  phaseline import export.json --controller 1 --venue 7f3c… \\
      --option group_by_vlan=true --option expired=renew
  phaseline import request.json --wait 60 --json")]
pub struct Import {
    #[command(flatten)]
    pub sent: Sent,
    /// Show the progress until the job has ended
    #[arg(long)]
    pub watch: bool,
    /// Wait so long (1 to 60) for the job's end, in silence; then it goes on by itself
    #[arg(long, value_name = "SECONDS", conflicts_with = "watch", value_parser = clap::value_parser!(u64).range(1..=60))]
    pub wait: Option<u64>,
    /// Print the request body to standard output instead of sending it (it holds the passphrases)
    #[arg(long, conflicts_with_all = ["watch", "wait", "idempotency_key"])]
    pub just_wrap: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_options_that_are_completed_are_those_of_the_help() {
        let mut command = crate::args::Args::command();
        let help = command.find_subcommand_mut("import").unwrap().render_help().to_string();
        let told = help.lines().filter_map(|line| {
            let (name, _) = line.strip_prefix("  ")?.split_once('=')?;
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'_')
                .then_some(name)
        });
        assert_eq!(told.collect::<Vec<_>>(), OPTIONS);
    }
}

//! The command line.

mod audit;
mod cleanup;
mod import;
mod lists;
mod replay;
mod report;
mod retry;
mod values;

use clap::{Parser, Subcommand, ValueHint};
use clap_complete::Shell;
use uuid::Uuid;

use crate::exit;

pub use audit::Audit;
pub use cleanup::Cleanup;
pub use import::{Import, OPTIONS, Plan, Sent};
pub use lists::{Jobs, Tasks};
pub use replay::Replay;
pub use report::{Format, Report};
pub use retry::Retry;
use values::job_id;

/// Heading of the options that every command has.
const EVERYWHERE: &str = "Options of every command";

/// Move Wi-Fi keys from Cloudpath into RUCKUS One, and watch the jobs that do it
#[derive(Debug, Parser)]
#[command(name = "phaseline", version, after_help = exit::TABLE, max_term_width = 100)]
pub struct Args {
    /// Address of the Phaseline API
    #[arg(long, env = "PHASELINE_URL", default_value = "http://127.0.0.1:8080", global = true,
        help_heading = EVERYWHERE, value_hint = ValueHint::Url)]
    pub url: String,
    /// Access token (JWT); an API in development mode needs none
    #[arg(long, env = "PHASELINE_TOKEN", hide_env_values = true, global = true,
        help_heading = EVERYWHERE, value_hint = ValueHint::Other)]
    pub token: Option<String>,
    /// Print JSON: one document, or one line for every change while watching
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Import a Cloudpath export into a RUCKUS One controller
    Import(Import),
    /// Find out what an import would do, and write nothing
    Plan(Plan),
    /// Show how far a job is
    Status(Status),
    /// List jobs, newest first
    Jobs(Jobs),
    /// List the tasks of a job: one for every group, pool and key
    Tasks(Tasks),
    /// Fetch the report of a job: one row for every task, as CSV or JSON
    Report(Report),
    /// Begin a job that waits for confirmation (import option require_confirmation)
    Confirm {
        /// The job's id
        #[arg(value_parser = job_id, value_hint = ValueHint::Other)]
        job: Uuid,
    },
    /// Stop sending anything new; what is under way is still brought to its end
    Pause {
        /// The job's id
        #[arg(value_parser = job_id, value_hint = ValueHint::Other)]
        job: Uuid,
        /// Kept with the job, for whoever finds it paused
        #[arg(long, value_hint = ValueHint::Other)]
        reason: Option<String>,
    },
    /// Continue a paused job
    Resume {
        /// The job's id
        #[arg(value_parser = job_id, value_hint = ValueHint::Other)]
        job: Uuid,
    },
    /// End a job; what it has created stays
    Cancel {
        /// The job's id
        #[arg(value_parser = job_id, value_hint = ValueHint::Other)]
        job: Uuid,
    },
    /// Take up what is left of a job that has ended, as a new job
    Retry(Retry),
    /// Delete what a job that has ended has made in RUCKUS One
    Cleanup(Cleanup),
    /// Compare what a job has left behind with what is in RUCKUS One now
    Audit(Audit),
    /// Look at the fleet: what is queued, who works, what the controllers allow
    #[command(subcommand)]
    Admin(Admin),
    /// Print a completion script for a shell
    #[command(after_help = "\
Install it, and start a new shell:
  bash        mkdir -p ~/.local/share/bash-completion/completions
              phaseline completion bash \\
                > ~/.local/share/bash-completion/completions/phaseline
  zsh         phaseline completion zsh > \"${fpath[1]}/_phaseline\"
  fish        mkdir -p ~/.config/fish/completions
              phaseline completion fish \\
                > ~/.config/fish/completions/phaseline.fish
  elvish      phaseline completion elvish >> ~/.config/elvish/rc.elv
  powershell  phaseline completion powershell >> $PROFILE

In bash every state of a list is completed (--status PARTIAL,FAILED), and the
names of an import's --option. In zsh and fish the first state of a list is
completed, in elvish and powershell none: type the others.")]
    Completion {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Subcommand)]
pub enum Admin {
    /// The work streams and their lanes: what waits, since when, and for what (role operator)
    Streams,
    /// The workers that were heard of lately, and how busy they are (role operator)
    Workers,
    /// What each controller allows now and by its configuration (role operator; admin: own controllers)
    Limits,
    /// Batches that were given up (role operator; admin: own tenant)
    DeadLetters,
    /// Take up a batch that was given up, as a new job
    Replay(Replay),
    /// Drop a dead letter that is dealt with otherwise, or not to be; its job stays as it is
    Dismiss {
        /// The dead letter's id
        #[arg(value_name = "LETTER", value_hint = ValueHint::Other)]
        letter: String,
    },
}

#[derive(Debug, clap::Args)]
pub struct Status {
    /// The job's id
    #[arg(value_parser = job_id, value_hint = ValueHint::Other)]
    pub job: Uuid,
    /// Show the progress until the job has ended
    #[arg(long)]
    pub watch: bool,
    /// How long to go on trying when the API is away while watching
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=1440))]
    pub patience: u64,
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
    fn what_is_no_job_id_is_told_what_one_looks_like() {
        for command in [
            "status", "tasks", "report", "confirm", "pause", "resume", "cancel", "retry", "cleanup", "audit",
        ] {
            let said = Args::try_parse_from(["phaseline", command, "42"])
                .unwrap_err()
                .to_string();
            assert!(
                said.contains("`phaseline jobs` lists them") && !said.contains("length"),
                "{said}"
            );
        }
    }

    /// What was laid out by hand must not be broken again at 80 columns.
    #[test]
    fn help_fits_eighty_columns() {
        let mut all = vec![Args::command().term_width(80)];
        while let Some(mut command) = all.pop() {
            for line in command.render_long_help().to_string().lines() {
                assert!(line.chars().count() <= 80, "{}: {line}", command.get_name());
            }
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let help = command.render_help().to_string();
            for line in after.lines() {
                assert!(help.contains(line), "{} breaks: {line}", command.get_name());
            }
            all.extend(command.get_subcommands().map(|c| c.clone().term_width(80)));
        }
    }
}

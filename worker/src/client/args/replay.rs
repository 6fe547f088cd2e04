//! The command line of `phaseline admin replay`.

use clap::{Args, ValueHint};

#[derive(Debug, Args)]
#[command(after_help = "\
A dead letter is a batch that was given up, because workers died over it again
and again. Its job has to have ended; the new job is about the keys of that
batch, or, if the batch was about something else, about all that is left of
the job. Asked for a second time, it finds the job of the first. What can't be
replayed, such as a batch of a cleanup, says what to do instead; when that is
done, dismiss the letter.

Examples:
  phaseline admin dead-letters
  phaseline admin replay 0.1795817912065-0 --watch
  phaseline admin dismiss 0.1795817912065-0")]
pub struct Replay {
    /// The dead letter's id
    #[arg(value_name = "LETTER", value_hint = ValueHint::Other)]
    pub letter: String,
    /// Show the progress until the new job has ended
    #[arg(long)]
    pub watch: bool,
    /// Wait so long (1 to 60) for the new job's end, in silence; then it goes on by itself
    #[arg(long, value_name = "SECONDS", conflicts_with = "watch", value_parser = clap::value_parser!(u64).range(1..=60))]
    pub wait: Option<u64>,
    /// How long to go on trying when the API is away
    #[arg(long, value_name = "MINUTES", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=1440))]
    pub patience: u64,
}

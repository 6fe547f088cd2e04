//! Random runs: four modes, twenty starts each, five to a test so that they spread over the cores.

use crate::world::{Mode, World};

fn starts(mode: Mode, range: std::ops::RangeInclusive<u64>) {
    for start in range {
        match World::new(mode, start).run() {
            Ok(said) => println_test(&said),
            Err(e) => panic!(
                "start {start}: {e}\nagain with: PROTOCOL_MODE={mode:?} PROTOCOL_SEED={start} cargo nextest run -p testkit --test protocol one_start"
            ),
        }
    }
}

#[expect(clippy::print_stdout, reason = "shown when a test fails, or with --no-capture")]
fn println_test(s: &str) {
    println!("{s}");
}

macro_rules! blocks {
    ($($name:ident $mode:ident $from:literal $to:literal;)*) => {
        $( #[test] fn $name() { starts(Mode::$mode, $from..=$to); } )*
    };
}

blocks! {
    plain_01_05 Plain 1 5;
    plain_06_10 Plain 6 10;
    plain_11_15 Plain 11 15;
    plain_16_20 Plain 16 20;
    killaof_01_05 KillAof 1 5;
    killaof_06_10 KillAof 6 10;
    killaof_11_15 KillAof 11 15;
    killaof_16_20 KillAof 16 20;
    timetravel_01_05 TimeTravel 1 5;
    timetravel_06_10 TimeTravel 6 10;
    timetravel_11_15 TimeTravel 11 15;
    timetravel_16_20 TimeTravel 16 20;
    sabotage_01_05 Sabotage 1 5;
    sabotage_06_10 Sabotage 6 10;
    sabotage_11_15 Sabotage 11 15;
    sabotage_16_20 Sabotage 16 20;
}

/// `PROTOCOL_MODE=plain|killaof|timetravel|sabotage`, `PROTOCOL_SEED=7` or `PROTOCOL_SEED=1-1000`; nothing to do without them.
#[test]
fn one_start() {
    let (Ok(mode), Ok(seed)) = (std::env::var("PROTOCOL_MODE"), std::env::var("PROTOCOL_SEED")) else {
        return;
    };
    let mode = Mode::parse(&mode).expect("PROTOCOL_MODE=plain|killaof|timetravel|sabotage");
    let (from, to) = seed.split_once('-').unwrap_or((&seed, &seed));
    starts(
        mode,
        from.parse().expect("PROTOCOL_SEED")..=to.parse().expect("PROTOCOL_SEED"),
    );
}

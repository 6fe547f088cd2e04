//! `phaseline completion`: a script by which a shell completes this command.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::args::{Args, OPTIONS};
use crate::exit;
use crate::output::Output;

pub fn run(shell: Shell, output: Output) -> u8 {
    output.bytes(&script(shell));
    exit::OK
}

/// What the generator cannot: the second state of a list, and the names of an import's options. It asks the generated function for the
/// part behind the last comma.
const BASH: &str = r#"
_phaseline_more() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" before=""
    if [[ $prev == --option ]]; then
        COMPREPLY=($(compgen -W "OPTIONS" -S = -- "$cur"))
        compopt -o nospace 2>/dev/null
        return 0
    fi
    if [[ ( $prev == --status || $prev == --verdict ) && $cur == *,* ]]; then
        before="${cur%,*},"
        cur="${cur##*,}"
        COMP_WORDS[COMP_CWORD]="$cur"
    fi
    _phaseline "$1" "$cur" "$prev"
    [[ -z $before ]] || COMPREPLY=("${COMPREPLY[@]/#/$before}")
}
complete -F _phaseline_more -o nosort -o bashdefault -o default phaseline 2>/dev/null ||
    complete -F _phaseline_more -o bashdefault -o default phaseline
"#;

fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    generate(shell, &mut Args::command(), "phaseline", &mut script);
    if shell == Shell::Bash {
        script.extend(BASH.replace("OPTIONS", &OPTIONS.join(" ")).into_bytes());
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{Command, ValueEnum};

    /// Every subcommand and long flag below a command, and every value that is listed for a flag.
    fn words(command: &Command, names: &mut Vec<String>, values: &mut Vec<String>) {
        for argument in command.get_arguments().filter(|a| !a.is_hide_set()) {
            names.extend(argument.get_long().map(str::to_owned));
            // a switch has values for the parser only
            let is_list = argument.get_action().takes_values() && !argument.is_positional();
            let listed = is_list.then(|| argument.get_possible_values());
            values.extend(listed.iter().flatten().map(|value| value.get_name().to_owned()));
        }
        for subcommand in command.get_subcommands() {
            names.push(subcommand.get_name().to_owned());
            words(subcommand, names, values);
        }
    }

    #[test]
    fn every_subcommand_flag_and_value_is_in_every_script() {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        words(&Args::command(), &mut names, &mut values);
        assert!(
            ["report", "limits", "controller", "wait"]
                .iter()
                .all(|n| names.iter().any(|name| name == n))
        );
        assert!(
            ["PARTIAL", "UNKNOWN", "csv"]
                .iter()
                .all(|v| values.iter().any(|value| value == v))
        );
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell)).unwrap();
            // the generator completes no values for these two
            let knows_values = !matches!(shell, Shell::Elvish | Shell::PowerShell);
            for word in names.iter().chain(values.iter().filter(|_| knows_values)) {
                assert!(script.contains(word.as_str()), "{shell}: {word} is missing");
            }
        }
    }
}

//! Text of others on somebody's terminal: made harmless, and broken at words where a line would not fit.

use std::borrow::Cow;
use std::io::IsTerminal;

/// Narrower than this nothing can be laid out; such a width is taken for a mistake.
const WIDTH_MIN: usize = 20;

/// The text with what would steer a terminal shown instead of done: `\u{1b}` for an escape character, `\n` for a line feed. Names come
/// from exports and from controllers, and anybody can have put anything into them.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(steers) {
        return Cow::Borrowed(text);
    }
    let shown = text.chars().flat_map(|c| {
        let escaped = steers(c).then(|| c.escape_default());
        let plain = escaped.is_none().then_some(c);
        escaped.into_iter().flatten().chain(plain)
    });
    Cow::Owned(shown.collect())
}

/// Control characters, and those that turn the direction of writing or break a line.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON that is safe on a terminal too: what a serialiser leaves as it is (delete, C1 controls) is written as an escape.
pub fn visible_json(json: &str) -> Cow<'_, str> {
    if !json.chars().any(char::is_control) {
        return Cow::Borrowed(json);
    }
    let mut shown = String::with_capacity(json.len() + 32);
    for c in json.chars() {
        match c {
            c if c.is_control() => shown += &format!("\\u{:04x}", u32::from(c)),
            c => shown.push(c),
        }
    }
    Cow::Owned(shown)
}

/// So many of something, with its name for one, which an s makes its name for several.
pub fn counted(n: u64, one: &str) -> String {
    match n {
        1 => format!("1 {one}"),
        n => format!("{n} {one}s"),
    }
}

/// Columns of the terminal that standard output is; else what `COLUMNS` says; else none, and a line is as long as it is.
pub fn width() -> Option<usize> {
    let terminal = std::io::stdout()
        .is_terminal()
        .then(terminal_size::terminal_size)
        .flatten()
        .map(|(width, _)| usize::from(width.0));
    let told = || std::env::var("COLUMNS").ok()?.parse().ok();
    terminal.or_else(told).filter(|width| *width >= WIDTH_MIN)
}

/// Lines of at most `width` columns, broken at words; those that follow are indented a little further than the first.
pub fn wrapped(text: &str, width: Option<usize>) -> Vec<Cow<'_, str>> {
    let Some(width) = width else {
        return vec![Cow::Borrowed(text)];
    };
    let indent = " ".repeat(text.len() - text.trim_start().len() + 2);
    // a word longer than the line, such as a path, is left whole: it can be copied
    let options = textwrap::Options::new(width)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    let lines = textwrap::wrap(text, options);
    lines.into_iter().map(|line| Cow::Owned(line.into_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_and_not_done() {
        assert_eq!(
            visible("anna\u{1b}[2J\r\n\u{9b}1m\u{7f}"),
            r"anna\u{1b}[2J\r\n\u{9b}1m\u{7f}"
        );
        assert_eq!(visible("a\u{202e}b\u{2028}"), r"a\u{202e}b\u{2028}");
        assert!(matches!(visible("Zoë 北京 👩\u{200d}🔧"), Cow::Borrowed(_)));
    }

    #[test]
    fn json_stays_the_same_json() {
        let value = serde_json::json!({"name": "a\u{9b}2J\u{7f}\u{1b}ö"});
        let text = value.to_string();
        let shown = visible_json(&text);
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn long_lines_break_at_words_and_hang() {
        let lines = wrapped("  error: anna: refused by the controller", Some(24));
        assert_eq!(lines, ["  error: anna: refused", "    by the controller"]);
        assert_eq!(wrapped("one two three four five six", None).len(), 1);
    }
}

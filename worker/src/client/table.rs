//! Aligned columns that fit the terminal: what does not fit is left out (columns that can be spared) or broken at words.

use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table as Layout, presets};

use crate::output::Output;
use crate::text;

/// Between two columns.
const GAP: usize = 2;
/// A column of text is worth showing from this width on.
const TEXT_MIN: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Never broken: ids, states.
    Word,
    /// The same, to the right.
    Number,
    /// Broken at words when the terminal is too narrow.
    Text,
}

#[derive(Debug, Clone, Copy)]
pub struct Column {
    title: &'static str,
    kind: Kind,
    is_spare: bool,
}

impl Column {
    pub const fn word(title: &'static str) -> Self {
        Column {
            title,
            kind: Kind::Word,
            is_spare: false,
        }
    }

    pub const fn number(title: &'static str) -> Self {
        Column {
            title,
            kind: Kind::Number,
            is_spare: false,
        }
    }

    pub const fn text(title: &'static str) -> Self {
        Column {
            title,
            kind: Kind::Text,
            is_spare: false,
        }
    }

    /// Left out where there is no room for it; of several the last goes first.
    pub const fn spare(mut self) -> Self {
        self.is_spare = true;
        self
    }
}

/// Rows of a list, in words.
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(columns: impl Into<Vec<Column>>) -> Self {
        Table {
            columns: columns.into(),
            rows: Vec::new(),
        }
    }

    /// A cell for each column.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(
            cells
                .into_iter()
                .map(|cell| text::visible(&cell).into_owned())
                .collect(),
        );
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn print(&self, output: Output) {
        for line in self.lines(output.width) {
            output.plain(&line);
        }
    }

    fn lines(&self, width: Option<usize>) -> Vec<String> {
        let shown = self.shown(width);
        let mut layout = Layout::new();
        layout.load_style(presets::NOTHING);
        if let Some(width) = width.and_then(|w| u16::try_from(w).ok()) {
            layout
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(width);
        }
        layout.set_header(shown.iter().map(|at| self.columns[*at].title));
        for row in &self.rows {
            layout.add_row(
                shown
                    .iter()
                    .map(|at| Cell::new(row.get(*at).map_or("", String::as_str))),
            );
        }
        let last = shown.len().saturating_sub(1);
        for (position, at) in shown.iter().enumerate() {
            let Some(column) = layout.column_mut(position) else {
                continue;
            };
            let gap = if position == last { 0 } else { GAP };
            column.set_padding((0, u16::try_from(gap).unwrap_or_default()));
            let kind = self.columns[*at].kind;
            if kind != Kind::Text {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
            if kind == Kind::Number {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        layout.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Columns that are shown.
    fn shown(&self, width: Option<usize>) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let Some(width) = width else { return shown };
        let needs: Vec<usize> = (0..self.columns.len()).map(|at| self.needs(at)).collect();
        while shown.iter().map(|at| needs[*at] + GAP).sum::<usize>() > width + GAP {
            let Some(spare) = shown.iter().rposition(|at| self.columns[*at].is_spare) else {
                break;
            };
            shown.remove(spare);
        }
        shown
    }

    fn needs(&self, at: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(at)).map(String::as_str);
        let widest = cells
            .chain([self.columns[at].title])
            .map(textwrap::core::display_width)
            .max()
            .unwrap_or_default();
        match self.columns[at].kind {
            Kind::Text => widest.min(TEXT_MIN),
            _ => widest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new([
            Column::word("STATUS"),
            Column::text("NAME"),
            Column::number("RETRIES"),
            Column::text("WHY"),
            Column::word("PHASE").spare(),
        ]);
        let why = "the controller refused it: the user name is taken in this pool by somebody else [NAME_CONFLICT]";
        table.row(["FAILED", "anna_北京", "2", why, "create_passphrases"].map(str::to_owned));
        table.row(["UNKNOWN", "ben\u{1b}[31m\nx", "", "", "create_passphrases"].map(str::to_owned));
        table
    }

    #[test]
    fn without_a_terminal_a_row_is_a_line() {
        let lines = table().lines(None);
        assert_eq!(lines.len(), 3, "{lines:#?}");
        assert!(lines[1].ends_with("create_passphrases") && lines[2].contains(r"ben\u{1b}[31m\nx"));
    }

    #[test]
    fn nothing_is_wider_than_the_terminal_and_words_stay_whole() {
        for width in [60, 80, 100] {
            let lines = table().lines(Some(width));
            for line in &lines {
                assert!(textwrap::core::display_width(line) <= width, "{width}: {line}");
            }
            let whole = lines.join("\n");
            assert!(
                whole.contains("controller") && whole.contains("NAME_CONFLICT]"),
                "{whole}"
            );
            assert_eq!(whole.contains("PHASE"), width > 60, "{whole}");
        }
    }
}

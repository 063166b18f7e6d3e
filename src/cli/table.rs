//! Tables for people.

use comfy_table::{CellAlignment, Table, presets};

/// A table with these headings; the columns named in `right` are aligned to the right.
pub(super) fn table(headings: &[&str], right: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headings.iter().map(|heading| heading.to_uppercase()));
    for (index, heading) in headings.iter().enumerate() {
        if let Some(column) = table.column_mut(index) {
            column.set_padding((0, 2));
            if right.contains(heading) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
    }
    table.add_rows(rows.into_iter().map(|row| row.into_iter().map(|cell| visible(&cell))));
    table.to_string().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// The game writes names too: what would break the table or command the terminal is shown as `\u{1b}`.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// `yes` or `no`.
pub(super) fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

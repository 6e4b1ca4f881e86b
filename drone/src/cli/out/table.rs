//! Tables for people.

use comfy_table::{ColumnConstraint, ContentArrangement, Row, Table, presets};

use super::text;

/// Columns at most so wide are not cut on a narrow terminal: states and numbers.
const SHORT: u16 = 9;

/// The lines of a table. On a terminal of some width: as wide as that, a line a row, without columns in
/// which there is nothing; elsewhere as wide as it wants to be.
pub(super) fn lines(header: &[&str], mut rows: Vec<Vec<String>>, width: Option<u16>) -> Vec<String> {
    let mut header: Vec<String> = header.iter().map(|name| name.to_uppercase()).collect();
    if width.is_some() {
        let kept: Vec<bool> = (0..header.len()).map(|i| rows.iter().any(|row| !row[i].is_empty())).collect();
        keep(&mut header, &kept);
        rows.iter_mut().for_each(|row| keep(row, &kept));
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_truncation_indicator("…").force_no_tty();
    table.set_header(line(&header)).add_rows(rows.iter().map(|row| line(row)));
    match width {
        Some(width) => fit(&mut table, width),
        None => drop(table.set_content_arrangement(ContentArrangement::Disabled)),
    }
    // The style has a space on the left.
    table.lines().map(|line| line.trim_end().strip_prefix(' ').unwrap_or_default().to_owned()).collect()
}

fn keep(cells: &mut Vec<String>, kept: &[bool]) {
    let mut kept = kept.iter();
    cells.retain(|_| kept.next().is_some_and(|kept| *kept));
}

fn line(cells: &[String]) -> Row {
    let mut row = Row::from(cells.iter().map(|cell| text::line(cell)));
    row.max_height(1);
    row
}

fn fit(table: &mut Table, width: u16) {
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    let widths = table.column_max_content_widths();
    for (i, column) in table.column_iter_mut().enumerate() {
        // An id that is cut is none.
        if i == 0 || widths[i] <= SHORT {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(error: &str) -> Vec<Vec<String>> {
        let cells = ["01a201bb-6d63-7726-8ebe-ab38f58b0000", "image.resize.thumbnail", "available", error];
        vec![cells.map(str::to_owned).to_vec()]
    }

    const HEADER: [&str; 4] = ["id", "type", "state", "error"];

    #[test]
    fn a_narrow_terminal_cuts_what_can_be_cut() {
        let lines = lines(&HEADER, rows("the disk is full, and has been so for days"), Some(80));
        assert_eq!(lines.len(), 2, "a line a row: {lines:?}");
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{lines:?}");
        assert!(lines[1].starts_with("01a201bb-6d63-7726-8ebe-ab38f58b0000  image"), "{lines:?}");
        assert!(lines[1].contains("…") && lines[1].contains("  available  "), "{lines:?}");
    }

    #[test]
    fn a_terminal_has_no_empty_columns_and_a_pipe_has_all() {
        assert!(!lines(&HEADER, rows(""), Some(80))[0].contains("ERROR"));
        assert!(lines(&HEADER, rows(""), None)[0].ends_with("STATE      ERROR"));
        let long = "x".repeat(500);
        assert!(lines(&HEADER, rows(&long), None)[1].ends_with(&long), "nothing is cut in a pipe");
    }
}

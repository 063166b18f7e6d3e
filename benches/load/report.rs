//! What was measured, as one table or as JSON, and what it is held against.

use std::collections::BTreeMap;

use serde::Serialize;

/// A ratio below this part of its committed value fails a run with `--check`.
const FLOOR: f64 = 0.5;

/// One line: a figure with what it was in each run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// What was done: `quiet cycle`.
    pub(crate) what: String,
    /// Under which circumstances: `10,000 players, SQLite`.
    pub(crate) case: String,
    /// The figure: `readings`.
    pub(crate) figure: String,
    pub(crate) unit: String,
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
    pub(crate) runs: usize,
    /// The name by which a ratio is committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<String>,
}

/// All lines.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
}

impl Report {
    /// Adds a figure.
    pub(crate) fn add(&mut self, what: &str, case: &str, figure: &str, unit: &str, measured: &[f64]) {
        self.push(what, case, figure, unit, measured, None);
    }

    /// Adds a ratio that is committed under `name`, if it is.
    pub(crate) fn ratio(&mut self, name: &str, what: &str, case: &str, figure: &str, measured: &[f64]) {
        self.push(what, case, figure, "", measured, Some(name.to_owned()));
    }

    fn push(&mut self, what: &str, case: &str, figure: &str, unit: &str, measured: &[f64], ratio: Option<String>) {
        if measured.is_empty() {
            return;
        }
        let mut sorted = measured.to_vec();
        sorted.sort_by(f64::total_cmp);
        let row = Row {
            what: what.to_owned(),
            case: case.to_owned(),
            figure: figure.to_owned(),
            unit: unit.to_owned(),
            median: sorted[sorted.len() / 2],
            low: sorted[0],
            high: sorted[sorted.len() - 1],
            runs: sorted.len(),
            ratio,
        };
        // Seen as it comes: the whole takes its time.
        eprintln!("{}", line(&row));
        self.rows.push(row);
    }

    /// The table.
    pub(crate) fn print(&self) {
        println!("| what | case | figure | median | lowest to highest | runs |\n|---|---|---|---:|---:|---:|");
        for row in &self.rows {
            println!("{}", line(row));
        }
    }

    /// The ratios that have fallen below half of what is committed in `committed`, a JSON object of names and ratios.
    pub(crate) fn fallen(&self, committed: &str) -> Vec<String> {
        let committed: BTreeMap<String, f64> = serde_json::from_str(committed).expect("names and ratios");
        let mut fallen = Vec::new();
        for (name, committed) in committed {
            let measured = self.rows.iter().find(|row| row.ratio.as_deref() == Some(name.as_str()));
            match measured {
                Some(row) if row.median < FLOOR * committed => {
                    fallen.push(format!("{name} is {:.2}, less than half of the committed {committed:.2}", row.median));
                }
                Some(row) => eprintln!("{name}: {:.2}, committed {committed:.2}", row.median),
                None => fallen.push(format!("{name} was not measured")),
            }
        }
        fallen
    }
}

fn line(row: &Row) -> String {
    let shown = |value: f64| match row.unit.as_str() {
        "" => format!("{value:.2}"),
        _ if value >= 100.0 => grouped(value),
        _ => format!("{value:.1}"),
    };
    let unit = if row.unit.is_empty() { String::new() } else { format!(" {}", row.unit) };
    format!(
        "| {} | {} | {} | {}{unit} | {} to {} | {} |",
        row.what,
        row.case,
        row.figure,
        shown(row.median),
        shown(row.low),
        shown(row.high),
        row.runs
    )
}

/// Thousands apart.
pub(crate) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

//! Cases measured in turn, and the table made of them.

use crate::Result;
use std::time::Duration;

/// What one measurement gave.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// Events or megabytes a second.
    pub(crate) rate: f64,
    /// A figure beside it, where the row has a name for one.
    pub(crate) beside: f64,
}

impl Sample {
    pub(crate) fn rate(count: f64, elapsed: Duration) -> Sample {
        Sample { rate: count / elapsed.as_secs_f64(), beside: 0.0 }
    }

    pub(crate) fn beside(mut self, beside: f64) -> Sample {
        self.beside = beside;
        self
    }
}

/// A case by its place in the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case(usize);

/// A line of the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) unit: &'static str,
    pub(crate) ours: Case,
    pub(crate) limit: Case,
    /// The limit is so many times what its case measures.
    pub(crate) times: f64,
    pub(crate) limit_is: String,
    /// What the figure beside our rate is.
    pub(crate) beside: &'static str,
}

type Measure<'a> = Box<dyn Fn() -> Result<Sample> + 'a>;

/// What is to be measured, and how it is shown.
#[derive(Default)]
pub(crate) struct Plan<'a> {
    cases: Vec<(Measure<'a>, Vec<Sample>)>,
    rows: Vec<Row>,
}

impl<'a> Plan<'a> {
    pub(crate) fn case(&mut self, measure: impl Fn() -> Result<Sample> + 'a) -> Case {
        self.cases.push((Box::new(measure), Vec::new()));
        Case(self.cases.len() - 1)
    }

    pub(crate) fn row(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Measures every case once a round, so that what disturbs the machine for a while disturbs all of them.
    pub(crate) fn run(&mut self, rounds: usize) -> Result<()> {
        for _ in 0..rounds {
            for (measure, samples) in &mut self.cases {
                samples.push(measure()?);
            }
        }
        Ok(())
    }

    /// The table, in Markdown with columns that stand below each other.
    pub(crate) fn table(&self) -> String {
        let mut cells =
            vec![["row", "unit", "ours", "limit", "ours/limit", "n", "the limit is", "beside"].map(str::to_owned)];
        cells.extend(self.rows.iter().map(|row| self.cells(row)));
        let width = |column: usize| cells.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 8] = std::array::from_fn(width);
        let mut table = String::new();
        for (at, row) in cells.iter().enumerate() {
            for (cell, width) in row.iter().zip(widths) {
                table.push_str(&format!("| {cell:width$} "));
            }
            table.push_str("|\n");
            if at == 0 {
                widths.iter().for_each(|width| table.push_str(&format!("|{}", "-".repeat(width + 2))));
                table.push_str("|\n");
            }
        }
        table
    }

    fn cells(&self, row: &Row) -> [String; 8] {
        let (ours, limit) = (&self.cases[row.ours.0].1, &self.cases[row.limit.0].1);
        let rates: Vec<f64> = ours.iter().map(|sample| sample.rate).collect();
        let limits: Vec<f64> = limit.iter().map(|sample| sample.rate * row.times).collect();
        let ratios: Vec<f64> = rates.iter().zip(&limits).map(|(ours, limit)| ours / limit).collect();
        let beside = match row.beside {
            "" => String::new(),
            name => format!("{:.1} {name}", median(ours.iter().map(|sample| sample.beside).collect())),
        };
        let spread = |values: &[f64], show: fn(f64) -> String| {
            let least = values.iter().copied().fold(f64::INFINITY, f64::min);
            let most = values.iter().copied().fold(0.0, f64::max);
            format!("{} [{}–{}]", show(median(values.to_vec())), show(least), show(most))
        };
        [
            row.name.clone(),
            row.unit.to_owned(),
            spread(&rates, short),
            spread(&limits, short),
            spread(&ratios, |ratio| format!("{ratio:.3}")),
            rates.len().to_string(),
            row.limit_is.clone(),
            beside,
        ]
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => f64::NAN,
        (length, middle) if length % 2 == 1 => values[middle],
        (_, middle) => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// Three digits or four.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{:.2}M", value / 1e6),
        value if value >= 1e5 => format!("{:.0}k", value / 1e3),
        value if value >= 1e4 => format!("{:.1}k", value / 1e3),
        value => format!("{value:.0}"),
    }
}

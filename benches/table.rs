//! Cases measured in turn, and the table made of them.
//!
//! A row is something that foldlog does; its lines are foldlog's own figure and, below it, those of what it is measured
//! against. Ratios are taken within each round, and their median is shown, so that it is not the quotient of the two
//! medians; brackets hold the least and the most.

use crate::Result;
use std::time::Duration;

/// What one measurement gave: figures of which a case names one.
#[derive(Clone, Debug)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    pub(crate) fn of(figure: f64) -> Sample {
        Sample(vec![figure])
    }

    pub(crate) fn rate(count: f64, elapsed: Duration) -> Sample {
        Sample::of(count / elapsed.as_secs_f64())
    }

    pub(crate) fn and(mut self, figure: f64) -> Sample {
        self.0.push(figure);
        self
    }
}

/// A figure of a measurement, by its place in the plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    at: usize,
    figure: usize,
    times: f64,
}

impl Case {
    /// Another figure of the same measurement.
    pub(crate) fn figure(self, figure: usize) -> Case {
        Case { figure, ..self }
    }

    /// So many times what was measured.
    pub(crate) fn times(self, times: f64) -> Case {
        Case { times, ..self }
    }
}

/// What a ratio, or a figure, is meant to be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Goal::AtLeast(least) => value >= least,
            Goal::AtMost(most) => value <= most,
        }
    }

    fn show(self) -> String {
        match self {
            Goal::AtLeast(least) => format!("≥ {least}"),
            Goal::AtMost(most) => format!("≤ {most}"),
        }
    }
}

#[derive(Debug)]
enum Shown {
    /// foldlog's own figure, with a goal for the figure itself.
    Ours(Case, Option<Goal>),
    /// Another's figure, with a goal for how many times as much foldlog's is.
    Theirs(Case, Option<Goal>),
    /// Why there is no figure.
    Absent(String),
}

/// Something that foldlog does, and what it is measured against.
#[derive(Debug)]
pub(crate) struct Row {
    name: String,
    unit: &'static str,
    ours: Case,
    lines: Vec<(String, Shown)>,
}

impl Row {
    /// A goal for foldlog's own figure.
    pub(crate) fn goal(&mut self, goal: Goal) -> &mut Row {
        self.lines[0].1 = Shown::Ours(self.ours, Some(goal));
        self
    }

    /// What no recorder can beat by much.
    pub(crate) fn limit(&mut self, name: impl std::fmt::Display, case: Case, goal: Option<Goal>) -> &mut Row {
        self.lines.push((format!("limit: {name}"), Shown::Theirs(case, goal)));
        self
    }

    pub(crate) fn peer(&mut self, name: impl Into<String>, case: Case, goal: Option<Goal>) -> &mut Row {
        self.lines.push((name.into(), Shown::Theirs(case, goal)));
        self
    }

    /// A peer that may not be there, or what is missing then.
    pub(crate) fn peer_or(
        &mut self,
        name: impl Into<String>,
        case: Option<Case>,
        missing: impl Into<String>,
        goal: Option<Goal>,
    ) -> &mut Row {
        let shown = case.map_or_else(|| Shown::Absent(missing.into()), |case| Shown::Theirs(case, goal));
        self.lines.push((name.into(), shown));
        self
    }
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
        Case { at: self.cases.len() - 1, figure: 0, times: 1.0 }
    }

    /// A row whose first line is foldlog's.
    pub(crate) fn row(&mut self, name: impl Into<String>, unit: &'static str, ours: Case) -> &mut Row {
        let lines = vec![("**foldlog**".to_owned(), Shown::Ours(ours, None))];
        self.rows.push(Row { name: name.into(), unit, ours, lines });
        let last = self.rows.len() - 1;
        &mut self.rows[last]
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

    fn values(&self, case: Case) -> Vec<f64> {
        self.cases[case.at].1.iter().map(|sample| sample.0[case.figure] * case.times).collect()
    }

    /// The lines of the table.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let lines_of = |row: &Row| {
            let first_only = |at: usize| if at == 0 { row.name.clone() } else { String::new() };
            let cells = row.lines.iter().enumerate();
            cells.map(|(at, (who, shown))| self.line(row, first_only(at), who.clone(), shown)).collect::<Vec<_>>()
        };
        self.rows.iter().flat_map(lines_of).collect()
    }

    fn line(&self, row: &Row, name: String, who: String, shown: &Shown) -> Line {
        let (case, ratios, goal, judged) = match shown {
            Shown::Absent(why) => return Line::without_figures(name, who, why),
            Shown::Ours(case, goal) => (*case, Vec::new(), *goal, self.values(*case)),
            Shown::Theirs(case, goal) => {
                let (ours, theirs) = (self.values(row.ours), self.values(*case));
                let ratios: Vec<f64> = ours.iter().zip(&theirs).map(|(ours, theirs)| ours / theirs).collect();
                (*case, ratios.clone(), *goal, ratios)
            }
        };
        let values = self.values(case);
        let ratio = if ratios.is_empty() { String::new() } else { spread(&ratios) };
        let met = match goal {
            None => "",
            Some(goal) if goal.is_met(median(&judged)) => MET,
            Some(_) => MISSED,
        };
        let goal = goal.map(Goal::show).unwrap_or_default();
        let n = values.len().to_string();
        Line([name, who, spread(&values), row.unit.to_owned(), ratio, goal, met.to_owned(), n])
    }
}

const MET: &str = "met";
const MISSED: &str = "**missed**";

/// A line of the table, cell by cell.
#[derive(Clone, Debug)]
pub(crate) struct Line([String; 8]);

impl Line {
    fn without_figures(name: String, who: String, why: &str) -> Line {
        let nothing = String::new;
        Line([name, who, why.to_owned(), nothing(), nothing(), nothing(), nothing(), nothing()])
    }
}

/// The table, in Markdown with columns that stand below each other, and how many goals were met.
pub(crate) fn render(lines: &[Line]) -> String {
    let head = ["row", "who", "median [least–most]", "unit", "foldlog ÷ it", "goal", "", "n"].map(str::to_owned);
    let cells: Vec<&[String; 8]> = std::iter::once(&head).chain(lines.iter().map(|line| &line.0)).collect();
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
    let count = |word: &str| lines.iter().filter(|line| line.0[6] == word).count();
    table.push_str(&format!("\n{} goals met, {} missed.", count(MET), count(MISSED)));
    table
}

/// The median, with the least and the most where there are several.
fn spread(values: &[f64]) -> String {
    let middle = short(median(values));
    if values.len() < 2 {
        return middle;
    }
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{middle} [{}–{}]", short(least), short(most))
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    match (values.len(), values.len() / 2) {
        (0, _) => f64::NAN,
        (length, middle) if length % 2 == 1 => values[middle],
        (_, middle) => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// The value below which so many percent lie.
pub(crate) fn share(values: &[f64], percent: usize) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get((values.len() * percent / 100).min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Three digits or four.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1e6 => format!("{:.2}M", value / 1e6),
        size if size >= 1e5 => format!("{:.0}k", value / 1e3),
        size if size >= 1e4 => format!("{:.1}k", value / 1e3),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

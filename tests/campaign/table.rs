//! Runs parts and keeps their rows. A row is printed twice: when its part ends, and in the table at the end.

use crate::part::{Outcome, Part, Scope};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

#[derive(Default)]
pub struct Table {
    rows: Vec<[String; 6]>,
    broken: usize,
}

impl Table {
    /// Runs a part to its end, or to the first promise that it sees broken.
    pub fn run(&mut self, part: &Part, scope: &Scope) {
        let start = Instant::now();
        // The panic's own message says what was broken and how to repeat it; the default hook has printed it.
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| (part.run)(scope)));
        let (done, acknowledged, verdict, note) = match outcome {
            Ok(Outcome::Held(tally)) => {
                (format!("{} {}", tally.done, part.unit), tally.acknowledged.to_string(), "held", tally.note)
            }
            Ok(Outcome::Missing(why)) => {
                self.broken += 1;
                let why = format!("{why}: see to it, or leave the part out with --skip {}", part.name);
                (format!("? {}", part.unit), "?".to_owned(), "MISSING", why)
            }
            Err(_) => {
                self.broken += 1;
                let repeat = format!("repeat: --seed {} {}", scope.seed, part.name);
                (format!("? {}", part.unit), "?".to_owned(), "BROKEN", repeat)
            }
        };
        let seconds = format!("{:.1} s", start.elapsed().as_secs_f64());
        let row = [part.name.to_owned(), done, acknowledged, verdict.to_owned(), seconds, note];
        println!("{}", row.join("  "));
        self.rows.push(row);
    }

    pub fn all_held(&self) -> bool {
        self.broken == 0
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["part", "done", "acknowledged", "verdict", "time", "note"].map(str::to_owned);
        let rows: Vec<&[String; 6]> = std::iter::once(&head).chain(&self.rows).collect();
        let widths: [usize; 6] =
            std::array::from_fn(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0));
        writeln!(out)?;
        for (number, row) in rows.iter().enumerate() {
            for (cell, width) in row.iter().zip(widths) {
                write!(out, "| {cell:width$} ")?;
            }
            writeln!(out, "|")?;
            if number == 0 {
                widths.iter().try_for_each(|width| write!(out, "|{}", "-".repeat(width + 2)))?;
                writeln!(out, "|")?;
            }
        }
        Ok(())
    }
}

//! Tables for people: a head, rows, and columns that line up. Cells given here are harmless already.

use super::human;
use super::out::{Look, Out};
use crate::cli::exit::Failure;

/// A column: its head, and to which side its cells are set.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Column {
    Left(&'static str),
    Right(&'static str),
}

impl Column {
    fn head(self) -> &'static str {
        let (Column::Left(head) | Column::Right(head)) = self;
        head
    }
}

/// A table that is printed once it is known how wide its columns are.
pub(crate) struct Table<const N: usize> {
    columns: [Column; N],
    rows: Vec<([String; N], Look)>,
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(columns: [Column; N]) -> Table<N> {
        Table { columns, rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: [String; N], look: Look) {
        self.rows.push((cells, look));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints the head and the rows; nothing if there are none.
    pub(crate) fn print(&self, out: &mut Out) -> Result<(), Failure> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let widths: [usize; N] = std::array::from_fn(|at| {
            let cells = self.rows.iter().map(|(cells, _)| human::columns(&cells[at]));
            cells.chain([self.columns[at].head().len()]).max().unwrap_or(0)
        });
        let line = |cells: [&str; N]| {
            let set = |at: usize| match self.columns[at] {
                Column::Left(_) => human::pad(cells[at], widths[at]),
                Column::Right(_) => {
                    let missing = widths[at].saturating_sub(human::columns(cells[at]));
                    format!("{}{}", " ".repeat(missing), cells[at])
                }
            };
            let line = (0..N).map(set).collect::<Vec<_>>().join("  ");
            line.trim_end().to_owned()
        };
        let head = line(std::array::from_fn(|at| self.columns[at].head()));
        out.line(&out.paint(Look::Dim, &head))?;
        for (cells, look) in &self.rows {
            let row = line(std::array::from_fn(|at| cells[at].as_str()));
            out.line(&out.paint(*look, &row))?;
        }
        Ok(())
    }
}

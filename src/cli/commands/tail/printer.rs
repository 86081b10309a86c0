//! Prints the entries that were asked for; of those that are there already only the last ones.

use crate::cli::args::TailArgs;
use crate::cli::commands::tail::filter::Filter;
use crate::cli::exit::{Exit, Failure};
use crate::cli::term::damage;
use crate::cli::term::entry_rows::Rows;
use crate::cli::term::out::Out;
use foldlog::{Cursor, Entry, Seq};
use std::collections::VecDeque;

/// How many entries are printed if nobody says.
pub(crate) const DEFAULT_LINES: usize = 10;

/// Prints the entries that are asked for: of what is there already only the last ones.
pub(crate) struct Printer<'a> {
    pub(super) args: &'a TailArgs,
    pub(super) filter: Filter<'a>,
    pub(super) session: String,
    pub(super) rows: Rows,
    /// The session was not there when the command began: all its entries are news.
    pub(super) is_news: bool,
    /// The last entries so far, while it is not known whether more come; `None` once all are printed.
    pub(super) held: Option<VecDeque<Entry<'static>>>,
    pub(super) found: bool,
    /// What was left out, because it is no JSON, is damage.
    pub(super) exit: Exit,
}

impl<'a> Printer<'a> {
    pub(super) fn new(args: &'a TailArgs, session: &str) -> Printer<'a> {
        let filter = Filter { types: &args.types, turn: args.turn.as_deref() };
        let rows = if args.all { Rows::of_sessions() } else { Rows::default() };
        let held = lines(args).map(|_| VecDeque::new());
        Printer {
            args,
            filter,
            session: session.to_owned(),
            rows,
            is_news: false,
            held,
            found: false,
            exit: Exit::Fine,
        }
    }

    /// Where to start reading.
    pub(super) fn start(&self) -> Cursor {
        match (self.args.from, self.args.since, lines(self.args)) {
            (Some(seq), ..) => Cursor::from_seq(Seq::new(seq)),
            (_, Some(since), _) => Cursor::since(since.begins()),
            _ if self.is_news => Cursor::start(),
            // Of all entries the last ones can be found from the end.
            (.., Some(lines)) if !self.filter.is_narrow() => Cursor::last(lines as u64),
            _ => Cursor::start(),
        }
    }

    /// Prints everything of a session that was not there when the command began.
    pub(super) fn expect_news(&mut self) {
        (self.is_news, self.held) = (true, None);
    }

    /// Takes the next entry.
    pub(super) fn take(&mut self, entry: Entry<'_>, out: &mut Out) -> Result<(), Failure> {
        if !self.filter.takes(&entry) {
            return Ok(());
        }
        self.found = true;
        let Some(held) = &mut self.held else { return self.print(&entry, out) };
        held.push_back(entry.into_owned());
        if held.len() > lines(self.args).unwrap_or(0) {
            held.pop_front();
        }
        Ok(())
    }

    /// Prints what was held: nothing of what was there already comes any more.
    pub(super) fn release(&mut self, out: &mut Out) -> Result<(), Failure> {
        for entry in self.held.take().into_iter().flatten() {
            self.print(&entry, out)?;
        }
        Ok(())
    }

    pub(super) fn print(&mut self, entry: &Entry<'_>, out: &mut Out) -> Result<(), Failure> {
        if self.args.json
            && let Some(gap) = entry.gap_for_json()
        {
            out.flush()?;
            damage::name_in(&self.session, &gap);
            self.exit = Exit::Damage;
            return Ok(());
        }
        match (self.args.json, self.args.all) {
            (false, _) => self.rows.entry(&self.session, entry, out),
            (true, false) => out.json(entry.line()),
            (true, true) => {
                let session = serde_json::Value::from(self.session.as_str());
                out.json(&format!("{{\"v\":1,\"session\":{session},\"entry\":{}}}", entry.line()))
            }
        }
    }

    /// Ends the line that text flows on, and hands on all that was printed: words follow on stderr.
    pub(super) fn pause(&mut self, out: &mut Out) -> Result<(), Failure> {
        self.rows.end(out)?;
        out.flush()
    }
}

/// How many of the entries that are there already are printed at most.
pub(crate) fn lines(args: &TailArgs) -> Option<usize> {
    let all = args.from.is_some() || args.since.is_some();
    args.lines.or((!all).then_some(if args.all { 0 } else { DEFAULT_LINES }))
}

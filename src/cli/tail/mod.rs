//! `foldlog tail`: the last entries of a session, or those from a place on; with `-f`, what comes after them.

mod filter;
mod live;
mod stop;

use super::args::TailArgs;
use super::out::Out;
use super::rows::Rows;
use super::{Exit, Failure, Outcome, damage, select};
use filter::Filter;
use foldlog::{Cursor, Entry, Item, Seq, Store};
use std::collections::VecDeque;

/// How many entries are printed if nobody says.
const DEFAULT_LINES: usize = 10;

pub(crate) fn run(args: &TailArgs, store: &Store, out: &mut Out) -> Outcome {
    if args.follow {
        return live::run(args, store, out);
    }
    let reader = select::reader(store, args.session.as_deref())?;
    let mut exit = damage::understood(&reader);
    let mut printer = Printer::new(args, reader.session_id().as_str());
    let mut items = reader.items_from(&printer.start())?;
    while let Some(item) = items.next()? {
        let gap = match item {
            Item::Entry(entry) => {
                printer.take(entry, out)?;
                continue;
            }
            Item::Gap(gap) => gap,
            _ => continue,
        };
        if !gap.explained && !items.is_half_line(&gap) {
            // In its place, where both go to the same terminal.
            printer.pause(out)?;
            damage::name(&reader, &gap);
            exit = exit.max(Exit::Damage);
        }
    }
    printer.release(out)?;
    printer.pause(out)?;
    exit = exit.max(printer.exit);
    let asked = args.from.is_some() || args.since.is_some() || printer.filter.is_narrow();
    Ok(if asked && !printer.found { exit.max(Exit::No) } else { exit })
}

/// Prints the entries that are asked for: of what is there already only the last ones.
struct Printer<'a> {
    args: &'a TailArgs,
    filter: Filter<'a>,
    session: String,
    rows: Rows,
    /// The session was not there when the command began: all its entries are news.
    is_news: bool,
    /// The last entries so far, while it is not known whether more come; `None` once all are printed.
    held: Option<VecDeque<Entry<'static>>>,
    found: bool,
    /// What was left out, because it is no JSON, is damage.
    exit: Exit,
}

impl<'a> Printer<'a> {
    fn new(args: &'a TailArgs, session: &str) -> Printer<'a> {
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
    fn start(&self) -> Cursor {
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
    fn expect_news(&mut self) {
        (self.is_news, self.held) = (true, None);
    }

    /// Takes the next entry.
    fn take(&mut self, entry: Entry<'_>, out: &mut Out) -> Result<(), Failure> {
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
    fn release(&mut self, out: &mut Out) -> Result<(), Failure> {
        for entry in self.held.take().into_iter().flatten() {
            self.print(&entry, out)?;
        }
        Ok(())
    }

    fn print(&mut self, entry: &Entry<'_>, out: &mut Out) -> Result<(), Failure> {
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
    fn pause(&mut self, out: &mut Out) -> Result<(), Failure> {
        self.rows.end(out)?;
        out.flush()
    }
}

/// How many of the entries that are there already are printed at most.
fn lines(args: &TailArgs) -> Option<usize> {
    let all = args.from.is_some() || args.since.is_some();
    args.lines.or((!all).then_some(if args.all { 0 } else { DEFAULT_LINES }))
}

//! `foldlog tail`: the last entries of a session, or those from a number on.

use super::args::TailArgs;
use super::held::Held;
use super::out::Out;
use super::rows::Rows;
use super::{Exit, Failure, Outcome, damage, select};
use foldlog::{Entry, Item, Store};
use std::collections::VecDeque;

/// How many entries are printed if nobody says.
const DEFAULT_LINES: usize = 10;

pub(crate) fn run(args: &TailArgs, store: &Store, out: &mut Out) -> Outcome {
    let reader = select::reader(store, args.session.as_deref())?;
    let from = args.from.unwrap_or(0);
    let lines = args.lines.or(args.from.is_none().then_some(DEFAULT_LINES));
    let wanted = |entry: &Entry<'_>| {
        let of_type = args.types.is_empty() || args.types.iter().any(|name| name == entry.type_name());
        entry.seq().get() >= from && of_type
    };
    let mut printer = Printer { json: args.json, rows: Rows::default() };
    let mut last: VecDeque<Held> = VecDeque::new();
    let mut exit = damage::understood(&reader);
    let mut found = false;
    let mut items = reader.items()?;
    while let Some(item) = items.next()? {
        let gap = match item {
            Item::Entry(entry) => {
                if wanted(&entry) {
                    found = true;
                    last.push_back(Held::new(&entry));
                }
                if last.len() > lines.unwrap_or(0)
                    && let Some(held) = last.pop_front()
                    && lines.is_none()
                {
                    printer.print(&held, out)?;
                }
                continue;
            }
            Item::Gap(gap) => gap,
            _ => continue,
        };
        if !gap.explained && !items.is_half_line(&gap) {
            // In its place, where both go to the same terminal.
            printer.rows.end(out)?;
            out.flush()?;
            damage::name(&reader, &gap);
            exit = exit.max(Exit::Damage);
        }
    }
    for held in &last {
        printer.print(held, out)?;
    }
    printer.rows.end(out)?;
    let filtered = args.from.is_some() || !args.types.is_empty();
    Ok(if filtered && !found { exit.max(Exit::No) } else { exit })
}

struct Printer {
    json: bool,
    rows: Rows,
}

impl Printer {
    fn print(&mut self, held: &Held, out: &mut Out) -> Result<(), Failure> {
        match self.json {
            true => out.json(held.line()),
            false => self.rows.entry(held, out),
        }
    }
}

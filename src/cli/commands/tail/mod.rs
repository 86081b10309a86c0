//! `foldlog tail`: the last entries of a session, or those from a place on; with `-f`, what comes after them.

mod filter;
mod live;
mod printer;
mod stop;
mod told;

use crate::cli::args::TailArgs;
use crate::cli::commands::tail::printer::Printer;
use crate::cli::exit::{Exit, Outcome};
use crate::cli::select;
use crate::cli::term::damage;
use crate::cli::term::out::Out;
use foldlog::{Item, Store};

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

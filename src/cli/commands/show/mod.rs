//! `foldlog show`: a session for people. First the verdict, then what happened, then what was odd.

mod body;
mod fold;
mod verdict;

use crate::cli::args::ShowArgs;
use crate::cli::exit::{Exit, Outcome, words};
use crate::cli::select;
use crate::cli::term::damage;
use crate::cli::term::json::versioned;
use crate::cli::term::out::Out;
use crate::cli::term::progress::Watched;
use body::{Body, Filter};
use fold::ShowFold;
use foldlog::{Store, Timeline};
use verdict::Verdict;

pub(crate) fn run(args: &ShowArgs, store: &Store, out: &mut Out) -> Outcome {
    let reader = select::reader(store, args.session.as_deref())?;
    // Asked before reading: a writer that goes away meanwhile has left its last words.
    let live = reader.is_live()?;
    let (mut shown, gaps) = reader.reduce(Watched::new(ShowFold::default(), reader.session_id().as_str()))?;
    if !live {
        interrupt(&mut shown.timeline);
    }
    let filter = Filter { turn: args.turn.as_deref(), failed: args.failed };
    let items = filter.select(&shown.timeline.items);
    if args.json {
        out.json(&versioned(&Verdict::new(&shown, &gaps, live))?)?;
        for item in &items {
            out.json(&versioned(item)?)?;
        }
    } else {
        verdict::print(&shown, live, out)?;
        let mut body = Body::new(&shown, args.failed || args.turn.is_some());
        for item in items.iter().copied() {
            body.item(item, out)?;
        }
        body::foot(&shown, &gaps, out)?;
    }
    out.flush()?;
    let exit = damage::report(&reader, &gaps);
    if !items.is_empty() || (args.turn.is_none() && !args.failed) {
        return Ok(exit);
    }
    match &args.turn {
        Some(turn) if !shown.timeline.items.iter().any(|item| item.turn_id.as_ref() == Some(turn)) => {
            words(&format!("there is no turn {turn:?} in session {:?}", reader.session_id().as_str()));
        }
        _ => words("nothing failed and nothing was interrupted"),
    }
    Ok(exit.max(Exit::No))
}

/// What runs in the log of a journal that nobody is writing runs no more.
fn interrupt(timeline: &mut Timeline) {
    for item in &mut timeline.items {
        if item.status.as_deref() == Some("running") {
            item.status = Some("interrupted".to_owned());
        }
    }
}

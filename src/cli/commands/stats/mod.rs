//! `foldlog stats`: sessions in numbers, one, several or all of the root. No bodies are kept, so any number will do.

mod copies;
mod print;

use crate::cli::exit::{Exit, Failure, Outcome, words};
use crate::cli::plain_file;
use crate::cli::select::{self, state_word};
use crate::cli::strays;
use crate::cli::term::json::versioned;
use crate::cli::term::out::Out;
use crate::cli::term::progress::Watched;
use crate::cli::term::{damage, human};
use clap::Args;
use copies::Copies;
use foldlog::{ErrorKind, Prices, Reader, SessionId, SessionSummary, Spent, Store, SummaryFold, Totals};
use serde::Serialize;
use std::collections::HashSet;
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The largest table of prices that is read, in bytes.
const MOST_PRICES: u64 = 16 << 20;
/// How many models without a price are named.
const MOST_NAMED: usize = 12;

#[derive(Args, Debug)]
pub(crate) struct StatsArgs {
    /// Which sessions
    #[arg(value_name = "SESSION")]
    sessions: Vec<OsString>,
    /// All sessions of the root
    #[arg(long, conflicts_with = "sessions")]
    all: bool,
    /// Price calls without a cost by this table
    ///
    /// A JSON file of yours, {"usd_per_million_tokens": {"model-*": {"input": 1.25, "output": 10, "cache_read": 0.125}}}; a cost
    /// in the log holds. Where a price is not known, the cost is "at least" what is shown.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// One JSON object a session, and one with their sum if there are several
    #[arg(long)]
    json: bool,
}

/// The beginning of a line of `--json`; the totals follow.
#[derive(Serialize)]
struct Head<'a> {
    kind: &'static str,
    session_id: Option<&'a str>,
    workspace_id: Option<&'a str>,
    agent_id: Option<&'a str>,
    state: Option<&'static str>,
    spent: Spent,
}

/// What has been read so far.
struct Sum<'a> {
    args: &'a StatsArgs,
    out: &'a mut Out,
    totals: Totals,
    /// The session, as long as there is one only.
    one: Option<(SessionSummary, bool)>,
    prices: Option<Arc<Prices>>,
    copies: Copies,
    worst: Exit,
}

pub(crate) fn run(args: &StatsArgs, store: &Store, out: &mut Out) -> Outcome {
    let prices = args.prices.as_deref().map(read_prices).transpose()?.map(Arc::new);
    let mut sum =
        Sum { args, out, totals: Totals::default(), one: None, prices, copies: Copies::default(), worst: Exit::Fine };
    if args.all {
        for id in store.session_ids()? {
            match store.reader(id.clone()) {
                // A directory without a segment holds no session yet, or is being deleted.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                reader => sum.add_one_of_all(&id, reader, store)?,
            }
        }
        strays::name(store);
    } else if args.sessions.is_empty() {
        sum.add(Ok(select::reader(store, None)?), store)?;
    } else {
        let mut seen = HashSet::new();
        for session in &args.sessions {
            match select::reader(store, Some(session)) {
                Ok(reader) if !seen.insert(reader.path().to_owned()) => {}
                reader => sum.add(reader, store)?,
            }
        }
    }
    sum.finish(store)
}

impl Sum<'_> {
    /// Adds one session. One bad session hides no other: the worst of them is the exit code.
    fn add(&mut self, reader: Result<Reader, Failure>, store: &Store) -> Result<(), Failure> {
        match reader.and_then(|reader| self.read(&reader, store)) {
            Ok(exit) => self.worst = self.worst.max(exit),
            Err(failure @ Failure::Output(_)) => return Err(failure),
            Err(failure) => self.worst = self.worst.max(failure.tell()),
        }
        Ok(())
    }

    /// Adds one of all sessions; one that cannot be read is passed over.
    fn add_one_of_all(
        &mut self,
        id: &SessionId,
        reader: foldlog::Result<Reader>,
        store: &Store,
    ) -> Result<(), Failure> {
        let read = reader.map_err(Failure::from).and_then(|reader| self.read(&reader, store));
        match read {
            Ok(exit) => self.worst = self.worst.max(exit),
            Err(Failure::Library(error)) => {
                words(&format!("session {:?} cannot be read and was not counted: {error}", id.as_str()));
                self.worst = self.worst.max(Exit::No);
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }

    fn read(&mut self, reader: &Reader, store: &Store) -> Outcome {
        // Asked before reading: a writer that goes away meanwhile has left its last words.
        let live = reader.is_live()?;
        let fold = SummaryFold::new().counted_elsewhere(self.copies.add(reader, store)?);
        let fold = match &self.prices {
            Some(prices) => fold.prices(Arc::clone(prices)),
            None => fold,
        };
        let (mut summary, gaps) = reader.reduce(Watched::new(fold, reader.session_id().as_str()))?;
        if !live {
            summary.totals.interrupt();
        }
        if self.args.json {
            let head = Head {
                kind: "session",
                session_id: Some(summary.session_id.as_str()),
                workspace_id: summary.workspace_id.as_ref().map(|id| id.as_str()),
                agent_id: summary.agent_id.as_deref(),
                state: Some(state_word(summary.state(live))),
                spent: summary.totals.spent(),
            };
            self.out.json(&line(&head, &summary.totals)?)?;
        }
        self.totals.merge(&summary.totals);
        self.one = Some((summary, live));
        self.out.flush()?;
        Ok(damage::report(reader, &gaps))
    }

    fn finish(self, store: &Store) -> Outcome {
        let Sum { args, out, totals, one, worst, prices, .. } = self;
        if prices.is_some() {
            name_unpriced(&totals);
        }
        match (totals.sessions, &one) {
            (0, _) if args.all => {
                words(&format!("there is no session in `{}` yet", store.root().display()));
            }
            (0, _) => {}
            (1, Some(_)) if args.json => {}
            (1, Some((summary, live))) => print::session(summary, *live, out)?,
            _ if args.json => {
                let spent = totals.spent();
                let head =
                    Head { kind: "total", session_id: None, workspace_id: None, agent_id: None, state: None, spent };
                out.json(&line(&head, &totals)?)?;
            }
            _ => print::several(&totals, out)?,
        }
        out.flush()?;
        Ok(worst)
    }
}

/// Reads the user's table of prices.
fn read_prices(path: &Path) -> Result<Prices, Failure> {
    let mut text = String::new();
    let file = plain_file::open_once(path).and_then(|file| file.take(MOST_PRICES + 1).read_to_string(&mut text));
    let shown = path.display();
    match file {
        Err(error) => Err(Failure::Words(Exit::Io, format!("cannot read the prices in `{shown}`: {error}"))),
        Ok(read) if read as u64 > MOST_PRICES => {
            Err(Failure::Words(Exit::Usage, format!("the prices in `{shown}` are over {MOST_PRICES} bytes")))
        }
        Ok(_) => {
            Prices::parse(&text).map_err(|error| Failure::Words(Exit::Usage, format!("prices in `{shown}`: {error}")))
        }
    }
}

/// Names the models of which calls are not priced, or not wholly.
fn name_unpriced(totals: &Totals) {
    let unpriced = totals.model_calls.iter().filter(|(_, calls)| calls.spent.unpriced_calls > 0);
    let mut named: Vec<String> = unpriced
        .map(|(model, calls)| format!("{} of `{model}`", human::count(calls.spent.unpriced_calls, "call")))
        .collect();
    let more = named.len().saturating_sub(MOST_NAMED);
    named.truncate(MOST_NAMED);
    if !named.is_empty() {
        let more =
            if more > 0 { format!(", and of {}", human::count(more as u64, "other model")) } else { String::new() };
        let words = format!("no price for {}{more}: costs are at least what is shown", named.join(", "));
        crate::cli::exit::words(&words);
    }
}

/// Both on one line, flat. Not by serde's `flatten`, which other crates' features can break.
fn line(head: &Head<'_>, totals: &Totals) -> Result<String, Failure> {
    let (head, totals) = (versioned(head)?, versioned(totals)?);
    let members = totals.strip_prefix("{\"v\":1,").unwrap_or(&totals);
    Ok(format!("{},{members}", head.strip_suffix('}').unwrap_or(&head)))
}

//! `foldlog stats`: sessions in numbers, one, several or all of the root. No bodies are kept, so any number will do.

mod print;

use super::out::Out;
use super::progress::Watched;
use super::select::{self, state_word};
use super::{Exit, Failure, Outcome, damage, versioned};
use clap::Args;
use foldlog::{ErrorKind, Reader, SessionSummary, Spent, Store, SummaryFold, Totals};
use serde::Serialize;
use std::collections::HashSet;

#[derive(Args, Debug)]
pub(crate) struct StatsArgs {
    /// Which sessions
    #[arg(value_name = "SESSION")]
    sessions: Vec<String>,
    /// All sessions of the root
    #[arg(long, conflicts_with = "sessions")]
    all: bool,
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
    worst: Exit,
}

pub(crate) fn run(args: &StatsArgs, store: &Store, out: &mut Out) -> Outcome {
    let mut sum = Sum { args, out, totals: Totals::default(), one: None, worst: Exit::Fine };
    if args.all {
        for id in store.session_ids()? {
            match store.reader(id) {
                // A directory without a segment holds no session yet, or is being deleted.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                reader => sum.add(reader.map_err(Failure::from))?,
            }
        }
    } else if args.sessions.is_empty() {
        sum.add(Ok(select::reader(store, None)?))?;
    } else {
        let mut seen = HashSet::new();
        for session in &args.sessions {
            match select::reader(store, Some(session)) {
                Ok(reader) if !seen.insert(reader.path().to_owned()) => {}
                reader => sum.add(reader)?,
            }
        }
    }
    sum.finish(store)
}

impl Sum<'_> {
    /// Adds one session. One bad session hides no other: the worst of them is the exit code.
    fn add(&mut self, reader: Result<Reader, Failure>) -> Result<(), Failure> {
        match reader.and_then(|reader| self.read(&reader)) {
            Ok(exit) => self.worst = self.worst.max(exit),
            Err(failure @ Failure::Output(_)) => return Err(failure),
            Err(failure) => self.worst = self.worst.max(failure.tell()),
        }
        Ok(())
    }

    fn read(&mut self, reader: &Reader) -> Outcome {
        // Asked before reading: a writer that goes away meanwhile has left its last words.
        let live = reader.is_live()?;
        let (mut summary, gaps) = reader.reduce(Watched::new(SummaryFold::default(), reader.session_id().as_str()))?;
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
        let Sum { args, out, totals, one, worst } = self;
        match (totals.sessions, &one) {
            (0, _) if args.all => {
                super::words(&format!("there is no session in `{}` yet", store.root().display()));
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

/// Both on one line, flat. Not by serde's `flatten`, which other crates' features can break.
fn line(head: &Head<'_>, totals: &Totals) -> Result<String, Failure> {
    let (head, totals) = (versioned(head)?, versioned(totals)?);
    let members = totals.strip_prefix("{\"v\":1,").unwrap_or(&totals);
    Ok(format!("{},{members}", head.strip_suffix('}').unwrap_or(&head)))
}

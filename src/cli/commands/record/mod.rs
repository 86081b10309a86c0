//! `foldlog record`: events from standard input into one session's journal, or many.

mod answers;
mod common;
mod hints;
mod input;
mod parse;
mod patience;
mod recorder;
mod replies;
mod session;
mod sessions;
mod signals;
mod space;
mod words;

use crate::cli::exit::{Failure, Outcome, words as say};
use crate::cli::{limits, select};
use clap::{Args, ValueEnum};
use common::Common;
use foldlog::{Durability, JournalOptions, OnFull, Store};
use recorder::Recorder;
use replies::Replies;
use signals::Signals;
use space::Space;
use std::io::IsTerminal;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use tokio::sync::{Notify, Semaphore};
use words::Words;

/// How many sessions are searched for look-ups at once.
const SEARCHES_AT_ONCE: usize = 2;

/// How many look-ups wait for their answer, at most: beyond that the pipe fills, and its writer waits.
const WAITING_LOOKUPS: usize = 16_384;

/// Record events from standard input, one JSON object a line: {"type":..,"data":{..},"time"?:..,"id"?:..}
#[derive(Args, Debug)]
pub(crate) struct RecordArgs {
    /// The session to record into: its id, or the path of its directory. A new id may contain a `/`, unless it begins as a
    /// path does (`/`, `./`, `../`) or there is something at that path
    #[arg(required_unless_present = "sessions")]
    session: Option<String>,
    /// Record many sessions: every line of input, and every reply, carries "session"
    #[arg(long, conflicts_with = "session")]
    sessions: bool,
    /// The workspace of a session that is new
    #[arg(long, value_name = "W")]
    workspace: Option<String>,
    /// The agent of a session that is new
    #[arg(long, value_name = "A")]
    agent: Option<String>,
    /// What a reply means: the event is on disk, or handed to the operating system
    #[arg(long, value_enum, default_value_t = Level::Synced)]
    durability: Level,
    /// Speak on standard output: a ready line, then a reply for the lines that are safe
    #[arg(long)]
    ack: bool,
    /// Stop at the first line that is no event, is not recorded as it came, or looks like a mistake: it is not recorded
    #[arg(long)]
    strict: bool,
    /// How large a segment may grow, in bytes
    #[arg(long, value_name = "N", default_value_t = 64 << 20)]
    segment_bytes: u64,
    /// Fill a segment ahead with so many line feeds, which makes waiting for the disk shorter: 1048576 is a good size
    #[arg(long, value_name = "N", default_value_t = 0)]
    prefill: u64,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Level {
    Synced,
    Written,
}

/// Runs the command.
pub(crate) fn run(args: RecordArgs, store: Result<Store, foldlog::Error>) -> Outcome {
    if std::io::stdin().is_terminal() {
        say("record reads events from standard input: pipe them in, as in `my-agent | foldlog record my-session`");
        return Err(Failure::Misused("record"));
    }
    let runtime = limits::runtime()?;
    tokio::task::LocalSet::new().block_on(&runtime, record(args, store))
}

async fn record(args: RecordArgs, store: Result<Store, foldlog::Error>) -> Outcome {
    let (store, only, elsewhere) = match &args.session {
        Some(name) => {
            let root = store.as_ref().ok().map(|store| store.root().to_owned());
            let (store, id) = select::in_full(store, name)?;
            let is_outside = root.is_none_or(|root| !is_same(&root, store.root()));
            (store.clone(), Some(id.to_string()), is_outside.then(|| store.path_of(&id)))
        }
        None => (store?, None, None),
    };
    let durability = match args.durability {
        Level::Synced => Durability::Synced,
        Level::Written => Durability::Written,
    };
    let options = JournalOptions::default().segment_bytes(args.segment_bytes).prefill(args.prefill);
    let options = options.on_full(OnFull::Wait).durability(durability);
    if args.sessions {
        limits::allow_many_files();
    }
    let common = Rc::new(Common {
        options,
        workspace: args.workspace,
        agent: args.agent,
        strict: args.strict,
        many: args.sessions,
        replies: if args.ack { Replies::start().map_err(Failure::io)? } else { Replies::none() },
        words: Rc::new(Words::default()),
        failed: Rc::new(Notify::new()),
        space: Space::default(),
        searches: Semaphore::new(SEARCHES_AT_ONCE),
        lookups: Arc::new(Semaphore::new(WAITING_LOOKUPS)),
        patience: Rc::default(),
    });
    let signals = Signals::catch().map_err(Failure::io)?;
    let mut recorder = Recorder::new(Rc::clone(&common), store, only.clone(), elsewhere);
    if let Some(id) = only {
        recorder.open(&id).await?;
    }
    let (chunks, tell) = input::start().map_err(Failure::io)?;
    tokio::task::spawn_local(signals.heed(tell, common));
    let end = recorder.read(chunks).await;
    recorder.finish(end).await
}

/// Whether two paths lead to one directory, or are the same.
fn is_same(one: &Path, other: &Path) -> bool {
    one == other || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

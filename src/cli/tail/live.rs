//! `foldlog tail -f`: waits for what is recorded, and says how things stand.

use super::Printer;
use crate::cli::args::TailArgs;
use crate::cli::out::Out;
use crate::cli::{Exit, Failure, Outcome, damage, select, words};
use foldlog::{Cursor, Entry, Event, Follower, Item, SessionId, Store, StoreFollower};
use std::future::Future;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How often to look whether anybody still reads stdout, and whether a session has appeared.
const LOOK: Duration = Duration::from_millis(250);
/// After how long a silence it is said that a writer is there all the same.
const SILENCE: Duration = Duration::from_secs(60);

pub(super) fn run(args: &TailArgs, store: &Store, out: &mut Out) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::io)?;
    runtime.block_on(async {
        let mut live = Live {
            printer: Printer::new(args, ""),
            stop: Stop::new()?,
            exit: Exit::Fine,
            silence: Duration::ZERO,
            caught_up: false,
            last: Last::Nothing,
        };
        let end = match args.all {
            true => live.all(store, out).await,
            false => live.one(store, out).await,
        };
        // What was printed is handed on however it ends; a reader that went away has seen enough.
        let paused = live.printer.pause(out);
        end.and_then(|exit| paused.map(|()| exit))
    })
}

struct Live<'a> {
    printer: Printer<'a>,
    stop: Stop,
    exit: Exit,
    /// How long nothing has come.
    silence: Duration,
    /// What was there already has been printed.
    caught_up: bool,
    last: Last,
}

/// What ends the program from outside.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

/// What comes first.
enum Next<T> {
    Item(T),
    /// Nothing for a while.
    Quiet,
    /// Ctrl-C, or whoever read us has gone.
    Stopped,
}

impl Stop {
    fn new() -> Result<Stop, Failure> {
        let of = |kind| signal(kind).map_err(Failure::io);
        Ok(Stop { interrupt: of(SignalKind::interrupt())?, terminate: of(SignalKind::terminate())? })
    }

    async fn or<T>(&mut self, item: impl Future<Output = T>, out: &Out) -> Next<T> {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Next::Stopped,
            _ = self.terminate.recv() => Next::Stopped,
            item = item => Next::Item(item),
            () = tokio::time::sleep(LOOK) => if out.has_reader() { Next::Quiet } else { Next::Stopped },
        }
    }
}

impl Live<'_> {
    async fn one(&mut self, store: &Store, out: &mut Out) -> Outcome {
        let Some((store, session)) = self.find(store, out).await? else { return Ok(self.exit) };
        self.printer.session = session.to_string();
        let mut follower = store.follow(session.clone(), self.printer.start())?;
        match self.printer.args.poll {
            Some(interval) => follower = follower.poll_every(interval),
            None => say_if_unwatched(&store, &session, &follower),
        }
        loop {
            match self.stop.or(follower.next(), out).await {
                Next::Stopped => return Ok(self.exit),
                Next::Quiet => self.quiet(&store, &session, out)?,
                Next::Item(item) => {
                    let Some(item) = item.transpose()? else { return Ok(self.exit) };
                    self.silence = Duration::ZERO;
                    let seen = Seen::of(&item);
                    self.tell(item, out)?;
                    if let Some(exit) = self.end(&seen) {
                        return Ok(self.exit.max(exit));
                    }
                }
            }
        }
    }

    async fn all(&mut self, store: &Store, out: &mut Out) -> Outcome {
        // Each session would need a list of its own of what it holds: all that comes is printed.
        let from = match self.printer.args.lines.unwrap_or(0) {
            0 if self.printer.args.since.is_none() => Cursor::end(),
            _ => self.printer.start(),
        };
        self.printer.held = None;
        let mut follower: StoreFollower = store.follow_all(from)?;
        if let Some(interval) = self.printer.args.poll {
            follower = follower.poll_every(interval);
        }
        loop {
            match self.stop.or(follower.next(), out).await {
                Next::Stopped => return Ok(self.exit),
                Next::Quiet => {}
                Next::Item(item) => {
                    let Some((session, item)) = item.transpose()? else { return Ok(self.exit) };
                    self.printer.session = session.to_string();
                    self.tell(item, out)?;
                }
            }
        }
    }

    /// The session, once there is one.
    async fn find(&mut self, store: &Store, out: &Out) -> Result<Option<(Store, SessionId)>, Failure> {
        let asked = self.printer.args.session.as_deref();
        let mut said = false;
        loop {
            let missing = match select::reader(store, asked) {
                Ok(reader) => {
                    self.exit = self.exit.max(damage::understood(&reader));
                    let parent = reader.path().parent().filter(|parent| !parent.as_os_str().is_empty());
                    let store = Store::open(parent.unwrap_or(Path::new(".")))?;
                    let name = reader.path().file_name().and_then(|name| name.to_str());
                    let session = name.and_then(SessionId::from_directory_name);
                    return Ok(Some((store, session.unwrap_or_else(|| reader.session_id().clone()))));
                }
                Err(missing) if missing.exit() == Exit::NoSession => missing,
                Err(failure) => return Err(failure),
            };
            let named = asked.map(|id| !id.contains(std::path::is_separator));
            if named == Some(false) {
                return Err(missing);
            }
            if !std::mem::replace(&mut said, true) {
                let what = asked.map_or("a session".to_owned(), |id| format!("session {id:?}"));
                words(&format!("waiting for {what} in `{}`", store.root().display()));
            }
            if let Some(id) = asked {
                return Ok(Some((store.clone(), SessionId::new(id)?)));
            }
            if matches!(self.stop.or(std::future::pending::<()>(), out).await, Next::Stopped) {
                return Ok(None);
            }
        }
    }

    fn tell(&mut self, item: Item<'static>, out: &mut Out) -> Result<(), Failure> {
        match item {
            Item::Entry(entry) => {
                self.last = Last::of(&entry, self.last);
                self.printer.take(entry, out)?;
                // What was there already goes out in large pieces, what comes now at once.
                return if self.caught_up { out.flush() } else { Ok(()) };
            }
            Item::CaughtUp => {
                self.caught_up = true;
                self.printer.release(out)?;
                return out.flush();
            }
            Item::Gap(gap) if gap.explained => return Ok(()),
            _ => {}
        }
        self.printer.pause(out)?;
        let session = &self.printer.session;
        match &item {
            Item::Gap(gap) => {
                damage::name_in(session, gap);
                self.exit = self.exit.max(Exit::Damage);
            }
            Item::Rewound(seq) => {
                words(&format!("session {session:?}: what was given out behind seq {seq} is not in it any more"));
            }
            Item::Replaced => words(&format!("session {session:?} was replaced by another one of the same name")),
            Item::WriterGone if self.last != Last::Nothing && !self.printer.args.all => {
                words(&format!("session {session:?}: nobody is recording it now"));
            }
            _ => {}
        }
        Ok(())
    }

    /// How it ends, if it was to wait for the session's end and that has come.
    fn end(&self, item: &Seen) -> Option<Exit> {
        if !self.printer.args.until_ended {
            return None;
        }
        match (item, self.last) {
            (Seen::CaughtUp | Seen::WriterGone, Last::Ended) | (Seen::WriterGone, Last::Closed) => Some(Exit::Fine),
            (Seen::WriterGone, Last::Open) => {
                words("the session was interrupted: its writer is gone and did not end it");
                Some(Exit::No)
            }
            _ => None,
        }
    }

    /// Nothing has come for a while: says whether that is because nobody writes.
    fn quiet(&mut self, store: &Store, session: &SessionId, out: &mut Out) -> Result<(), Failure> {
        self.silence += LOOK;
        if self.silence == SILENCE && std::io::stderr().is_terminal() && store.reader(session.clone())?.is_live()? {
            self.printer.pause(out)?;
            words(&format!("session {:?}: its writer is there, and has been silent for a minute", session.as_str()));
        }
        Ok(())
    }
}

/// What the last entry says about how the session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    /// There was none.
    Nothing,
    /// The session goes on, as far as it says.
    Open,
    /// A clean close with nothing left open.
    Closed,
    /// The session has ended.
    Ended,
}

impl Last {
    fn of(entry: &Entry<'_>, before: Last) -> Last {
        match entry.event() {
            Ok(Event::SessionEnded(_)) => Last::Ended,
            Ok(Event::JournalClosed(_)) if before == Last::Ended => Last::Ended,
            Ok(Event::JournalClosed(closed)) if closed.open.is_empty() => Last::Closed,
            _ => Last::Open,
        }
    }
}

/// The items after which following may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    CaughtUp,
    WriterGone,
    Other,
}

impl Seen {
    fn of(item: &Item<'_>) -> Seen {
        match item {
            Item::CaughtUp => Seen::CaughtUp,
            Item::WriterGone => Seen::WriterGone,
            _ => Seen::Other,
        }
    }
}

/// Says so where the system does not tell of changes.
fn say_if_unwatched(store: &Store, session: &SessionId, follower: &Follower) {
    if !follower.is_watching() && store.path_of(session).is_dir() {
        words("the system does not tell of changes here: looking for them ten times a second");
    }
}

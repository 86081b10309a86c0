//! `foldlog tail -f`: waits for what is recorded, and says how things stand.

use super::printer::Printer;
use super::stop::{LOOK, Next, Stop};
use super::told::{Doubt, Told};
use crate::cli::args::TailArgs;
use crate::cli::exit::{Exit, Failure, Outcome, words};
use crate::cli::term::out::Out;
use crate::cli::term::{damage, notices};
use crate::cli::{limits, select};
use foldlog::{Cursor, Entry, Event, Follower, Item, Reader, SessionId, Store, StoreFollower};
use std::collections::{HashMap, HashSet};
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

/// After how long a silence it is said that a writer is there all the same.
const SILENCE: Duration = Duration::from_secs(60);

pub(super) fn run(args: &TailArgs, store: &Store, out: &mut Out) -> Outcome {
    notices::never_block().map_err(Failure::io)?;
    if args.all {
        limits::allow_many_files();
    }
    let runtime = limits::runtime()?;
    runtime.block_on(async {
        let mut live = Live {
            printer: Printer::new(args, ""),
            stop: Stop::new()?,
            exit: Exit::Fine,
            told: HashMap::new(),
            silence: Duration::ZERO,
            caught_up: false,
            last: Last::Nothing,
            is_gone: false,
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
    /// What it would be without gaps.
    exit: Exit,
    /// What was said of each session.
    told: HashMap<String, Told>,
    /// How long nothing has come.
    silence: Duration,
    /// What was there already has been printed.
    caught_up: bool,
    last: Last,
    /// It was said that nobody is recording, and as far as is known that has not changed.
    is_gone: bool,
}

/// What was said about how all sessions are followed.
#[derive(Default)]
struct Said {
    crowded: bool,
    unwatched: bool,
    told: bool,
}

/// Where a follower is: in a store's session, behind what it has given out.
type Place<'a> = &'a dyn Fn() -> Option<Doubt>;

/// The session to follow.
struct Found {
    store: Store,
    session: SessionId,
    /// It was not there when the command began.
    is_news: bool,
}

impl Live<'_> {
    async fn one(&mut self, store: &Store, out: &mut Out) -> Outcome {
        let Some(Found { store, session, is_news }) = self.find(store, out).await? else { return Ok(self.end_exit()) };
        if is_news {
            self.printer.expect_news();
        }
        self.printer.session = session.to_string();
        let mut follower = store.follow(session.clone(), self.printer.start())?;
        match self.printer.args.poll {
            Some(interval) => follower = follower.poll_every(interval),
            None => say_if_unwatched(&store, &session, &follower),
        }
        loop {
            match self.stop.or(follower.next(), out).await {
                Next::Stopped => return Ok(self.end_exit()),
                Next::Quiet => self.quiet(&store, &session, out)?,
                Next::Item(item) => {
                    let Some(item) = item.transpose()? else { return Ok(self.end_exit()) };
                    self.silence = Duration::ZERO;
                    let seen = Seen::of(&item);
                    if seen == Seen::CaughtUp && self.is_gone {
                        self.is_gone =
                            !store.reader(session.clone()).is_ok_and(|reader| reader.is_live().unwrap_or(false));
                    }
                    self.tell(
                        item,
                        &|| Some(Doubt { store: store.clone(), session: session.clone(), from: follower.cursor() }),
                        out,
                    )?;
                    if let Some(exit) = self.end(&seen) {
                        return Ok(self.end_exit().max(exit));
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
        let mut said = Said::default();
        loop {
            match self.stop.or(follower.next(), out).await {
                Next::Stopped => return Ok(self.end_exit()),
                Next::Quiet => self.say_how(store, &follower, &mut said),
                Next::Item(None) => return Ok(self.end_exit()),
                Next::Item(Some(Ok((session, item)))) => {
                    self.printer.session = session.to_string();
                    let place = || {
                        let from = follower.cursor().sessions.remove(&session)?;
                        Some(Doubt { store: store.clone(), session: session.clone(), from })
                    };
                    self.tell(item, &place, out)?;
                }
                Next::Item(Some(Err(error))) => {
                    self.printer.pause(out)?;
                    words(&format!("{error}; the others are followed, and this is tried again"));
                    self.raise(Exit::No);
                }
            }
        }
    }

    /// Says once, each, what keeps sessions from being followed as soon as something is recorded.
    fn say_how(&self, store: &Store, follower: &StoreFollower, said: &mut Said) {
        if let Some(most) = follower.is_crowded()
            && !std::mem::replace(&mut said.crowded, true)
        {
            words(&format!(
                "the system allows too few open files: at most {} read at a time, the others are polled; raise the limit with `ulimit -n`",
                match most {
                    1 => "1 session is".to_owned(),
                    most => format!("{most} sessions are"),
                }
            ));
        }
        // A root that is not there yet is looked for, which says nothing about the system.
        let unwatched = self.printer.args.poll.is_none() && !follower.is_watching() && store.root().is_dir();
        // Twice: what has only just appeared is watched from the next look on.
        if unwatched && std::mem::replace(&mut said.unwatched, true) && !std::mem::replace(&mut said.told, true) {
            words("the system does not notify of changes in some directories: they are polled");
        }
    }

    /// The session, once there is one.
    async fn find(&mut self, store: &Store, out: &Out) -> Result<Option<Found>, Failure> {
        let asked = self.printer.args.session.as_deref();
        let mut passed_over = HashSet::new();
        let missing = match asked {
            Some(_) => select::reader(store, asked),
            None => select::newest(store, &mut passed_over),
        };
        let missing = match missing {
            Ok(reader) => return self.found(&reader, false).map(Some),
            Err(missing) if missing.exit() == Exit::NoSession => missing,
            Err(failure) => return Err(failure),
        };
        let asked_id = asked.map(|session| session.to_str().filter(|session| select::is_id(session)));
        let what = match asked_id {
            // It is a path for sure, and most likely a wrong one.
            Some(None) => return Err(missing),
            Some(Some(session)) => format!("session {session:?}"),
            None => "a session".to_owned(),
        };
        words(&format!("waiting for {what} in `{}`", store.root().display()));
        if let Some(id) = asked_id.flatten().filter(|id| !select::may_be_path(id)) {
            return Ok(Some(Found { store: store.clone(), session: SessionId::new(id)?, is_news: true }));
        }
        loop {
            if matches!(self.stop.or(std::future::pending::<()>(), out).await, Next::Stopped) {
                return Ok(None);
            }
            let found = match asked {
                Some(_) => select::reader(store, asked),
                None => select::first(store, &mut passed_over),
            };
            match found {
                Ok(reader) => {
                    if asked.is_none() {
                        words(&format!("following session {:?}", reader.session_id().as_str()));
                    }
                    return self.found(&reader, true).map(Some);
                }
                Err(missing) if missing.exit() == Exit::NoSession => {}
                Err(failure) => return Err(failure),
            }
        }
    }

    /// The store and the name that a session is followed under: a path names a root of its own.
    fn found(&mut self, reader: &Reader, is_news: bool) -> Result<Found, Failure> {
        self.raise(damage::understood(reader));
        let parent = reader.path().parent().filter(|parent| !parent.as_os_str().is_empty());
        let store = Store::open(parent.unwrap_or(Path::new(".")))?;
        let name = reader.path().file_name().and_then(|name| name.to_str());
        match name.and_then(SessionId::from_directory_name) {
            Some(session) => Ok(Found { store, session, is_news }),
            None => Err(Failure::usage(format!(
                "`{}` cannot be followed: its name stands for no id; rename it",
                reader.path().display()
            ))),
        }
    }

    fn raise(&mut self, exit: Exit) {
        if exit > self.exit {
            self.exit = exit;
            self.stop.would_exit(self.exit());
        }
    }

    /// The exit code at the end: a gap does not count that has come to be none.
    fn end_exit(&mut self) -> Exit {
        self.told.values_mut().for_each(Told::settle);
        self.exit()
    }

    /// The exit code by now.
    fn exit(&self) -> Exit {
        let has_gap = self.told.values().any(Told::has_gap);
        if has_gap { self.exit.max(Exit::Damage) } else { self.exit }
    }

    /// What was said of the session that is being printed.
    fn told(&mut self) -> &mut Told {
        self.told.entry(self.printer.session.clone()).or_default()
    }

    /// Prints an item, or says what it means; `place` is where it is.
    fn tell(&mut self, item: Item<'static>, place: Place<'_>, out: &mut Out) -> Result<(), Failure> {
        match item {
            Item::Entry(entry) => {
                self.last = Last::of(&entry, self.last);
                self.told().entry(entry.seq().get());
                // The end of a run, and the beginning of one after a crash: the recorder was there.
                self.is_gone &= !matches!(entry.type_name(), "journal_closed" | "journal_recovered");
                self.printer.take(entry, out)?;
                self.raise(self.printer.exit);
                // What was there already goes out in large pieces, what comes now at once.
                return if self.caught_up { out.flush() } else { Ok(()) };
            }
            Item::CaughtUp => {
                self.caught_up = true;
                self.printer.release(out)?;
                self.raise(self.printer.exit);
                return out.flush();
            }
            Item::Gap(gap) if gap.explained => return Ok(()),
            _ => {}
        }
        self.printer.pause(out)?;
        match &item {
            Item::Gap(gap) => self.told().gap(gap, place),
            Item::Rewound(seq) => self.told().rewind_to(seq.get()),
            _ => {}
        }
        self.stop.would_exit(self.exit());
        let session = &self.printer.session;
        match &item {
            Item::Gap(gap) => damage::name_in(session, gap),
            Item::Rewound(seq) => {
                words(&format!(
                    "session {session:?}: what was given out behind seq {seq} is not in it any more, or was not all that was there"
                ));
            }
            Item::Replaced => words(&format!("session {session:?} was replaced by another one of the same name")),
            Item::WriterGone if self.last != Last::Nothing && !self.printer.args.all && !self.is_gone => {
                self.is_gone = true;
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

//! [`Journal`]: the handle through which a run is recorded.

use crate::compact::{Background, count_small};
use crate::error::{Error, ErrorKind, Result};
use crate::format::draft::Draft;
use crate::format::line::MAX_ID;
use crate::model::cursor::Cursor;
use crate::model::event::{OpenTurn, SessionEnded, SessionStarted, ToolCallRecorded, TurnRecorded};
use crate::model::id::SessionId;
use crate::model::record::{AgentTransitionRecord, ToolCallRecord, TurnRecord};
use crate::model::seq::Seq;
use crate::read::follow::{Follower, Gate};
use crate::runtime::pool::Pool;
use crate::runtime::ticket::{Closing, HealthChange, Ticket};
use crate::runtime::watermark::{Durability, Health};
use crate::segments::dir::Files;
use crate::store::lookup::{Lookup, Searches};
use crate::write::append_error::Refused;
use crate::write::open::{self, Caveat, Opened, Resumed};
use crate::write::options::JournalOptions;
use crate::write::ready::Room;
use crate::write::recovery::Recovery;
use crate::write::writer::{self, Writer};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Records one session. A handle: clones write to the same journal, from any thread or task.
///
/// There is one writer a session, by a kernel lock that a crash cannot leave behind. Dropping the last handle writes and
/// syncs what is queued, and blocks for that; if the disk is full it does not wait for space, and the tickets of what did
/// not fit fail. [`Journal::close`] also notes in the log that the end was meant, and does wait. A journal in a `static` is
/// never dropped: see [`Journal::push`].
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let root = tempfile::tempdir()?;
/// use foldlog::{Store, TextDelta, TurnEnded, TurnStarted};
///
/// let store = Store::open(root.path())?;
/// let journal = store.journal("s-1")?;
/// journal.append(TurnStarted::new("t-1", "Fix the build"))?.wait()?; // on disk before we act
/// journal.push(TextDelta::new("t-1", "Looking at it"))?;
/// journal.append(TurnEnded::success("t-1"))?.wait()?;
/// journal.close().wait()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Journal {
    handle: Arc<Handle>,
}

/// What all clones share. Its drop is the drop of the last one.
struct Handle {
    writer: Arc<Writer>,
    files: Files,
    session_id: SessionId,
    options: JournalOptions,
    opened: Opened,
    background: Arc<Background>,
    searches: Arc<Searches>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.writer.abandon();
        self.background.finish_merging(&self.files.dir);
    }
}

impl Journal {
    pub(crate) fn open(
        files: Files,
        session_id: SessionId,
        options: JournalOptions,
        pool: Arc<Pool>,
        background: Arc<Background>,
    ) -> Result<Journal> {
        // Before anything is promised: an event that is appended must not wait for a thread that cannot be started.
        pool.have_a_thread().map_err(|error| {
            let message = format!("cannot start a thread to record with: {error}; allow more threads or memory");
            Error::io_as(message, &files.dir, error)
        })?;
        let lock = open::lock(&files, &session_id)?;
        let resumed = open::resume(&files, lock, &session_id, &options)?;
        files.release(); // from here on the lock keeps the directory open
        let Resumed { committer, next_seq, recovered, opened } = resumed;
        background.opened(&pool, &files, &session_id, &options, count_small(opened.sizes.iter().copied()));
        let on_roll_over = on_roll_over(&background, &pool, &files, &session_id, &options, opened.epoch);
        let searches = Arc::new(Searches::new(files.clone(), Arc::clone(&pool)));
        let id = session_id.to_string();
        let writer = Writer::new(id, options.clone(), on_roll_over, pool, committer, next_seq, recovered);
        let handle = Handle { writer: Arc::new(writer), files, session_id, options, opened, background, searches };
        Ok(Journal { handle: Arc::new(handle) })
    }

    /// Appends an event that must be safe before you go on: await the ticket. Never blocks.
    ///
    /// # Errors
    /// The event is handed back inside the error, which says why it was refused: [`ErrorKind::Backlog`] when too much
    /// waits to be written, [`ErrorKind::StorageFull`], [`ErrorKind::TooLarge`], [`ErrorKind::InvalidInput`],
    /// [`ErrorKind::WrongSession`], [`ErrorKind::Closed`], [`ErrorKind::Forked`], or the failure that ended the writer.
    pub fn append(&self, event: impl Into<Draft>) -> Result<Ticket, Refused> {
        let draft = event.into();
        match self.handle.writer.append(&draft, true) {
            Ok((mark, seq)) => {
                draft.recycle();
                Ok(Ticket::new(mark, self.handle.writer.durability(), seq))
            }
            Err(error) => Err(Refused { error, draft: Box::new(draft) }),
        }
    }

    /// Appends without waiting for durability, as for a streamed delta. Never blocks.
    ///
    /// The event is queued in this process. Another thread writes it, usually within microseconds, and syncs it within
    /// [`JournalOptions::sync_interval`] of that. An event that is still queued is lost when the process ends by
    /// `std::process::exit`, `abort` or a signal, or when the journal is in a `static`, which Rust never drops: before such
    /// an exit, wait for [`Journal::flush`], or close the journal.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    pub fn push(&self, event: impl Into<Draft>) -> Result<Seq, Refused> {
        let draft = event.into();
        match self.handle.writer.append(&draft, false) {
            Ok((_, seq)) => {
                draft.recycle();
                Ok(Seq::new(seq))
            }
            Err(error) => Err(Refused { error, draft: Box::new(draft) }),
        }
    }

    /// A ticket that resolves once everything appended so far is on disk.
    ///
    /// # Errors
    /// The failure that ended the writer.
    pub fn sync(&self) -> Result<Ticket> {
        self.barrier(Durability::Synced)
    }

    /// A ticket that resolves once everything appended so far, pushed events included, has been handed to the operating
    /// system: from then on it survives the death of this process. For what has to survive a power loss there is
    /// [`Journal::sync`].
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let root = tempfile::tempdir()?;
    /// # let journal = foldlog::Store::open(root.path())?.journal("s-1")?;
    /// # use foldlog::TextDelta;
    /// journal.push(TextDelta::new("t-1", "the last words"))?;
    /// journal.flush()?.wait()?; // now `std::process::exit` loses nothing
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The failure that ended the writer.
    pub fn flush(&self) -> Result<Ticket> {
        self.barrier(Durability::Written)
    }

    fn barrier(&self, level: Durability) -> Result<Ticket> {
        let (mark, seq) = self.handle.writer.bring_to(level)?;
        Ok(Ticket::new(mark, level, seq))
    }

    /// Looks for the entry to which a caller gave `id`, among everything appended so far, in the newest
    /// [`LOOKUP_BYTES`](crate::LOOKUP_BYTES) of the journal. Never blocks: await the look-up, or wait for it.
    ///
    /// One search answers all look-ups that wait, so begin many before you await the first.
    ///
    /// It resolves once everything appended before is as durable as [`JournalOptions::durability`] asks, so an entry that is
    /// [`Found`](crate::Found) is that durable, too. This is how an event is appended again whose outcome is
    /// [`Unknown`](crate::Outcome::Unknown), or was never told because its process died: an id is no key, and a second append
    /// under the same one makes a second entry.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let root = tempfile::tempdir()?;
    /// # let journal = foldlog::Store::open(root.path())?.journal("s-1")?;
    /// # use foldlog::{Draft, TextDelta};
    /// let found = journal.lookup("step-1")?.wait()?;
    /// if found.seq.is_none() && found.complete {
    ///     journal.append(Draft::from(TextDelta::new("t-1", "Hello")).id("step-1"))?.wait()?;
    /// }
    /// # assert!(journal.lookup("step-1")?.wait()?.seq.is_some());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] for an id longer than [`MAX_ID`], or the failure that ended the writer.
    pub fn lookup(&self, id: &str) -> Result<Lookup> {
        if id.len() > MAX_ID {
            let message = format!("an id has at most {MAX_ID} bytes, this one has {}", id.len());
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        let level = self.handle.writer.durability();
        let (mark, last) = self.handle.writer.bring_to(level)?;
        Ok(Lookup::new(&self.handle.searches, level, mark, last, id))
    }

    /// Resolves when the queue has room again after [`ErrorKind::Backlog`].
    pub fn ready(&self) -> Room {
        Room { writer: Arc::clone(&self.handle.writer) }
    }

    /// Writes and syncs everything, notes in the log that the journal was closed, and frees the lock. May be called
    /// twice, from any clone.
    pub fn close(&self) -> Closing {
        self.close_because("closed")
    }

    /// [`Journal::close`] with a reason for the log: `closed`, `eof`, `signal` or `idle`.
    pub fn close_because(&self, reason: &str) -> Closing {
        Closing::new(self.handle.writer.close(reason))
    }

    /// After a failure: recovers what is on disk into a new segment, and goes on. Events whose tickets had failed with
    /// an unknown outcome may be there or not: look each up by its `id` ([`Journal::lookup`]), and append it again only if
    /// it is missing.
    ///
    /// # Errors
    /// If recovery fails; the journal then stays as it was. Does nothing if nothing has failed.
    pub fn reopen(&self) -> Result<()> {
        let handle = &*self.handle;
        if handle.writer.failure().is_none() {
            return Ok(());
        }
        handle.writer.replace(|old, last_given| {
            if let Err(error) = old.lock().must_be_in_place(&handle.files) {
                return Err(Box::new((old, error)));
            }
            match open::resume(&handle.files, old.lock(), &handle.session_id, &handle.options) {
                Ok(Resumed { committer, next_seq, mut recovered, opened }) => {
                    let next_seq = writer::skip_given_numbers(&mut recovered, &opened, next_seq, last_given);
                    Ok((committer, next_seq, recovered))
                }
                Err(error) => Err(Box::new((old, error))),
            }
        })
    }

    /// Follows what this handle and its clones record, and what comes after them: see [`Follower`]. With
    /// [`Durability::Synced`] no entry is given out before it is on disk, with [`Durability::Written`] as soon as it is
    /// written.
    ///
    /// # Errors
    /// As for [`Reader::follow`](crate::Reader::follow).
    pub fn follow(&self, from: Cursor, durability: Durability) -> Result<Follower> {
        let gate = Gate::new(self.handle.writer.current_mark(), durability);
        Follower::new(self.handle.files.detached(), &from, Some(gate))
    }

    /// The session this journal records.
    pub fn session_id(&self) -> &SessionId {
        &self.handle.session_id
    }

    /// What opening found of the last run: whether it ended cleanly, what was cut, what could not be read.
    pub fn recovered(&self) -> &Recovery {
        &self.handle.opened.recovery
    }

    /// What the file system of the session does not do, as far as the opening found out. Say it to who runs the program.
    pub fn caveats(&self) -> &[Caveat] {
        &self.handle.opened.caveats
    }

    /// The turns, with their calls, that the last run started and did not end.
    pub fn open_turns(&self) -> &[OpenTurn] {
        &self.handle.opened.open_turns
    }

    /// The last `id` that any caller gave to an event before this opening: continue behind it.
    pub fn last_id(&self) -> Option<&str> {
        self.handle.opened.last_id.as_deref()
    }

    /// Whether there was no entry yet when this handle was opened.
    pub fn is_new(&self) -> bool {
        self.handle.opened.is_new
    }

    /// The number of this opening: that of the first segment it makes.
    pub fn epoch(&self) -> u64 {
        self.handle.opened.epoch
    }

    /// The identity of this opening: 32 random hexadecimal digits, in the header of every segment that it makes. A sequence
    /// number names one event for good only together with it: after an older copy of the directory was put back, the same
    /// numbers come again under another identity.
    pub fn epoch_id(&self) -> &str {
        &self.handle.opened.epoch_id
    }

    /// The last number that was given to an event, here or before.
    pub fn last_seq(&self) -> Seq {
        Seq::new(self.handle.writer.last_seq())
    }

    /// The durable watermark: everything up to this number is on disk.
    pub fn synced(&self) -> Seq {
        Seq::new(self.handle.writer.mark().reached(Durability::Synced))
    }

    /// Everything up to this number has been handed to the operating system.
    pub fn written(&self) -> Seq {
        Seq::new(self.handle.writer.mark().reached(Durability::Written))
    }

    /// How recording goes at this moment.
    pub fn health(&self) -> Health {
        self.handle.writer.mark().health()
    }

    /// Resolves with the new [`Health`] once it differs from what it is now.
    pub fn health_change(&self) -> HealthChange {
        HealthChange::new(self.handle.writer.mark())
    }

    /// Records that the session began.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    pub fn start_session(&self, started: SessionStarted<'_>) -> Result<Ticket, Refused> {
        self.append(started)
    }

    /// Records a whole turn, replacing what is known of it.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    pub fn record_turn(&self, turn: TurnRecord) -> Result<Ticket, Refused> {
        self.append(TurnRecorded::new(turn))
    }

    /// Records a whole tool call, replacing what is known of it.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    pub fn record_tool_call(&self, turn_id: &str, call: ToolCallRecord) -> Result<Ticket, Refused> {
        self.append(ToolCallRecorded { turn_id: turn_id.into(), call })
    }

    /// Records that one agent handed over to another.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    pub fn record_transition(&self, transition: AgentTransitionRecord) -> Result<Ticket, Refused> {
        self.append(transition)
    }

    /// Records that the session ended.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    pub fn end_session(&self, reason: &str) -> Result<Ticket, Refused> {
        self.append(SessionEnded::new().reason(reason))
    }
}

/// What happens when a journal whose first segment is `epoch` begins another one: the full ones may be compacted.
fn on_roll_over(
    background: &Arc<Background>,
    pool: &Arc<Pool>,
    files: &Files,
    session_id: &SessionId,
    options: &JournalOptions,
    epoch: u64,
) -> writer::RollOver {
    let (background, pool) = (Arc::clone(background), Arc::clone(pool));
    let (files, session_id, options) = (files.clone(), session_id.clone(), options.clone());
    let looked_through = AtomicU64::new(epoch.saturating_sub(1));
    Box::new(move |begun| {
        let looked_through = looked_through.swap(begun.saturating_sub(1), Ordering::Relaxed);
        background.rolled_over(&pool, &files, &session_id, &options, looked_through);
    })
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("session_id", &self.handle.session_id).finish_non_exhaustive()
    }
}

//! [`Journal`]: the handle through which a run is recorded.

use crate::commit::{Committer, Identity, Start};
use crate::draft::Draft;
use crate::error::{Error, ErrorKind, Result};
use crate::event::{OpenTurn, SessionEnded, SessionStarted, ToolCallRecorded, TurnRecorded};
use crate::files::{Files, LOCK};
use crate::id::SessionId;
use crate::pool::Pool;
use crate::record::{AgentTransitionRecord, ToolCallRecord, TurnRecord};
use crate::recovery::{self, Recovery};
use crate::seq::Seq;
use crate::storage::{Access, StorageFile};
use crate::time::Timestamp;
use crate::watermark::{Closing, Durability, Health, HealthChange, Ticket};
use crate::writer::{self, Limits, OnFull, Writer};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// How long an opening tries to get the lock: readers take it for an instant to see whether anybody writes.
const LOCK_PATIENCE: Duration = Duration::from_millis(300);

/// How a journal is written. Build one from its default:
///
/// ```
/// use foldlog::{Durability, JournalOptions};
/// let options = JournalOptions::default().durability(Durability::Written);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct JournalOptions {
    durability: Durability,
    sync_interval: Duration,
    queue_bytes: usize,
    segment_bytes: u64,
    on_full: OnFull,
}

impl Default for JournalOptions {
    fn default() -> JournalOptions {
        JournalOptions {
            durability: Durability::Synced,
            sync_interval: Duration::from_millis(100),
            queue_bytes: 8 << 20,
            segment_bytes: 64 << 20,
            on_full: OnFull::Fail,
        }
    }
}

impl JournalOptions {
    /// How safe an event is when its ticket resolves. By default [`Durability::Synced`].
    pub fn durability(mut self, durability: Durability) -> JournalOptions {
        self.durability = durability;
        self
    }

    /// Within which time events that nobody waits for are synced. By default 100 ms.
    pub fn sync_interval(mut self, interval: Duration) -> JournalOptions {
        self.sync_interval = interval;
        self
    }

    /// How many bytes may wait to be written before `append` and `push` fail with [`ErrorKind::Backlog`]. By default
    /// 8 MiB. One event is always taken, whatever its size.
    pub fn queue_bytes(mut self, bytes: usize) -> JournalOptions {
        self.queue_bytes = bytes;
        self
    }

    /// How large a segment may grow. By default 64 MiB. A segment takes at least one entry, whatever its size.
    pub fn segment_bytes(mut self, bytes: u64) -> JournalOptions {
        self.segment_bytes = bytes;
        self
    }

    /// What happens when the disk is full. By default [`OnFull::Fail`].
    pub fn on_full(mut self, on_full: OnFull) -> JournalOptions {
        self.on_full = on_full;
        self
    }
}

/// Records one session. A handle: clones write to the same journal, from any thread or task.
///
/// There is one writer a session, by a kernel lock that a crash cannot leave behind. Dropping the last handle writes and
/// syncs what is queued, and blocks for that; [`Journal::close`] also notes in the log that the end was meant.
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
}

/// What the opening found.
struct Opened {
    recovery: Recovery,
    open_turns: Vec<OpenTurn>,
    last_id: Option<String>,
    epoch: u64,
    is_new: bool,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.writer.abandon();
    }
}

impl Journal {
    pub(crate) fn open(
        files: Files,
        session_id: SessionId,
        options: JournalOptions,
        pool: Arc<Pool>,
    ) -> Result<Journal> {
        let lock = lock(&files, &session_id)?;
        let resumed = resume(&files, lock, &session_id, &options)?;
        let limits = Limits {
            durability: options.durability,
            sync_interval: options.sync_interval,
            queue_bytes: options.queue_bytes,
            on_full: options.on_full,
        };
        let Resumed { committer, next_seq, recovered, opened } = resumed;
        let writer = Writer::new(session_id.to_string(), limits, pool, committer, next_seq, recovered);
        let handle = Handle { writer: Arc::new(writer), files, session_id, options, opened };
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
            Ok((mark, seq)) => Ok(Ticket::new(mark, self.handle.writer.durability(), seq)),
            Err(error) => Err(Refused { error, draft: Box::new(draft) }),
        }
    }

    /// Appends an event that nobody waits for, such as a streamed delta: written at once, synced within
    /// [`JournalOptions::sync_interval`]. Never blocks.
    ///
    /// # Errors
    /// As for [`Journal::append`].
    pub fn push(&self, event: impl Into<Draft>) -> Result<Seq, Refused> {
        let draft = event.into();
        match self.handle.writer.append(&draft, false) {
            Ok((_, seq)) => Ok(Seq::new(seq)),
            Err(error) => Err(Refused { error, draft: Box::new(draft) }),
        }
    }

    /// The barrier: a ticket that resolves when everything appended so far is on disk.
    ///
    /// # Errors
    /// The failure that ended the writer.
    pub fn sync(&self) -> Result<Ticket> {
        let (mark, seq) = self.handle.writer.sync()?;
        Ok(Ticket::new(mark, Durability::Synced, seq))
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

    /// [`Journal::close`] with a reason for the log: `closed`, `eof` or `signal`.
    pub fn close_because(&self, reason: &str) -> Closing {
        Closing { mark: self.handle.writer.close(reason) }
    }

    /// After a failure: recovers what is on disk into a new segment, and goes on. Events whose tickets had failed with
    /// an unknown outcome may be there or not; append them again under the same `id` if they are missing.
    ///
    /// # Errors
    /// If recovery fails; the journal then stays as it was. Does nothing if nothing has failed.
    pub fn reopen(&self) -> Result<()> {
        let handle = &*self.handle;
        if handle.writer.failure().is_none() {
            return Ok(());
        }
        handle.writer.replace(|old, last_given| {
            let lock_path = handle.files.dir.join(LOCK);
            let still_ours = old.lock_file().is_at(&lock_path);
            if !matches!(still_ours, Ok(true)) {
                let message = format!("`{}` is no longer the file we hold the lock on", lock_path.display());
                return Err((old, Error::new(ErrorKind::Fenced, message)));
            }
            match resume(&handle.files, old.lock_file(), &handle.session_id, &handle.options) {
                Ok(Resumed { committer, next_seq, mut recovered, opened }) => {
                    let next_seq = writer::skip_given_numbers(&mut recovered, opened.epoch, next_seq, last_given);
                    Ok((committer, next_seq, recovered))
                }
                Err(error) => Err((old, error)),
            }
        })
    }

    /// The session this journal records.
    pub fn session_id(&self) -> &SessionId {
        &self.handle.session_id
    }

    /// What opening found of the last run: whether it ended cleanly, what was cut, what could not be read.
    pub fn recovered(&self) -> &Recovery {
        &self.handle.opened.recovery
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
        self.handle.writer.mark().health().0
    }

    /// Resolves with the new [`Health`] once it differs from what it is now.
    pub fn health_change(&self) -> HealthChange {
        let mark = self.handle.writer.mark();
        let seen = mark.health().1;
        HealthChange { mark, seen }
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

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal").field("session_id", &self.handle.session_id).finish_non_exhaustive()
    }
}

/// An event that was not taken, and why.
#[derive(Clone, Debug)]
pub struct Refused {
    error: Error,
    draft: Box<Draft>,
}

impl Refused {
    /// Why.
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// What kind of reason it is.
    pub fn kind(&self) -> ErrorKind {
        self.error.kind()
    }

    /// The event, to be appended again.
    pub fn into_draft(self) -> Draft {
        *self.draft
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.error)
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Error {
        refused.error
    }
}

/// Resolves when the queue has room. See [`Journal::ready`].
#[must_use = "a future does nothing unless it is awaited"]
pub struct Room {
    writer: Arc<Writer>,
}

impl Room {
    /// Blocks until there is room.
    ///
    /// # Errors
    /// If the journal was closed, or the failure that ended its writer.
    pub fn wait(self) -> Result<()> {
        crate::watermark::block_on(self)
    }
}

impl Future for Room {
    type Output = Result<()>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        match self.writer.poll_room(context.waker()) {
            Ok(true) => Poll::Ready(Ok(())),
            Ok(false) => Poll::Pending,
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl fmt::Debug for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Room")
    }
}

struct Resumed {
    committer: Committer,
    next_seq: u64,
    recovered: Option<crate::event::JournalRecovered>,
    opened: Opened,
}

fn resume(
    files: &Files,
    lock: Arc<dyn StorageFile>,
    session_id: &SessionId,
    options: &JournalOptions,
) -> Result<Resumed> {
    let resume = recovery::recover(files, session_id.as_str())?;
    let identity = Identity {
        journal: resume.journal.map_or_else(random_id, Ok)?,
        session_id: session_id.to_string(),
        epoch: resume.next_segment,
        host: host(),
    };
    let opened = Opened {
        open_turns: resume.activity.open().0,
        last_id: resume.activity.last_id.clone(),
        epoch: resume.next_segment,
        is_new: resume.report.last_seq == Seq::ZERO,
        recovery: resume.report,
    };
    let last_seq = opened.recovery.last_seq.get();
    let start = Start { next_segment: resume.next_segment, last_seq, prev: resume.prev, activity: resume.activity };
    let committer = Committer::new(files.clone(), lock, identity, options.segment_bytes, start);
    Ok(Resumed { committer, next_seq: resume.next_seq, recovered: resume.recovered, opened })
}

/// Takes the kernel's lock on the journal and notes who holds it, for messages only.
fn lock(files: &Files, session_id: &SessionId) -> Result<Arc<dyn StorageFile>> {
    let path = files.dir.join(LOCK);
    let open = || files.storage.open(&path, Access::Lock).map_err(|error| Error::io("open", &path, error));
    let io = |error| Error::io("lock", &path, error);
    let give_up = Instant::now() + LOCK_PATIENCE;
    loop {
        let file = open()?;
        if file.try_lock(true).map_err(io)? {
            // Somebody may have replaced the file between the opening and the locking.
            if file.is_at(&path).map_err(io)? {
                let note = format!("pid {} on {} since {}\n", std::process::id(), host(), Timestamp::now());
                // For messages only: a full disk must not keep us from recording.
                let _ = file.set_len(0).and_then(|()| file.write_at(note.as_bytes(), 0));
                return Ok(file);
            }
        } else if Instant::now() >= give_up {
            return Err(locked(&*file, session_id));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn locked(file: &dyn StorageFile, session_id: &SessionId) -> Error {
    let mut note = [0u8; 200];
    let read = file.read_at(&mut note, 0).unwrap_or(0);
    let holder = String::from_utf8_lossy(&note[..read]);
    let holder = match holder.trim_end() {
        "" => "another process",
        holder => holder,
    };
    let message = format!(
        "the session {:?} is being recorded by another writer ({holder}): wait for it to end, or record under another id",
        session_id.as_str()
    );
    Error::new(ErrorKind::Locked, message)
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn random_id() -> Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot get random bytes for the journal's id: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

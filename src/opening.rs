//! Opening a journal for writing: its lock, its recovery, and the committer that goes on behind what was found.

use crate::commit::{Committer, Identity, Start};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{JournalRecovered, OpenTurn};
use crate::files::{Files, LOCK};
use crate::id::SessionId;
use crate::options::JournalOptions;
use crate::recovery::{self, Recovery};
use crate::seq::Seq;
use crate::storage::{Access, Storage, StorageFile};
use crate::time::Timestamp;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an opening tries to get the lock: readers take it for an instant to see whether anybody writes.
const LOCK_PATIENCE: Duration = Duration::from_millis(300);

/// What the opening found.
pub(crate) struct Opened {
    pub(crate) recovery: Recovery,
    pub(crate) open_turns: Vec<OpenTurn>,
    pub(crate) last_id: Option<String>,
    pub(crate) epoch: u64,
    pub(crate) is_new: bool,
}

/// A journal made ready for writing.
pub(crate) struct Resumed {
    pub(crate) committer: Committer,
    pub(crate) next_seq: u64,
    pub(crate) recovered: Option<JournalRecovered>,
    pub(crate) opened: Opened,
}

/// Recovers what is there, whose lock is held, and makes the committer that goes on behind it.
pub(crate) fn resume(
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

/// A lock that was tried for.
pub(crate) enum Taken {
    /// It is ours until this is dropped.
    Ours(Arc<dyn StorageFile>),
    /// Somebody else has it.
    Theirs(Arc<dyn StorageFile>),
}

/// Takes the kernel's lock on the journal and notes who holds it, for messages only.
pub(crate) fn lock(files: &Files, session_id: &SessionId) -> Result<Arc<dyn StorageFile>> {
    match take(&*files.storage, &files.dir.join(LOCK))? {
        Taken::Ours(file) => {
            let note = format!("pid {} on {} since {}\n", std::process::id(), host(), Timestamp::now());
            // For messages only: a full disk must not keep us from recording.
            let _ = file.set_len(0).and_then(|()| file.write_at(note.as_bytes(), 0));
            Ok(file)
        }
        Taken::Theirs(file) => {
            let message = format!(
                "the session {:?} is being recorded by another writer ({}): wait for it to end, or record under another id",
                session_id.as_str(),
                holder(&*file)
            );
            Err(Error::new(ErrorKind::Locked, message))
        }
    }
}

/// Takes the kernel's lock on a file, which is made if it is missing. Tries for a moment.
pub(crate) fn take(storage: &dyn Storage, path: &Path) -> Result<Taken> {
    let io = |error| Error::io("lock", path, error);
    let give_up = Instant::now() + LOCK_PATIENCE;
    loop {
        let file = storage.open(path, Access::Lock).map_err(|error| Error::io("open", path, error))?;
        if file.try_lock(true).map_err(io)? {
            // Somebody may have replaced the file between the opening and the locking.
            if file.is_at(path).map_err(io)? {
                return Ok(Taken::Ours(file));
            }
        } else if Instant::now() >= give_up {
            return Ok(Taken::Theirs(file));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Who holds a lock, as its file says.
pub(crate) fn holder(file: &dyn StorageFile) -> String {
    let mut note = [0u8; 200];
    let read = file.read_at(&mut note, 0).unwrap_or(0);
    match String::from_utf8_lossy(&note[..read]).trim_end() {
        "" => "another process".to_owned(),
        holder => holder.to_owned(),
    }
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

//! Opening a journal for writing: its lock, its recovery, and the committer that goes on behind what was found.

use crate::commit::{Committer, Identity, Start};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{JournalRecovered, OpenTurn};
use crate::files::{Files, LOCK};
use crate::id::SessionId;
use crate::options::JournalOptions;
use crate::recovery::{self, Recovery};
use crate::seq::Seq;
use crate::storage::{Access, StorageFile};
use crate::time::Timestamp;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long an opening tries to get the lock: readers take it for an instant to see whether anybody writes.
pub(crate) const LOCK_PATIENCE: Duration = Duration::from_millis(300);

/// What the opening found.
pub(crate) struct Opened {
    pub(crate) recovery: Recovery,
    pub(crate) open_turns: Vec<OpenTurn>,
    pub(crate) last_id: Option<String>,
    pub(crate) epoch: u64,
    pub(crate) epoch_id: String,
    pub(crate) is_new: bool,
    /// How many bytes each segment has that was there.
    pub(crate) sizes: Vec<u64>,
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
    let epoch_id = random_id()?;
    let identity = Identity {
        journal: resume.journal.map_or_else(random_id, Ok)?,
        session_id: session_id.to_string(),
        epoch: resume.next_segment,
        epoch_id: epoch_id.clone(),
        host: host(),
    };
    let opened = Opened {
        open_turns: resume.activity.open().0,
        last_id: resume.activity.last_id.clone(),
        epoch: resume.next_segment,
        epoch_id,
        is_new: resume.report.last_seq == Seq::ZERO,
        sizes: resume.sizes,
        recovery: resume.report,
    };
    let last_seq = opened.recovery.last_seq.get();
    let start = Start { next_segment: resume.next_segment, last_seq, prev: resume.prev, activity: resume.activity };
    let committer = Committer::new(files.clone(), lock, identity, options, start);
    Ok(Resumed { committer, next_seq: resume.next_seq, recovered: resume.recovered, opened })
}

/// Takes the kernel's lock on the journal and notes who holds it, for messages only.
pub(crate) fn lock(files: &Files, session_id: &SessionId) -> Result<Arc<dyn StorageFile>> {
    let taken = take_lock(files, LOCK, "", LOCK_PATIENCE)?;
    taken.map_err(|holder| {
        let message = format!(
            "the session {:?} is being recorded by another writer ({holder}): wait for it to end, or record under another id",
            session_id.as_str()
        );
        Error::new(ErrorKind::Locked, message)
    })
}

/// Takes one of a journal's locks, whose file is made if it is missing, or tells who holds it. Tries for a while.
pub(crate) fn take_lock(
    files: &Files,
    name: &str,
    purpose: &str,
    patience: Duration,
) -> Result<Result<Arc<dyn StorageFile>, String>> {
    let path = files.dir.join(name);
    let io = |error| Error::io("lock", &path, error);
    let give_up = Instant::now() + patience;
    loop {
        let file = files.folder().and_then(|folder| folder.open(name, Access::Lock));
        let file = file.map_err(|error| Error::io("open", &path, error))?;
        if file.try_lock(true).map_err(io)? {
            // Somebody may have replaced the file between the opening and the locking, or moved the directory away.
            if files.is_named(name, &*file).map_err(io)? && files.is_in_place().map_err(io)? {
                let note = format!("pid {} on {} since {}{purpose}\n", std::process::id(), host(), Timestamp::now());
                // For messages only: a full disk must not keep us from recording.
                let _ = file.set_len(0).and_then(|()| file.write_at(note.as_bytes(), 0));
                return Ok(Ok(file));
            }
            files.release();
        } else if Instant::now() >= give_up {
            return Ok(Err(holder(&*file)));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Who holds a lock, as its file says.
fn holder(file: &dyn StorageFile) -> String {
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
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot get random bytes for an identity: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

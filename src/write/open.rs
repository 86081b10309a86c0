//! Opening a journal for writing: its lock, its recovery, and the committer that goes on behind what was found.

use crate::error::{Error, ErrorKind, Result};
use crate::model::event::{JournalRecovered, OpenTurn};
use crate::model::id::SessionId;
use crate::model::seq::Seq;
use crate::runtime::watermark::Durability;
use crate::segments::dir::Files;
use crate::segments::lock::{self, Lock};
use crate::write::committer::{Committer, Identity, Start};
use crate::write::options::JournalOptions;
use crate::write::recovery::{self, Recovery};
use std::fmt;
use std::sync::Arc;

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
    /// What the file system does not do.
    pub(crate) caveats: Vec<Caveat>,
}

impl Opened {
    /// What is to be reported of this opening, as the entry for the log.
    pub(crate) fn to_report(&self) -> JournalRecovered {
        recovery::to_entry(&self.recovery, self.epoch, self.open_turns.clone())
    }
}

/// Something that the file system of a session does not do, so that less holds there than is promised elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Caveat {
    /// Directories cannot be synced: a power cut may take the newest segment away, though its events were synced.
    UnsyncedDirectories,
    /// Its locks may not reach everybody who has these files: other machines, or this one by another way. Its name.
    LockReach(&'static str),
}

impl fmt::Display for Caveat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Caveat::UnsyncedDirectories => f.write_str(
                "this file system does not sync directories: after a power cut the newest segment may be missing, though its events were synced",
            ),
            Caveat::LockReach(system) => write!(
                f,
                "the session is on a {system} file system, whose locks may not reach other hosts or other mounts of the same files: make sure that nobody else records it"
            ),
        }
    }
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
    lock: Arc<Lock>,
    session_id: &SessionId,
    options: &JournalOptions,
) -> Result<Resumed> {
    let resume = recovery::recover(files, session_id.as_str())?;
    let caveats = caveats(files, &lock, options, resume.sizes.is_empty())?;
    let epoch_id = random_id()?;
    let identity = Identity {
        journal: resume.journal.map_or_else(random_id, Ok)?,
        session_id: session_id.to_string(),
        epoch: resume.next_segment,
        epoch_id: epoch_id.clone(),
        host: lock::host(),
    };
    let opened = Opened {
        open_turns: resume.activity.open().0,
        last_id: resume.activity.last_id.clone(),
        epoch: resume.next_segment,
        epoch_id,
        is_new: resume.report.last_seq == Seq::ZERO,
        sizes: resume.sizes,
        recovery: resume.report,
        caveats,
    };
    let last_seq = opened.recovery.last_seq.get();
    let start = Start { next_segment: resume.next_segment, last_seq, prev: resume.prev, activity: resume.activity };
    let committer = Committer::new(files.clone(), lock, identity, options, start);
    Ok(Resumed { committer, next_seq: resume.next_seq, recovered: resume.recovered, opened })
}

/// Asks the file system what it does not do. Also makes the name of a lock that was just made durable.
fn caveats(files: &Files, lock: &Lock, options: &JournalOptions, is_first: bool) -> Result<Vec<Caveat>> {
    let may_lack = options.durability == Durability::Written;
    let is_synced = match may_lack || is_first {
        true => lock.sync_folder(files, may_lack)?,
        false => true, // the first segment will tell
    };
    let unsynced = (!is_synced).then_some(Caveat::UnsyncedDirectories);
    Ok(unsynced.into_iter().chain(lock.folder().is_shared().map(Caveat::LockReach)).collect())
}

/// Takes the writer's lock.
pub(crate) fn lock(files: &Files, session_id: &SessionId) -> Result<Arc<Lock>> {
    lock::writers(files, "", lock::PATIENCE)?.map(Arc::new).map_err(|holder| {
        let message = format!(
            "the session {:?} is being recorded by another writer ({holder}): wait for it to end, or record under another id",
            session_id.as_str()
        );
        Error::new(ErrorKind::Locked, message)
    })
}

fn random_id() -> Result<String> {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::new(ErrorKind::Io, format!("cannot get random bytes for an identity: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

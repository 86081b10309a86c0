//! Opening a journal for writing: its lock, its recovery, and the committer that goes on behind what was found.

use crate::commit::{Committer, Identity, Start};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{JournalRecovered, OpenTurn};
use crate::files::Files;
use crate::id::SessionId;
use crate::lock::{self, Lock};
use crate::options::JournalOptions;
use crate::recovery::{self, Recovery};
use crate::seq::Seq;
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
    };
    let last_seq = opened.recovery.last_seq.get();
    let start = Start { next_segment: resume.next_segment, last_seq, prev: resume.prev, activity: resume.activity };
    let committer = Committer::new(files.clone(), lock, identity, options, start);
    Ok(Resumed { committer, next_seq: resume.next_seq, recovered: resume.recovered, opened })
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

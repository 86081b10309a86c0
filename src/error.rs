//! The one error of the library: what failed, where, and what to do next.
//!
//! An [`Error`] clones, since one failed batch answers many tickets. What it means for the caller's event is
//! [`Error::outcome`]; findings about damaged data are not errors but values (`Gap`, `Anomaly`).

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, io};

/// A result with foldlog's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused a read, a write or a sync.
    Io,
    /// Another writer holds the journal.
    Locked,
    /// The queue is full: wait for [`Journal::ready`](crate::Journal::ready) and append again.
    Backlog,
    /// The disk is full and the journal was told not to wait.
    StorageFull,
    /// The event is larger than a line may be.
    TooLarge,
    /// The caller's input cannot be recorded: a bad event, type, id or option.
    InvalidInput,
    /// No such session.
    NotFound,
    /// The journal was closed.
    Closed,
    /// Another writer took the journal over. Final.
    Fenced,
    /// The session's directory, its `LOCK` or the segment that was being written was removed, replaced or moved away while
    /// the session was recorded, or the segment was cut short. Final: what was synced before may be gone too. Open the session
    /// again to record into the directory that is there now.
    Removed,
    /// The handle was carried into a forked child process, which must open its own.
    Forked,
    /// The directory belongs to another session.
    WrongSession,
    /// No sequence number, or no segment number, is left in the journal: the highest is 2^53 - 1.
    Exhausted,
    /// The journal was written by a newer version, or needs a feature this version does not know.
    Unsupported,
}

/// What an error says about the event that was to be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It is not in the log and will not be.
    Refused,
    /// It may or may not be in the log. Reopen, look it up by its `id` ([`Journal::lookup`](crate::Journal::lookup)), and
    /// append it again only if it is missing: a second append under the same `id` makes a second entry.
    Unknown,
}

/// What failed, where, and what to do next.
#[derive(Clone)]
pub struct Error(Arc<Inner>);

struct Inner {
    kind: ErrorKind,
    outcome: Outcome,
    message: String,
    path: Option<PathBuf>,
    source: Option<io::Error>,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Error {
        Error(Arc::new(Inner { kind, outcome: Outcome::Refused, message: message.into(), path: None, source: None }))
    }

    /// An error of the operating system: `doing` completes "cannot ...".
    pub(crate) fn io(doing: &str, path: &Path, source: io::Error) -> Error {
        let kind = match source.kind() {
            io::ErrorKind::NotFound => ErrorKind::NotFound,
            _ => ErrorKind::Io,
        };
        let message = format!("cannot {doing} `{}`: {source}", path.display());
        Error(Arc::new(Inner {
            kind,
            outcome: Outcome::Refused,
            message,
            path: Some(path.to_owned()),
            source: Some(source),
        }))
    }

    /// An error of the operating system in words of its own.
    pub(crate) fn io_as(message: String, path: &Path, source: io::Error) -> Error {
        Error(Arc::new(Inner {
            kind: ErrorKind::Io,
            outcome: Outcome::Refused,
            message,
            path: Some(path.to_owned()),
            source: Some(source),
        }))
    }

    /// What was being written out of the log could not be written; the source says why.
    pub(crate) fn output(source: io::Error) -> Error {
        Error(Arc::new(Inner {
            kind: ErrorKind::Io,
            outcome: Outcome::Refused,
            message: format!("cannot write the export: {source}"),
            path: None,
            source: Some(source),
        }))
    }

    /// The same error for an event that may already have reached the disk.
    pub(crate) fn with_unknown_outcome(&self) -> Error {
        Error(Arc::new(Inner {
            kind: self.0.kind,
            outcome: Outcome::Unknown,
            message: self.0.message.clone(),
            path: self.0.path.clone(),
            source: self.0.source.as_ref().map(clone_io),
        }))
    }

    /// What kind of thing went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What became of the event.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// The file or directory it happened at, if there is one.
    pub fn path(&self) -> Option<&Path> {
        self.0.path.as_deref()
    }
}

fn clone_io(error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.0.kind, self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

/// Something else than a directory is where one should be.
pub(crate) fn not_a_directory(path: &Path) -> Error {
    let message = format!("`{}` is not a directory: foldlog follows no links", path.display());
    Error::new(ErrorKind::InvalidInput, message)
}

pub(crate) fn clone(error: &io::Error) -> io::Error {
    error.raw_os_error().map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

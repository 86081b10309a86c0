//! How commands end: exit codes, failures, and the one line on stderr that explains a failure.

use crate::cli::term::{notices, sanitize};
use foldlog::ErrorKind;
use std::{fmt, io};

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Exit {
    /// All is well.
    Fine,
    /// No: nothing was found, or some input was not understood.
    No,
    /// The arguments make no sense.
    Usage,
    /// Damage was found.
    Damage,
    /// There is no such session.
    NoSession,
    /// Another writer holds it.
    Locked,
    /// The operating system refused.
    Io,
}

impl Exit {
    /// The process's exit code. 6 is reserved.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Fine => 0,
            Exit::No => 1,
            Exit::Usage => 2,
            Exit::Damage => 3,
            Exit::NoSession => 4,
            Exit::Locked => 5,
            Exit::Io => 7,
        }
    }
}

/// What a command comes to.
pub(crate) type Outcome = Result<Exit, Failure>;

/// Why a command could not go on.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The library said so.
    Library(foldlog::Error),
    /// stdout does not take any more.
    Output(io::Error),
    /// The command was called in a way that makes no sense: its help is printed.
    Misused(&'static str),
    /// Anything else, in words, with the exit code it means.
    Words(Exit, String),
}

impl Failure {
    /// The arguments make no sense.
    pub(crate) fn usage(words: impl Into<String>) -> Failure {
        Failure::Words(Exit::Usage, words.into())
    }

    /// The operating system refused something that is not about a journal.
    pub(crate) fn io(error: io::Error) -> Failure {
        Failure::Words(Exit::Io, error.to_string())
    }

    /// Says on stderr what went wrong, and what exit code it means. A broken pipe is nobody's fault and not worth a
    /// word: whoever read us, such as `head`, has seen enough.
    pub(crate) fn tell(&self) -> Exit {
        match self {
            Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => return Exit::Fine,
            failure => words(&failure.to_string()),
        }
        self.exit()
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Library(error) => exit_of(error.kind()),
            Failure::Output(_) => Exit::Io,
            Failure::Misused(_) => Exit::Usage,
            Failure::Words(exit, _) => *exit,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Output(error) => write!(f, "cannot write to stdout: {error}"),
            Failure::Library(error) => error.fmt(f),
            Failure::Misused(command) => write!(f, "see `foldlog {command} --help`"),
            Failure::Words(_, text) => f.write_str(text),
        }
    }
}

impl From<foldlog::Error> for Failure {
    fn from(error: foldlog::Error) -> Failure {
        Failure::Library(error)
    }
}

/// The exit code that an error of the library means.
pub(crate) fn exit_of(kind: ErrorKind) -> Exit {
    match kind {
        ErrorKind::NotFound => Exit::NoSession,
        ErrorKind::Locked | ErrorKind::Fenced => Exit::Locked,
        ErrorKind::InvalidInput | ErrorKind::WrongSession => Exit::Usage,
        ErrorKind::TooLarge | ErrorKind::Unsupported => Exit::No,
        _ => Exit::Io,
    }
}

/// Says something to people, on stderr: the one place for it. One line; recorded text in it is made harmless.
pub(crate) fn words(text: &str) {
    notices::write(format!("foldlog: {}", sanitize::visible(text)));
}

//! [`Refused`]: an event that was not accepted, and why. It can be had back.

use crate::error::{Error, ErrorKind};
use crate::format::draft::Draft;
use std::fmt;

/// An event that was not taken, and why.
#[derive(Clone, Debug)]
pub struct Refused {
    pub(crate) error: Error,
    pub(crate) draft: Box<Draft>,
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

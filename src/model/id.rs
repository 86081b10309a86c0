//! Names of sessions and workspaces, and how a session's name becomes a directory's.

use crate::error::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The id of a session: any text that is not empty and whose directory name has at most 200 bytes.
///
/// In the directory name, bytes outside `[A-Za-z0-9_.-]`, a leading and a trailing dot, and the first byte of a name that
/// Windows reserves for a device are written `%XX`: no id can leave the root, and a root can be copied to any system.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionId(String);

/// The longest directory name of a session, in bytes.
pub const MAX_DIRECTORY_NAME: usize = 200;

impl SessionId {
    /// Checks an id.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] if it is empty or its directory name would be too long.
    pub fn new(id: impl Into<String>) -> Result<SessionId> {
        let id = SessionId(id.into());
        if id.0.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "the session id is empty: give the session a name"));
        }
        let length = id.directory_name().len();
        if length > MAX_DIRECTORY_NAME {
            let message = format!(
                "the session id is too long: its directory name would have {length} bytes, at most {MAX_DIRECTORY_NAME} are allowed; use a shorter id"
            );
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(id)
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of the session's directory below the root.
    pub fn directory_name(&self) -> String {
        let mut name = self.old_directory_name();
        let stem = name.split('.').next().unwrap_or_default();
        if is_device(stem) {
            name = format!("%{:02X}{}", name.as_bytes()[0], &name[1..]);
        }
        if name.ends_with('.') {
            name.pop();
            name.push_str("%2E");
        }
        name
    }

    /// The name as it was before trailing dots and names of devices were escaped. A directory that has it is used.
    pub(crate) fn old_directory_name(&self) -> String {
        let mut name = String::with_capacity(self.0.len());
        for (at, byte) in self.0.bytes().enumerate() {
            let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (byte == b'.' && at > 0);
            if plain {
                name.push(char::from(byte));
            } else {
                name.push_str(&format!("%{byte:02X}"));
            }
        }
        name
    }

    /// The id whose directory has this name, in the spelling of today or in the old one; `None` if no id has.
    pub fn from_directory_name(name: &str) -> Option<SessionId> {
        let mut bytes = Vec::with_capacity(name.len());
        let mut rest = name.as_bytes();
        while let Some((&byte, after)) = rest.split_first() {
            if byte == b'%' {
                let hex = std::str::from_utf8(after.get(..2)?).ok()?;
                bytes.push(u8::from_str_radix(hex, 16).ok()?);
                rest = &after[2..];
            } else {
                bytes.push(byte);
                rest = after;
            }
        }
        let id = SessionId::new(String::from_utf8(bytes).ok()?).ok()?;
        (id.directory_name() == name || id.old_directory_name() == name).then_some(id)
    }
}

/// Whether Windows takes a name with this stem for a device, in any case.
fn is_device(stem: &str) -> bool {
    let stem = stem.to_ascii_uppercase();
    let numbered =
        |kind: &str| stem.strip_prefix(kind).is_some_and(|n| n.len() == 1 && n.as_bytes()[0].is_ascii_digit());
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL") || numbered("COM") || numbered("LPT")
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for SessionId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for SessionId {
    type Error = Error;

    fn try_from(id: String) -> Result<SessionId> {
        SessionId::new(id)
    }
}

impl From<SessionId> for String {
    fn from(id: SessionId) -> String {
        id.0
    }
}

/// The id of a workspace: any text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkspaceId(String);

impl WorkspaceId {
    /// An id from text.
    pub fn new(id: impl Into<String>) -> WorkspaceId {
        WorkspaceId(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WorkspaceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for WorkspaceId {
    fn from(id: &str) -> WorkspaceId {
        WorkspaceId::new(id)
    }
}

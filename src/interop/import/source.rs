//! Which format a file is of, and which session it belongs to: from its first bytes, and from its name where they are
//! silent.

use crate::interop::import::is_one_of;
use crate::model::id::{MAX_DIRECTORY_NAME, SessionId};
use crate::model::time::Timestamp;
use std::ffi::OsStr;
use std::path::Path;

/// Names of files and folders that tell no session from another.
const ALWAYS_THE_SAME: &str = "\
    chat chat_history chats conversation conversations events history journal log logs main messages output rollout \
    session session-state sessions state stream subagents transcript transcripts updates workflows";

/// What a file's name says, for formats that leave it there.
#[derive(Clone, Debug, Default)]
pub struct SourceName {
    /// The file's name without its last extension.
    pub stem: String,
    /// The session whose folder the file lies in, if it is that of a sub-agent.
    pub parent: Option<String>,
    /// The folder's name, for formats whose files are all called the same.
    pub folder: Option<String>,
}

impl SourceName {
    /// From the path of a file, as absolute as it can be had.
    pub fn of(path: &Path) -> SourceName {
        let text = |part: Option<&OsStr>| part.map(|part| part.to_string_lossy().into_owned());
        let folders = || path.ancestors().skip(1).map(|folder| text(folder.file_name())).map_while(|name| name);
        let parent = folders().skip_while(|name| name != "subagents").nth(1);
        let folder = folders().find(|name| !is_one_of(ALWAYS_THE_SAME, &name.to_ascii_lowercase()));
        SourceName { stem: text(path.file_stem()).unwrap_or_default(), parent, folder }
    }

    /// What tells the file from others: its name, or where that is always the same, its folder's.
    pub(super) fn telling(&self) -> &str {
        match &self.folder {
            Some(folder) if is_one_of(ALWAYS_THE_SAME, &self.stem.to_ascii_lowercase()) => folder,
            _ => &self.stem,
        }
    }
}

/// A file to import: its format, and the session it becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Source {
    /// Its format.
    pub format: SourceFormat,
    /// The session that it becomes.
    pub session_id: SessionId,
    /// The session that started it.
    pub parent: Option<String>,
    /// Who ran it.
    pub agent_id: Option<String>,
    /// When it began.
    pub began: Option<Timestamp>,
    /// The CRC-32 of its first line: a file that grows keeps it.
    pub fingerprint: String,
    /// Whether any of the records that were looked at is a part of a conversation.
    pub has_conversation: bool,
    /// The file is one record, whatever line breaks are in it.
    pub is_document: bool,
}

/// A session id made of another recorder's: cut where it is too long.
pub(crate) fn session_id(id: &str) -> SessionId {
    let mut id = id.trim().to_owned();
    while id.len() > MAX_DIRECTORY_NAME {
        id.pop();
    }
    loop {
        match SessionId::new(id.clone()) {
            Ok(id) => return id,
            Err(_) if id.pop().is_none() => id.push_str("imported"),
            Err(_) => {}
        }
    }
}

/// A format that can be imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SourceFormat {
    /// Session records as JSON: the data model that sessions fold into.
    Calute,
    /// Transcripts of Claude Code.
    ClaudeCode,
    /// Rollouts of Codex.
    Codex,
    /// Event logs of the Copilot command line.
    Copilot,
    /// Chats of the Gemini command line.
    Gemini,
    /// Segments of foldlog, damaged ones too.
    Foldlog,
}

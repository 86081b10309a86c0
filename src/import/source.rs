//! Which format a file is of, and which session it belongs to: from its first bytes, and from its name where they are
//! silent.

use crate::id::{MAX_DIRECTORY_NAME, SessionId};
use crate::import::{FORMATS, Identity, SourceFormat, gemini, is_one_of};
use crate::mend::{Ending, Judged, Object, Piece, judge};
use crate::time::Timestamp;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

/// How many lines are looked at to tell a format; a conversation may begin later.
const LOOKED_AT: usize = 200;
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
    fn telling(&self) -> &str {
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

impl Source {
    /// What a file is, from its first bytes. `format` is asked of it, else it is found by content.
    ///
    /// `None` if the format is not known.
    pub fn identify(head: &[u8], name: &SourceName, format: Option<SourceFormat>) -> Option<Source> {
        let format = format.or_else(|| detect(head))?;
        let document = (format == SourceFormat::Gemini).then(|| gemini::document_header(head)).flatten();
        let mut known = Identity { name: name.clone(), ..Identity::default() };
        // Documents and segments are whole sessions.
        let mut has_conversation = matches!(format, SourceFormat::Calute | SourceFormat::Foldlog);
        for (line, text) in records(head) {
            if let Some(record) = Object::parse(&text) {
                if line < LOOKED_AT {
                    (format.row().identify)(&record, &mut known);
                }
                has_conversation |= (format.row().speaks)(&record);
            }
            if line >= LOOKED_AT && has_conversation {
                break;
            }
        }
        if let Some(header) = document.as_deref().and_then(Object::parse) {
            (format.row().identify)(&header, &mut known);
            has_conversation = true;
        }
        let parent = known.parent.or_else(|| name.parent.clone());
        let id = known.session_id.unwrap_or_else(|| known.name.telling().to_owned());
        let first_line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Some(Source {
            format,
            session_id: session_id(&id),
            parent: parent.filter(|parent| *parent != id),
            agent_id: known.agent_id,
            began: known.time,
            fingerprint: format!("{:08x}", crc32fast::hash(first_line)),
            has_conversation,
            is_document: document.is_some(),
        })
    }
}

/// A session id made of another recorder's: cut where it is too long.
pub(super) fn session_id(id: &str) -> SessionId {
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

/// The format that most of the first records are of, if any record of it is a part of a conversation.
pub(super) fn detect(head: &[u8]) -> Option<SourceFormat> {
    let mut votes = vec![(0usize, false); FORMATS.len()];
    for (line, text) in records(head) {
        if line >= LOOKED_AT && votes.iter().any(|(votes, speaks)| *votes > 0 && *speaks) {
            break;
        }
        let Some(record) = Object::parse(&text) else { continue };
        for (row, (votes, speaks)) in FORMATS.iter().zip(&mut votes) {
            if (row.is_record)(&text, &record) {
                *votes += 1;
                *speaks |= (row.speaks)(&record);
            }
        }
    }
    let eligible = FORMATS.iter().zip(votes).filter(|(_, (votes, speaks))| *votes > 0 && *speaks);
    eligible
        .max_by_key(|(_, (votes, _))| *votes)
        .map(|(row, _)| row.format)
        .or_else(|| gemini::document_header(head).map(|_| SourceFormat::Gemini))
        .or_else(|| super::calute::looks_like_a_document(head).then_some(SourceFormat::Calute))
}

/// The first records of a file, with the number of their line from 0: whole ones, and those that can be saved out of
/// damaged lines.
fn records(head: &[u8]) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    head.split(|byte| *byte == b'\n').enumerate().flat_map(|(number, line)| {
        let records = match judge(line, Ending::EndOfFile, &|_, _| true) {
            Judged::Blank => Vec::new(),
            Judged::Good(text) => vec![Cow::Borrowed(text.trim())],
            Judged::Bad(bad) => bad.pieces.into_iter().filter_map(saved).collect(),
        };
        records.into_iter().map(move |record| (number, record))
    })
}

fn saved(piece: Piece<'_>) -> Option<Cow<'_, str>> {
    match piece {
        Piece::Record { text, .. } => Some(text),
        Piece::Lost(_) => None,
    }
}

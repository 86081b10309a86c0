//! Which format a file is of, and which session it belongs to: from its first bytes, and from its name where they are
//! silent.

use crate::id::{MAX_DIRECTORY_NAME, SessionId};
use crate::import::{FORMATS, Identity, SourceFormat};
use crate::mend::{Ending, Judged, Object, Piece, judge};
use crate::time::Timestamp;
use std::borrow::Cow;

/// How many lines are looked at.
const LOOKED_AT: usize = 200;

/// What a file's name says, for formats that leave it there.
#[derive(Clone, Debug, Default)]
pub struct SourceName {
    /// The file's name without its last extension.
    pub stem: String,
    /// The session whose folder the file lies in, if it is that of a sub-agent.
    pub parent: Option<String>,
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
}

impl Source {
    /// What a file is, from its first bytes. `format` is asked of it, else it is found by content.
    ///
    /// `None` if the format is not known.
    pub fn identify(head: &[u8], name: &SourceName, format: Option<SourceFormat>) -> Option<Source> {
        let format = format.or_else(|| detect(head))?;
        let mut known = Identity::default();
        for text in records(head) {
            if let Some(record) = Object::parse(&text) {
                (format.row().identify)(&record, &mut known);
            }
        }
        let parent = known.parent.or_else(|| name.parent.clone());
        let id = known.session_id.unwrap_or_else(|| name.stem.clone());
        let first_line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
        Some(Source {
            format,
            session_id: session_id(&id),
            parent: parent.filter(|parent| *parent != id),
            agent_id: known.agent_id,
            began: known.time,
            fingerprint: format!("{:08x}", crc32fast::hash(first_line)),
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

pub(super) fn detect(head: &[u8]) -> Option<SourceFormat> {
    let mut votes = vec![0usize; FORMATS.len()];
    for text in records(head) {
        let Some(record) = Object::parse(&text) else { continue };
        for (row, votes) in FORMATS.iter().zip(&mut votes) {
            *votes += usize::from((row.is_record)(&text, &record));
        }
    }
    let best = FORMATS.iter().zip(votes).filter(|(_, votes)| *votes > 0).max_by_key(|(_, votes)| *votes);
    best.map(|(row, _)| row.format)
        .or_else(|| super::calute::looks_like_a_document(head).then_some(SourceFormat::Calute))
}

/// The first records of a file: whole ones, and those that can be saved out of damaged lines.
fn records(head: &[u8]) -> Vec<Cow<'_, str>> {
    let head = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    let mut records = Vec::new();
    for line in head.split(|byte| *byte == b'\n').take(LOOKED_AT) {
        match judge(line, Ending::EndOfFile, &|_, _| true) {
            Judged::Blank => {}
            Judged::Good(text) => records.push(Cow::Borrowed(text.trim())),
            Judged::Bad(bad) => records.extend(bad.pieces.into_iter().filter_map(|piece| match piece {
                Piece::Record { text, .. } => Some(text),
                Piece::Lost(_) => None,
            })),
        }
    }
    records
}

//! Which format a file has: from its first bytes, and from its name where they are the same in every file.

use crate::interop::import::formats::FORMATS;
use crate::interop::import::gemini;
use crate::interop::import::mapper::Identity;
use crate::interop::import::source::{Source, SourceFormat, SourceName, session_id};
use crate::interop::jsonl::{Ending, Judged, Piece, judge};
use crate::json::members::Object;
use std::borrow::Cow;

/// How many lines are looked at to tell a format; a conversation may begin later.
pub(crate) const LOOKED_AT: usize = 200;

impl SourceFormat {
    /// The format of a file, from its first bytes: the one that most of its records are of.
    pub fn detect(head: &[u8]) -> Option<SourceFormat> {
        detect(head)
    }
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

/// The format that most of the first records are of, if any record of it is a part of a conversation.
pub(crate) fn detect(head: &[u8]) -> Option<SourceFormat> {
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
pub(crate) fn records(head: &[u8]) -> impl Iterator<Item = (usize, Cow<'_, str>)> {
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

pub(crate) fn saved(piece: Piece<'_>) -> Option<Cow<'_, str>> {
    match piece {
        Piece::Record { text, .. } => Some(text),
        Piece::Lost(_) => None,
    }
}

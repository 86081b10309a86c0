//! The ids of imported events: where each comes from, and how much of the file had been read when it was made.
//!
//! An id is `<offset of the line>.<index of the event>[.<kind>].<bytes>-<checksum>`. The last part says that so many bytes
//! of the file had been read and what their CRC-32 is, so that the last event of a session tells whether a file is still
//! the one that was imported, though the import was killed at that event.

use crate::format::line;
use std::io::{self, Read};

/// How much of a file an import has read, by the last event that it brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Brought {
    bytes: u64,
    crc: u32,
}

/// How a file stands to what an earlier import read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Continuation {
    /// It begins with the bytes that were read then.
    GoesOn,
    /// It is shorter than what was read then.
    Shorter,
    /// Its bytes are others: it was rewritten, or it is another file.
    Differs,
}

impl Brought {
    /// From the id of an event; `None` if that is no id of an import.
    pub fn by(id: &str) -> Option<Brought> {
        EventId::parse(id).map(|id| id.brought)
    }

    /// How many bytes had been read.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Compares a file, given from its beginning, with what was read.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn compare(&self, input: &mut dyn Read) -> io::Result<Continuation> {
        let (mut rest, mut hasher) = (input.take(self.bytes), crc32fast::Hasher::new());
        let (mut read, mut buffer) = (0, vec![0; 64 << 10]);
        loop {
            match rest.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    read += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(match (read < self.bytes, hasher.finalize() == self.crc) {
            (true, _) => Continuation::Shorter,
            (false, true) => Continuation::GoesOn,
            (false, false) => Continuation::Differs,
        })
    }
}

/// What made an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its own line.
    Own,
    /// Its line showed that no more belongs to what had been held back.
    Late,
    /// The file had not grown for a moment.
    Pause,
    /// The file ended.
    End,
    /// A last line that was cut short.
    Torn,
    /// The file went on after its end.
    More,
}

impl Kind {
    const NAMED: [(Kind, &str); 5] =
        [(Kind::Late, "late"), (Kind::Pause, "pause"), (Kind::End, "end"), (Kind::Torn, "torn"), (Kind::More, "more")];
}

/// The id of an imported event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EventId {
    pub(super) offset: u64,
    pub(super) index: u64,
    pub(super) kind: Kind,
    pub(super) brought: Brought,
}

impl EventId {
    pub(super) fn parse(id: &str) -> Option<EventId> {
        let (place, brought) = id.rsplit_once('.')?;
        let (bytes, crc) = brought.split_once('-')?;
        let brought = Brought { bytes: bytes.parse().ok()?, crc: u32::from_str_radix(crc, 16).ok()? };
        let mut parts = place.split('.');
        let (offset, index) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let kind = match parts.next() {
            None => Kind::Own,
            Some(name) => Kind::NAMED.into_iter().find(|(_, known)| *known == name)?.0,
        };
        parts.next().is_none().then_some(EventId { offset, index, kind, brought })
    }

    /// The id as events bear it.
    pub(super) fn text(&self) -> String {
        let mut id = Vec::with_capacity(64);
        line::push_number(&mut id, self.offset);
        id.push(b'.');
        line::push_number(&mut id, self.index);
        if let Some((_, name)) = Kind::NAMED.iter().find(|(kind, _)| *kind == self.kind) {
            id.push(b'.');
            id.extend_from_slice(name.as_bytes());
        }
        id.push(b'.');
        line::push_number(&mut id, self.brought.bytes);
        id.push(b'-');
        line::push_checksum(&mut id, self.brought.crc);
        String::from_utf8(id).expect("digits, points and names")
    }
}

/// Counts the bytes of a file while they are read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    hasher: crc32fast::Hasher,
    bytes: u64,
    /// A line break comes before the next line; a file that ends before it is the same file.
    line_break: bool,
}

impl Reading {
    /// Takes a line. What [`Reading::brought`] says then ends before its line break.
    pub(super) fn line(&mut self, bytes: &[u8], has_line_break: bool) {
        if std::mem::replace(&mut self.line_break, has_line_break) {
            self.hasher.update(b"\n");
            self.bytes += 1;
        }
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
    }

    pub(super) fn brought(&self) -> Brought {
        Brought { bytes: self.bytes, crc: self.hasher.clone().finalize() }
    }
}

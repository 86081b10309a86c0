//! What reading is done by: physical lines, and blocks of them in memory.
//!
//! Whether a block is text is found for all of it at once, and line by line only where it is not: checked one by one, short
//! lines cost three times as much.

use crate::format::line::{self, Decoded};
use std::ops::Range;

/// A physical line, or a part of one that is longer than any line may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    pub(crate) offset: u64,
    /// Its bytes, line break and holes of the file system included.
    pub(crate) len: u64,
    /// Whether a physical line starts with it.
    pub(crate) starts_line: bool,
    pub(crate) ending: Ending,
}

impl Chunk {
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.len
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A line break.
    Newline,
    /// The physical line goes on in the next chunk.
    Continued,
    /// The end of the file: what stands here is not a line.
    EndOfFile,
}

/// Whole lines, at least one, or one chunk that is none.
#[derive(Debug, Default)]
pub(crate) struct Block {
    buffer: Vec<u8>,
    /// Where they stand in the buffer.
    place: Range<usize>,
    first: Option<Chunk>,
}

/// A line of a block, or a chunk that is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub(crate) chunk: Chunk,
    /// Its bytes, without the line break.
    pub(crate) bytes: &'a [u8],
    /// The same, if that was found already to be text.
    text: Option<&'a str>,
}

impl Block {
    /// Takes what stands at a place of a buffer and begins with `first`. Returns its old buffer.
    pub(crate) fn replace(&mut self, first: Chunk, place: Range<usize>, buffer: Vec<u8>) -> Vec<u8> {
        (self.place, self.first) = (place, Some(first));
        std::mem::replace(&mut self.buffer, buffer)
    }

    /// What else stands in its buffer.
    pub(crate) fn beside(&self, place: Range<usize>) -> &[u8] {
        &self.buffer[place]
    }

    /// Its lines, in order.
    pub(crate) fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        let bytes = &self.buffer[self.place.clone()];
        let text = simdutf8::basic::from_utf8(bytes).ok();
        let mut next = self.first;
        std::iter::from_fn(move || {
            let chunk = next?;
            let from = (chunk.offset - self.first?.offset) as usize;
            let end = bytes.len().min(from + chunk.len as usize); // a hole that belongs to it was not read
            let to = if chunk.ending == Ending::Newline { end - 1 } else { end };
            next = memchr::memchr(b'\n', &bytes[end..]).map(|at| Chunk {
                offset: chunk.end(),
                len: at as u64 + 1,
                starts_line: true,
                ending: Ending::Newline,
            });
            Some(Line { chunk, bytes: &bytes[from..to], text: text.and_then(|text| text.get(from..to)) })
        })
    }
}

impl<'a> Line<'a> {
    /// A chunk of which nothing is known yet.
    pub(crate) fn new(chunk: Chunk, bytes: &'a [u8]) -> Line<'a> {
        Line { chunk, bytes, text: None }
    }

    /// What it is.
    pub(crate) fn decode(&self) -> Decoded<'a> {
        match self.text {
            Some(text) => line::decode_text(text),
            None => line::decode(self.bytes),
        }
    }
}

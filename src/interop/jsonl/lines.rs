//! From a stream of bytes to physical lines, in bounded memory. Splits on 0x0A only.

use crate::format::line::MAX_LINE;
use std::io::{self, BufRead};

/// How a physical line ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// With a line break.
    Newline,
    /// With the end of the file.
    EndOfFile,
    /// Not yet: it is longer than a line may be, and goes on in the next piece.
    Continued,
}

/// Where a physical line, or a piece of one that is too long, stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawLine {
    /// Counted from 1.
    pub(crate) number: u64,
    pub(crate) offset: u64,
    /// Without the line break.
    pub(crate) len: usize,
    /// Whether the line begins here.
    pub(crate) begins: bool,
    pub(crate) ending: Ending,
}

/// Reads physical lines.
#[derive(Debug)]
pub(crate) struct RawLines<R> {
    input: R,
    held: Vec<u8>,
    /// Where `held` stands in the input.
    offset: u64,
    number: u64,
    /// How much of `held` has been given out.
    given: usize,
    in_line: bool,
    /// The input is one document: its line breaks end nothing.
    is_document: bool,
}

impl<R: BufRead> RawLines<R> {
    pub(crate) fn new(input: R) -> RawLines<R> {
        RawLines { input, held: Vec::new(), offset: 0, number: 0, given: 0, in_line: false, is_document: false }
    }

    /// The whole input as one line.
    pub(crate) fn document(input: R) -> RawLines<R> {
        RawLines { is_document: true, ..RawLines::new(input) }
    }

    /// The bytes of the line that was just given out.
    pub(crate) fn bytes(&self, line: &RawLine) -> &[u8] {
        &self.held[..line.len]
    }

    /// The next line. At the end of the input a line without a line break is given out if `at_end`, else it is kept
    /// until more has come.
    pub(crate) fn next(&mut self, at_end: bool) -> io::Result<Option<RawLine>> {
        self.offset += self.given as u64;
        self.held.drain(..self.given);
        self.given = 0;
        loop {
            let block = match self.input.fill_buf() {
                Ok(block) => block,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if block.is_empty() {
                let rest = at_end && (!self.held.is_empty());
                return Ok(rest.then(|| self.give(self.held.len(), self.held.len(), Ending::EndOfFile)));
            }
            let block = &block[..block.len().min(MAX_LINE + 1 - self.held.len())];
            let found = if self.is_document { None } else { memchr::memchr(b'\n', block) };
            let taken = found.map_or(block.len(), |at| at + 1);
            self.held.extend_from_slice(&block[..taken]);
            self.input.consume(taken);
            if found.is_some() {
                return Ok(Some(self.give(self.held.len() - 1, self.held.len(), Ending::Newline)));
            }
            if self.held.len() > MAX_LINE {
                return Ok(Some(self.give(self.held.len(), self.held.len(), Ending::Continued)));
            }
        }
    }

    fn give(&mut self, len: usize, given: usize, ending: Ending) -> RawLine {
        let begins = !self.in_line;
        self.number += u64::from(begins);
        self.in_line = ending == Ending::Continued;
        self.given = given;
        RawLine { number: self.number, offset: self.offset, len, begins, ending }
    }
}

//! Going through a whole journal at one go: its lines are taken as they stand in blocks, and nothing is copied.

use super::{Item, Items, Next};
use crate::error::Result;
use crate::format::block::{Block, Line};
use crate::format::line::Decoded;
use crate::model::entry::Entry;
use crate::model::event::Event;
use std::ops::ControlFlow;

/// What is done with each item, until it says that it is enough. An entry may come with its event.
pub(crate) type Each<'e> = dyn FnMut(Item<'_>, Option<Result<Event<'_>>>) -> ControlFlow<()> + 'e;

/// The same, by whatever thread.
pub(crate) type EachAnywhere<'e> = dyn FnMut(Item<'_>, Option<Result<Event<'_>>>) -> ControlFlow<()> + Send + 'e;

/// A line of a block, and what it was found to be.
pub(super) struct Found<'a> {
    pub(super) line: Line<'a>,
    pub(super) decoded: Decoded<'a>,
    pub(super) event: Option<Result<Event<'a>>>,
}

impl<'a> Found<'a> {
    pub(super) fn new(line: Line<'a>) -> Found<'a> {
        Found { line, decoded: line.decode(), event: None }
    }
}

impl Items {
    /// Calls `each` with every item of a journal that is read from its beginning, but with no gap that is only the half line
    /// of a writer at work.
    pub(crate) fn each(&mut self, each: &mut Each<'_>) -> Result<()> {
        loop {
            if self.give_segment(each)?.is_break() || self.go_on(each)?.is_break() {
                return Ok(());
            }
        }
    }

    /// Gives what is left of the lines of the segment.
    pub(super) fn give_segment(&mut self, each: &mut Each<'_>) -> Result<ControlFlow<()>> {
        let mut block = Block::default();
        while self.current.as_mut().is_some_and(|current| current.scanner.next_block(&mut block)) {
            for line in block.lines() {
                if self.give(Found::new(line), each)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Goes on behind the lines of a segment.
    pub(super) fn go_on(&mut self, each: &mut Each<'_>) -> Result<ControlFlow<()>> {
        match self.advance()? {
            true => self.give_ready(None, None, each),
            false => Ok(ControlFlow::Break(())),
        }
    }

    /// Sifts a line and gives what that yields.
    pub(super) fn give(&mut self, found: Found<'_>, each: &mut Each<'_>) -> Result<ControlFlow<()>> {
        let Some(current) = &mut self.current else { return Ok(ControlFlow::Continue(())) };
        let entry = current.sift(&found.line, found.decoded, &mut self.ready);
        if let Some(entry) = &entry
            && (self.ready.len() > 1 || self.passed < self.known)
        {
            entry.clone().keep(&mut current.entry); // it may explain what stands before it, or be known
        }
        self.give_ready(entry, found.event, each)
    }

    fn give_ready(
        &mut self,
        mut entry: Option<Entry<'_>>,
        mut event: Option<Result<Event<'_>>>,
        each: &mut Each<'_>,
    ) -> Result<ControlFlow<()>> {
        while let Some(next) = self.next_ready()? {
            let (item, event) = match next {
                Next::Notice(notice) => (Some(notice), None),
                Next::Gap(gap) => ((!self.is_half_line(&gap)).then_some(Item::Gap(gap)), None),
                Next::Entry { salvaged: true } => (self.salvaged.take().map(Item::Entry), None),
                Next::Entry { salvaged: false } => (entry.take().map(Item::Entry), event.take()),
            };
            if item.is_some_and(|item| each(item, event).is_break()) {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }
}

//! What an earlier import of the same file has brought, from the id of its last event.

use crate::interop::import::brought::{EventId, Kind};
use crate::interop::jsonl::RawLine;

/// What an earlier import of the same file has brought into the session. Reading the file again gives the same events
/// as then, so it is enough to know the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    /// So many events.
    Events(u64),
    /// Everything that this file has to give.
    Everything,
    /// Everything up to this event.
    Event(EventId),
}

impl Before {
    fn event(&self) -> Option<&EventId> {
        match self {
            Before::Event(last) => Some(last),
            _ => None,
        }
    }

    /// Whether the last event came from the end of the file, or from a last line that was cut short.
    pub(super) fn is_end(&self) -> bool {
        self.event().is_some_and(|last| !matches!(last.kind, Kind::Own | Kind::Late))
    }

    /// Whether the file had ended, and was not only still for a moment.
    pub(super) fn is_final(&self) -> bool {
        self.event().is_some_and(|last| last.kind != Kind::Pause)
    }

    /// Whether the file had ended where this line begins, or before it.
    pub(super) fn ends_at(&self, line: &RawLine) -> bool {
        self.is_end() && self.event().is_some_and(|last| line.offset >= last.offset) && !self.was_last(line)
    }

    /// Whether this line stood at the end of the file then, cut short as it is now.
    pub(super) fn was_last(&self, line: &RawLine) -> bool {
        self.event().is_some_and(|last| {
            last.kind == Kind::Torn
                && last.offset == line.offset
                && last.brought.bytes() == line.offset + line.len as u64
        })
    }

    /// Whether the earlier import took the beginning of this line for all of it, since the file ended there: a line that
    /// no line feed ends is not final. Blanks that came since change nothing.
    pub(super) fn ended_within(&self, line: &RawLine, bytes: &[u8]) -> bool {
        let read = self.event().and_then(|last| last.brought.bytes().checked_sub(line.offset)).filter(|read| *read > 0);
        let rest = read.and_then(|read| bytes.get(usize::try_from(read).ok()?..));
        rest.is_some_and(|rest| rest.iter().any(|byte| !matches!(byte, b' ' | b'\t' | b'\r')))
    }

    /// Whether an event is there. Once one is not, no later one is.
    pub(super) fn holds(&mut self, id: Option<&EventId>) -> bool {
        let held = match (&mut *self, id) {
            (Before::Nothing, _) => false,
            (Before::Everything, _) => return true,
            (Before::Events(count), _) => {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    *self = Before::Nothing;
                }
                return true;
            }
            (Before::Event(_), None) => false,
            (Before::Event(last), Some(id)) if id == last => {
                *self = Before::Nothing;
                return true;
            }
            (Before::Event(last), Some(id)) => last.comes_after(id),
        };
        if !held {
            *self = Before::Nothing;
        }
        held
    }
}

impl EventId {
    /// Whether an import that ended with this event had brought another one, which is not this one, before it.
    fn comes_after(&self, other: &EventId) -> bool {
        let ends = |kind| matches!(kind, Kind::Pause | Kind::End);
        match (self.kind, other.kind) {
            // The earlier import held nothing back, or was killed before it came to its end.
            (Kind::Own | Kind::Late, Kind::Pause | Kind::End | Kind::Torn | Kind::More) => false,
            // Held-back events may come after the line's own: only the event itself ends what is there.
            (Kind::Own | Kind::Late, _) => other.offset <= self.offset,
            (Kind::Torn, Kind::More) => false,
            (Kind::Torn, kind) if ends(kind) => other.offset <= self.offset,
            (kind, other_kind) if ends(kind) && ends(other_kind) => {
                (other.offset, other.index) <= (self.offset, self.index)
            }
            (kind, Kind::More) if ends(kind) => false,
            (Kind::More, kind) if ends(kind) => other.offset <= self.offset,
            (Kind::More, Kind::More) => (other.offset, other.index) <= (self.offset, self.index),
            (_, Kind::Torn) => {
                self.kind == Kind::Torn
                    && (other.offset, other.brought) == (self.offset, self.brought)
                    && other.index <= self.index
            }
            _ => other.offset < self.offset,
        }
    }
}

//! What an earlier import of the same file has brought, from the id of its last event.
//!
//! An event's id is `<offset of its line>.<which of the line's events>`, with `.late` behind it for those that the lines
//! before had held back. What only the end of the file brought has `.end` behind it, and what a last line without a line
//! break gave has `.torn.<its length>`: a file that goes on gives other events there.

use crate::draft::Draft;
use crate::import::out::Place;
use crate::mend::RawLine;

/// What an earlier import of the same file has brought into the session. Reading the file again gives the same events
/// as then, so it is enough to know the last of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    Nothing,
    /// So many events.
    Events(u64),
    /// Everything up to an event of a line.
    Place(Place),
    /// Everything up to an event that only the end of the file brought: at this offset the file ended then. With it, the
    /// length of a last line without a line break, if there was one.
    End {
        at: Place,
        torn: Option<usize>,
    },
}

impl Before {
    /// From the id of the last event.
    pub(super) fn parse(id: &str) -> Option<Before> {
        let mut parts = id.split('.');
        let at = Place { offset: parts.next()?.parse().ok()?, own: true, index: parts.next()?.parse().ok()? };
        match (parts.next(), parts.next()) {
            (None, None) => Some(Before::Place(at)),
            (Some("late"), None) => Some(Before::Place(Place { own: false, ..at })),
            (Some("end"), None) => Some(Before::End { at, torn: None }),
            (Some("torn"), Some(len)) => Some(Before::End { at, torn: Some(len.parse().ok()?) }),
            _ => None,
        }
    }

    /// Whether the file had ended where this line begins, or before it.
    pub(super) fn ends_at(&self, line: &RawLine) -> bool {
        matches!(self, Before::End { at, .. } if line.offset >= at.offset) && !self.was_last(line)
    }

    /// Whether this line stood at the end of the file then, without a line break, as it is now.
    pub(super) fn was_last(&self, line: &RawLine) -> bool {
        matches!(self, Before::End { at, torn } if line.offset == at.offset && *torn == Some(line.len))
    }

    /// Whether an event is there. Once one is not, no later one is.
    pub(super) fn holds(&mut self, draft: &Draft, place: Place) -> bool {
        let held = match self {
            Before::Nothing => false,
            Before::Events(count) => {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    *self = Before::Nothing;
                }
                return true;
            }
            Before::Place(last) => match draft.given_id().and_then(Before::parse) {
                // The earlier import held nothing back, or was killed before it had given it out.
                Some(Before::End { .. }) => false,
                // What was held back may come behind the line's own: only the place itself tells.
                _ if place == *last => {
                    *self = Before::Nothing;
                    return true;
                }
                _ => place.offset <= last.offset,
            },
            Before::End { at, torn } => match draft.given_id().and_then(Before::parse) {
                Some(Before::End { at: own, torn: None }) => match torn {
                    None => own <= *at,
                    Some(_) => own.offset <= at.offset,
                },
                Some(Before::End { at: own, torn: len }) => own.offset == at.offset && len == *torn && own <= *at,
                _ => place.offset < at.offset,
            },
        };
        if !held {
            *self = Before::Nothing;
        }
        held
    }
}

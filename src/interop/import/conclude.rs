//! Ends of turns that are concluded from the end of the file, and taken back if the file goes on.

use crate::interop::import::Out;
use crate::model::event::{TurnEnded, TurnStarted};
use crate::model::status::TurnStatus;
use crate::model::time::Timestamp;

/// The turn whose end was concluded, and when it was heard of last.
#[derive(Debug, Default)]
pub(super) struct Concluded(Option<(String, Option<Timestamp>)>);

impl Concluded {
    /// A turn has been answered, and the file ends.
    pub(super) fn conclude(&mut self, turn: &str, out: &mut Out) {
        if self.0.is_none() {
            self.0 = Some((turn.to_owned(), out.last_heard(turn)));
            out.imply_end_late(TurnEnded::success(turn.to_owned()));
        }
    }

    /// The file goes on: the turn has not ended.
    pub(super) fn go_on(&mut self, out: &mut Out) {
        let Some((turn, time)) = self.0.take() else { return };
        out.late(time, TurnEnded::new(turn.clone()).status(TurnStatus::Interrupted));
        out.late(time, TurnStarted::new(turn, ""));
    }
}

//! One conversation of a transcript: its turn, and the model's message that may go on.

use crate::event::{ModelCallEnded, TurnEnded};
use crate::import::conclude::Concluded;
use crate::import::{Held, Out};
use crate::time::Timestamp;
use std::collections::VecDeque;

#[derive(Default)]
pub(super) struct Lane {
    pub(super) turn: Option<String>,
    /// When the model was last given something to answer: no line says when it was called.
    pub(super) since: Option<Timestamp>,
    pub(super) message: Option<Message>,
    /// The message that ended last, and its turn. If more of it comes, something had come between.
    pub(super) ended: Option<(String, String)>,
    /// Calls without an id of their own, oldest first.
    pub(super) nameless: VecDeque<String>,
    /// Call of the tool that starts sub-agents, while it runs.
    pub(super) delegated: Option<String>,
    concluded: Concluded,
}

/// A message of the model, until a line shows that no more of it comes.
pub(super) struct Message {
    pub(super) id: String,
    pub(super) ended: ModelCallEnded<'static>,
    /// The end of its turn, if it is the last of it.
    pub(super) turn_ended: Option<TurnEnded<'static>>,
    pub(super) time: Option<Timestamp>,
    /// It has text, and has called no tool.
    pub(super) answers: bool,
    /// Its end has been given out, at the end of the file.
    pub(super) told: bool,
    /// Its lines that became nothing else.
    pub(super) held: Vec<Held>,
}

impl Message {
    /// Gives its end out, and that of its turn; once, but with `again`.
    pub(super) fn tell(&mut self, again: bool, out: &mut Out) {
        if std::mem::replace(&mut self.told, true) && !again {
            return;
        }
        out.late(self.time, self.ended.clone());
        self.held.drain(..).for_each(|held| out.made(held));
        if let Some(ended) = &self.turn_ended {
            out.late(self.time, ended.clone());
        }
    }
}

impl Lane {
    /// Whether a line is more of the message before it; if not, that one has ended.
    pub(super) fn goes_on(&mut self, id: &str, out: &mut Out) -> bool {
        if let Some(message) = &self.message {
            let same = message.id == id;
            if !same {
                self.end_message(out);
            }
            return same;
        }
        match &self.ended {
            Some((ended, turn)) if ended == id => {
                self.turn.get_or_insert_with(|| turn.clone());
                true
            }
            _ => false,
        }
    }

    /// The file ends: a last message that is text without a call has answered its turn, whatever it says of its end.
    pub(super) fn conclude(&mut self, out: &mut Out) {
        let answered = self.message.as_ref().is_some_and(|message| message.answers && message.turn_ended.is_none());
        if let Some(turn) = self.turn.as_ref().filter(|_| answered) {
            self.concluded.conclude(turn, out);
        }
    }

    /// The file goes on: the turn has not ended.
    pub(super) fn go_on(&mut self, out: &mut Out) {
        self.concluded.go_on(out);
    }

    /// No more of the message comes.
    pub(super) fn end_message(&mut self, out: &mut Out) {
        let Some(mut message) = self.message.take() else { return };
        message.tell(false, out);
        if message.turn_ended.is_some() {
            self.turn = None;
        }
        self.ended = Some((message.id, message.ended.turn_id.to_string()));
    }
}

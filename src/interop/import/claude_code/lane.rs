//! One conversation of a transcript: its turn, and the model's message that may go on.

use crate::interop::import::conclude::Concluded;
use crate::interop::import::{Held, Out};
use crate::model::event::{ModelCallEnded, TurnEnded};
use crate::model::time::Timestamp;
use std::collections::{HashSet, VecDeque};

#[derive(Default)]
pub(super) struct Lane {
    pub(super) turn: Option<String>,
    /// When the model was last given something to answer: no line says when it was called.
    pub(super) since: Option<Timestamp>,
    pub(super) message: Option<Message>,
    /// The messages of the turn that have ended. If more of one comes, other lines had come between.
    ended: HashSet<String>,
    /// The turn of the message that ended last.
    ended_in: Option<String>,
    /// Calls without an id of their own, oldest first.
    pub(super) nameless: VecDeque<String>,
    /// The call that this conversation works for, if it is a sub-agent's.
    pub(super) works_for: Option<String>,
    concluded: Concluded,
}

/// A message of the model, until a line shows that no more of it comes.
pub(super) struct Message {
    pub(super) id: String,
    pub(super) ended: ModelCallEnded<'static>,
    /// The end of its turn, if it is the last of it.
    pub(super) turn_ended: Option<TurnEnded<'static>>,
    pub(super) time: Option<Timestamp>,
    /// It has text.
    pub(super) spoke: bool,
    /// It has called a tool.
    pub(super) called: bool,
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
    /// Whether a line is more of a message before it; the last one, if that is another, has ended.
    pub(super) fn goes_on(&mut self, id: &str, out: &mut Out) -> bool {
        if self.message.as_ref().is_some_and(|message| message.id == id) {
            return true;
        }
        let goes_on = self.ended.contains(id);
        if let Some(message) = self.message.as_mut().filter(|_| goes_on) {
            // The message between its parts was not the last one of the turn.
            message.turn_ended = None;
        }
        self.end_message(out);
        if goes_on && self.turn.is_none() {
            self.turn.clone_from(&self.ended_in);
        }
        goes_on
    }

    /// No more of the message comes.
    pub(super) fn end_message(&mut self, out: &mut Out) {
        let Some(mut message) = self.message.take() else { return };
        message.tell(false, out);
        if message.turn_ended.is_some() {
            self.turn = None;
        }
        self.ended_in = Some(message.ended.turn_id.to_string());
        self.ended.insert(message.id);
    }

    /// Another turn begins: the one before has ended, though no line says so.
    pub(super) fn begin(&mut self, turn: String, out: &mut Out) {
        self.end_turn(out);
        self.ended = HashSet::new();
        self.turn = Some(turn);
        self.since = out.time();
    }

    /// The turn has ended, though no line says so.
    pub(super) fn end_turn(&mut self, out: &mut Out) {
        self.end_message(out);
        self.concluded = Concluded::default();
        if let Some(turn) = self.turn.take() {
            out.imply_end(TurnEnded::success(turn));
        }
    }

    /// A line says that the turn has ended.
    pub(super) fn end_turn_now(&mut self, out: &mut Out) {
        self.concluded = Concluded::default();
        if let Some(turn) = self.turn.take() {
            out.push(TurnEnded::success(turn));
        }
    }

    /// The file ends: a last message that is text without a call has answered its turn, whatever it says of its end.
    pub(super) fn conclude(&mut self, out: &mut Out) {
        let answers = |message: &Message| message.spoke && !message.called && message.turn_ended.is_none();
        let answered = self.message.as_ref().is_some_and(answers);
        if let Some(turn) = self.turn.as_ref().filter(|_| answered) {
            self.concluded.conclude(turn, out);
        }
    }

    /// The file goes on: the turn has not ended.
    pub(super) fn go_on(&mut self, out: &mut Out) {
        self.concluded.go_on(out);
    }
}

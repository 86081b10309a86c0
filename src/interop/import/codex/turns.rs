//! When the turns of a rollout begin and end, and what was asked in them.
//!
//! A turn is announced by an event, in older files not at all; a prompt is an event, in some files only a message of the
//! conversation, which also holds what was injected. So what comes before the model's work is held until that begins.

use crate::interop::import::conclude::Concluded;
use crate::interop::import::turn_list::TurnList;
use crate::interop::import::{Held, Note, Out};
use crate::json::Text;
use crate::json::members::{Object, text};
use crate::model::event::{Attachment, TurnEnded, TurnStarted, TurnsRewound, UserMessage};
use crate::model::status::TurnStatus;
use crate::model::time::Timestamp;
use std::collections::HashSet;

/// What a user said.
#[derive(Debug)]
pub(super) struct Prompt {
    pub(super) text: String,
    pub(super) attachments: Vec<Attachment>,
    pub(super) time: Option<Timestamp>,
    /// Its line, to make an id of.
    pub(super) offset: u64,
}

/// A turn that is at work.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) id: String,
    began: Option<Timestamp>,
    /// When the model was given its prompt.
    pub(super) since: Option<Timestamp>,
    /// An event said that it began: another one will say that it ends.
    announced: bool,
    /// Its prompt came as an event: messages of the conversation only repeat it.
    by_event: bool,
    /// The last that came of it is what the model said.
    answered: bool,
    /// The prompt, until the model is at work.
    asked: Option<String>,
}

#[derive(Debug, Default)]
pub(super) struct Turns {
    pub(super) running: Option<Turn>,
    /// A turn that was announced and has done nothing yet.
    begun: Option<(String, Option<Timestamp>)>,
    /// What the user has said since, in events.
    said: Vec<Prompt>,
    /// The words of those.
    words: HashSet<String>,
    /// The messages since that may be what the user said.
    messages: Vec<Prompt>,
    /// The records of all this whose events are still to be made.
    held: Vec<Held>,
    /// These events were made at an end of the file.
    told: bool,
    /// The turn that was said to begin at an end of the file where no event had its prompt: what comes next may show that
    /// there is none, or another one.
    told_early: Option<String>,
    concluded: Concluded,
    /// The turns so far, for rolling back.
    pub(super) ids: TurnList,
    /// Prompts come as events in this file.
    has_events: bool,
}

/// What follows from what has been held.
struct Next<'a> {
    /// A turn begins, with this prompt.
    begins: bool,
    prompt: Option<&'a Prompt>,
    /// What else the user said in the turn.
    others: &'a [Prompt],
}

impl Turns {
    /// A turn was announced.
    pub(super) fn announced(&mut self, id: String, out: &Out) {
        (self.begun, self.told) = (Some((id, out.time())), false);
    }

    /// An event has a prompt; a message of the same words repeats it. Whether it is new.
    pub(super) fn said(&mut self, prompt: Prompt) -> bool {
        self.has_events = true;
        self.messages.clear();
        let repeated = |known: &str| known.trim() == prompt.text.trim();
        let asked = self.running.as_ref().filter(|turn| turn.by_event).and_then(|turn| turn.asked.as_deref());
        let last = self.said.last().map(|last| &*last.text).or(asked.filter(|_| self.begun.is_none()));
        let is_new = !last.is_some_and(repeated);
        if is_new {
            self.words.insert(prompt.text.trim().to_owned());
            self.said.push(prompt);
            self.told = false;
        }
        is_new
    }

    /// A message of the conversation may be a prompt.
    pub(super) fn message(&mut self, prompt: Prompt) {
        let words = prompt.text.trim();
        let is_known = self.words.contains(words)
            || self.running.as_ref().and_then(|turn| turn.asked.as_deref()).is_some_and(|asked| asked.trim() == words);
        if !is_known {
            self.messages.push(prompt);
            self.told = false;
        }
    }

    /// Holds back the event of the record that has just been taken.
    pub(super) fn hold(&mut self, out: &mut Out) {
        self.held.push(out.hold());
    }

    /// What was held belongs to a turn that is not this file's.
    pub(super) fn forget(&mut self) {
        self.begun = None;
        self.said.clear();
        self.words.clear();
        self.messages.clear();
    }

    /// A turn was announced, and its prompt has come.
    pub(super) fn is_complete(&self) -> bool {
        self.begun.is_some() && !self.said.is_empty()
    }

    /// Whether a turn is at work, or would be.
    pub(super) fn has_any(&self) -> bool {
        self.running.is_some() || self.is_waiting()
    }

    fn is_waiting(&self) -> bool {
        self.begun.is_some() || !self.said.is_empty() || !self.messages.is_empty()
    }

    /// Whether an id is that of a turn before the one at work.
    pub(super) fn is_earlier(&self, id: &str) -> bool {
        let is_this = self.running.as_ref().is_some_and(|turn| turn.id == id)
            || self.begun.as_ref().is_some_and(|(begun, _)| begun == id);
        !is_this && self.ids.place_of(id).is_some()
    }

    /// Something of the running turn happened; whether it is what the model said.
    pub(super) fn worked(&mut self, answered: bool) {
        if let Some(turn) = &mut self.running {
            (turn.answered, turn.asked) = (answered, None);
        }
    }

    fn next(&self) -> Next<'_> {
        let begins = self.begun.is_some()
            || match &self.running {
                None => true,
                Some(turn) if turn.announced => false,
                Some(_) => !self.said.is_empty() || (!self.messages.is_empty() && !self.has_events),
            };
        let repeats = self.running.as_ref().is_none_or(|turn| !turn.announced || turn.by_event);
        let (prompt, others) = match (self.said.split_first(), self.messages.split_last()) {
            (Some((first, others)), _) if begins => (Some(first), others),
            // What an unknown version injects comes before the prompt.
            (None, Some((last, others))) if begins => (Some(last), others),
            (Some(_), _) => (None, &self.said[..]),
            (None, Some(_)) if !repeats => (None, &self.messages[..]),
            _ => (None, &[][..]),
        };
        Next { begins, prompt, others }
    }

    /// The turn that begins with what has been held, if one does.
    fn starting(&self, out: &Out) -> Option<Turn> {
        let Next { begins, prompt, .. } = self.next();
        let asked = prompt.and_then(|prompt| prompt.time);
        let (begun, began) = self.begun.clone().unzip();
        begins.then(|| Turn {
            announced: begun.is_some(),
            id: begun.unwrap_or_else(|| format!("turn-{}", prompt.map_or(out.offset(), |prompt| prompt.offset))),
            began: began.flatten().or(asked).or(out.time()),
            since: asked.or(began.flatten()).or(out.time()),
            by_event: !self.said.is_empty(),
            answered: false,
            asked: Some(prompt.map(|prompt| prompt.text.clone()).unwrap_or_default()),
        })
    }

    /// Makes the events of what has been held; the turn that begins with them, if one does.
    fn tell(&self, out: &mut Out) -> Option<Turn> {
        let Next { prompt, others, .. } = self.next();
        let turn = self.starting(out);
        let id = turn.as_ref().or(self.running.as_ref()).map(|turn| turn.id.clone())?;
        if self.told {
            return turn;
        }
        if let Some(turn) = &turn {
            if let Some(early) = self.told_early.as_ref().filter(|early| **early != turn.id) {
                out.late(None, TurnsRewound::new(early.clone()));
            }
            self.running.iter().for_each(|before| before.imply_end(out));
            let mut started = TurnStarted::new(&*id, prompt.map(|prompt| &*prompt.text).unwrap_or_default());
            started.attachments = prompt.map(|prompt| prompt.attachments.clone()).unwrap_or_default();
            out.late(turn.began, started);
            if prompt.is_none() {
                out.note(Note::TurnWithoutPrompt);
            }
        }
        for other in others {
            let said = UserMessage::new(&*id, &*other.text).attachments(other.attachments.clone());
            out.late(other.time, said);
            out.note(Note::UserMessage);
        }
        turn
    }

    /// Goes on to what follows from what has been held. If a turn begins, the one before it is given back.
    pub(super) fn go_on(&mut self, out: &mut Out) -> Option<Option<Turn>> {
        if self.running.is_some() && !self.is_waiting() {
            return None;
        }
        let turn = self.tell(out);
        self.told = false;
        self.told_early = self.told_early.take().filter(|_| turn.is_none());
        self.forget();
        self.held.drain(..).for_each(|held| out.made(held));
        let turn = turn?;
        self.ids.push(turn.id.clone());
        Some(self.running.replace(turn))
    }

    /// Another turn begins: the running one is over, though nothing says so.
    pub(super) fn imply_end(&mut self, out: &mut Out) {
        self.running.take().iter().for_each(|turn| turn.imply_end(out));
    }

    /// Whether an event will say that the running turn ends.
    pub(super) fn is_announced(&self) -> bool {
        self.running.as_ref().is_some_and(|turn| turn.announced)
    }

    /// Makes the events of what is held: no further record is there for now. Without a prompt in an event nothing is
    /// certain yet: a turn that began now would begin again with its prompt.
    pub(super) fn pause(&mut self, again: bool, out: &mut Out) {
        if !self.said.is_empty() {
            self.tell_at_end(again, out);
        }
    }

    fn tell_at_end(&mut self, again: bool, out: &mut Out) {
        if !self.is_waiting() || (self.told && !again) {
            return;
        }
        self.told = false;
        self.tell(out);
        self.told = true;
        self.held.drain(..).for_each(|held| out.made(held));
    }

    /// The file ends: what is held is all there is, and an answer ends a turn that nothing else would end. `works`: a call
    /// of it is running.
    pub(super) fn conclude(&mut self, works: bool, out: &mut Out) {
        if self.said.is_empty() && self.is_waiting() {
            self.tell_at_end(true, out);
            self.told_early = self.starting(out).map(|turn| turn.id).or(self.told_early.take());
        }
        let answered = |turn: &&Turn| turn.answered && !turn.announced && !works;
        if let Some(turn) = self.running.as_ref().filter(answered).filter(|_| !self.is_waiting()) {
            self.concluded.conclude(&turn.id, out);
        }
    }

    /// The file goes on: what was concluded is taken back. A turn that began without its prompt is interrupted, so that it
    /// goes on when it begins with it.
    pub(super) fn take_back(&mut self, out: &mut Out) {
        self.concluded.go_on(out);
        let Some(early) = self.told_early.clone().filter(|_| self.told && self.said.is_empty()) else { return };
        self.told = false;
        out.late(out.last_heard(&early), TurnEnded::new(early).status(TurnStatus::Interrupted));
    }
}

impl Turn {
    /// The end of a turn that no record ends.
    fn imply_end(&self, out: &mut Out) {
        let answered = self.answered && !self.announced;
        let status = if answered { TurnStatus::Success } else { TurnStatus::Interrupted };
        out.imply_end_late(TurnEnded::new(&*self.id).status(status));
    }
}

/// The id of a turn that begins.
pub(crate) fn turn_id(event: &Object<'_>, out: &Out) -> String {
    event.text("turn_id").map_or_else(|| format!("turn-{}", out.offset()), Text::into_string)
}

/// What an event of a user's message says.
pub(crate) fn prompt_of(event: &Object<'_>, out: &Out) -> Prompt {
    let paths = event.array("local_images").unwrap_or_default().into_iter().map(text);
    let inline = event.array("images").unwrap_or_default().into_iter().map(|_| None);
    let attachment = |uri: Option<Text<'_>>| Attachment {
        name: Some("image".into()),
        uri: uri.map(Text::into_string),
        ..Attachment::default()
    };
    Prompt {
        text: event.text("message").unwrap_or_default().into_string(),
        attachments: paths.chain(inline).map(attachment).collect(),
        time: out.time(),
        offset: out.offset(),
    }
}

//! A turn's text: the parts that came, in the order in which they began.

use crate::fold::rules;
use crate::model::event::ModelCallEnded;
use std::collections::HashMap;

/// The parts of a turn's text.
#[derive(Clone, Debug, Default)]
pub(crate) struct TurnText {
    parts: Vec<Part>,
    /// Where the newest part of each model call stands.
    model_calls: HashMap<String, usize>,
}

/// What one model call said, or what came without a model call.
#[derive(Clone, Debug, Default)]
struct Part {
    text: String,
    is_model_call: bool,
    /// The text is the model call's own, all of it: what streamed in does not count beside it.
    whole: bool,
    ended: bool,
    failed: bool,
}

impl TurnText {
    /// A piece came in.
    pub(crate) fn delta(&mut self, model_call_id: Option<&str>, text: &str) {
        let part = match model_call_id {
            Some(id) => self.model_call(id),
            None => self.loose(),
        };
        if !part.whole {
            part.text.push_str(text);
        }
    }

    /// A model call began. One that had ended begins a new part: a failed call that is tried again.
    pub(crate) fn model_call_started(&mut self, id: &str) {
        if self.model_call(id).ended {
            self.model_calls.remove(id);
            self.model_call(id);
        }
    }

    /// A model call ended.
    pub(crate) fn model_call_ended(&mut self, ended: &ModelCallEnded<'_>) {
        let part = self.model_call(&ended.model_call_id);
        if let Some(text) = &ended.text {
            part.text = text.to_string();
            part.whole = true;
        }
        part.ended = true;
        let error = ended.error.as_deref();
        part.failed = rules::model_call_end(ended.status.as_deref(), error).meaning(error).is_failure();
    }

    /// The whole text; `None` if there is none.
    pub(crate) fn finish(self) -> Option<String> {
        let mut said = self.parts.into_iter().filter(|part| !part.failed).map(|part| part.text);
        let mut text = said.next()?;
        said.for_each(|more| text.push_str(&more));
        (!text.is_empty()).then_some(text)
    }

    /// The part of this model call; it begins here if it is not there.
    fn model_call(&mut self, id: &str) -> &mut Part {
        let at = match self.model_calls.get(id) {
            Some(at) => *at,
            None => {
                self.parts.push(Part { is_model_call: true, ..Part::default() });
                self.model_calls.insert(id.to_owned(), self.parts.len() - 1);
                self.parts.len() - 1
            }
        };
        &mut self.parts[at]
    }

    /// The part for text of no model call: the last one, if it is such a part.
    fn loose(&mut self) -> &mut Part {
        if self.parts.last().is_none_or(|part| part.is_model_call) {
            self.parts.push(Part::default());
        }
        let last = self.parts.len() - 1;
        &mut self.parts[last]
    }
}

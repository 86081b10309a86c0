//! Other ways from lines to state: each decodes every event with its type and folds it to the same [`State`].

pub(crate) mod one_pass;
pub(crate) mod tagged;

use serde_json::Value;
use std::collections::HashMap;

/// What a run comes to: its turns, their texts and their calls.
#[derive(Debug, Default)]
pub(crate) struct State {
    turns: Vec<Turn>,
    places: HashMap<String, usize>,
    /// How many events it was made of.
    pub(crate) events: u64,
}

#[derive(Debug, Default)]
struct Turn {
    prompt: String,
    text: String,
    response: Option<String>,
    calls: Vec<Call>,
}

#[derive(Debug, Default)]
struct Call {
    id: String,
    tool: String,
    arguments: Value,
    result: Value,
    duration_ms: Option<f64>,
}

impl State {
    fn turn(&mut self, id: &str) -> &mut Turn {
        self.events += 1;
        let place = match self.places.get(id) {
            Some(place) => *place,
            None => {
                self.turns.push(Turn::default());
                self.places.insert(id.to_owned(), self.turns.len() - 1);
                self.turns.len() - 1
            }
        };
        &mut self.turns[place]
    }

    fn start(&mut self, turn: &str, prompt: impl Into<String>) {
        self.turn(turn).prompt = prompt.into();
    }

    fn text(&mut self, turn: &str, text: &str) {
        self.turn(turn).text.push_str(text);
    }

    fn call(&mut self, turn: &str, id: impl Into<String>, tool: impl Into<String>, arguments: Value) {
        self.turn(turn).calls.push(Call { id: id.into(), tool: tool.into(), arguments, ..Call::default() });
    }

    fn end_call(&mut self, turn: &str, id: &str, result: Value, duration_ms: Option<f64>) {
        let mut calls = self.turn(turn).calls.iter_mut().rev();
        if let Some(call) = calls.find(|call| call.id == id) {
            (call.result, call.duration_ms) = (result, duration_ms);
        }
    }

    fn end(&mut self, turn: &str, response: Option<String>) {
        self.turn(turn).response = response;
    }

    /// Something that differs where two states do.
    pub(crate) fn sum(&self) -> u64 {
        let value =
            |value: &Value| value.as_str().map_or_else(|| value.as_object().map_or(0, |map| map.len()), str::len);
        let call = |call: &Call| {
            call.id.len()
                + call.tool.len()
                + value(&call.arguments)
                + value(&call.result)
                + call.duration_ms.map_or(0, |time| time as usize)
        };
        let turn = |turn: &Turn| {
            let texts = turn.prompt.len() + turn.text.len() + turn.response.as_ref().map_or(0, String::len);
            texts + turn.calls.iter().map(call).sum::<usize>()
        };
        self.turns.iter().map(turn).sum::<usize>() as u64
    }
}

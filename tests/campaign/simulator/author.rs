//! What is recorded: turns with streamed text and calls, whose answers the author knows without any fold.

use foldlog::Draft;
use std::collections::BTreeMap;

/// Writes one event after the other. Each life begins a turn of its own.
#[derive(Clone, Debug, Default)]
pub struct Author {
    events: usize,
    turn: usize,
    step: usize,
    text: String,
    output: String,
    /// What each turn that was ended has answered, and its one call has returned.
    pub answers: BTreeMap<String, (String, String)>,
}

impl Author {
    pub fn begin_life(&mut self) {
        self.step = 0;
    }

    /// The next event: its type and its data.
    pub fn next(&mut self) -> (&'static str, String) {
        self.events += 1;
        let (number, id) = (self.events, format!("t-{}", self.turn));
        let call = "\"call_id\":\"c-1\"";
        let step = self.step;
        self.step = (step + 1) % 9;
        match step {
            0 => {
                self.turn += 1;
                (self.text, self.output) = (String::new(), String::new());
                ("turn_started", format!(r#"{{"turn_id":"t-{}","prompt":"do {number}"}}"#, self.turn))
            }
            1 | 2 | 7 => {
                let text = filler(number, 60);
                self.text.push_str(&text);
                ("text_delta", format!(r#"{{"turn_id":"{id}","text":"{text}"}}"#))
            }
            3 => ("tool_call_started", format!(r#"{{"turn_id":"{id}",{call},"tool_name":"bash"}}"#)),
            4 | 5 => {
                let text = filler(number, 200);
                self.output.push_str(&text);
                ("tool_call_output", format!(r#"{{"turn_id":"{id}",{call},"text":"{text}"}}"#))
            }
            6 => {
                let result = &self.output;
                ("tool_call_ended", format!(r#"{{"turn_id":"{id}",{call},"status":"success","result":"{result}"}}"#))
            }
            _ if number.is_multiple_of(7) => {
                // From several bytes to several sectors, and its turn goes on.
                self.step = 8;
                ("custom", format!(r#"{{"name":"n","value":"{}"}}"#, filler(number, 1_400)))
            }
            _ => {
                let text = self.text.clone();
                self.answers.insert(id.clone(), (text.clone(), self.output.clone()));
                ("turn_ended", format!(r#"{{"turn_id":"{id}","status":"success","response_content":"{text}"}}"#))
            }
        }
    }

    pub fn draft(&mut self) -> (Draft, String) {
        let (type_name, data) = self.next();
        (Draft::from_json(type_name, &data).unwrap(), data)
    }
}

fn filler(number: usize, most: usize) -> String {
    format!("{number} {}.", "é".repeat(number * 37 % most / 2))
}

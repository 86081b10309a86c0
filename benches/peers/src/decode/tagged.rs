//! serde's own tagged enums, with owned strings: what is written first, and what most recorders have.

use super::State;
use crate::Result;
use crate::workload::Step;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

macro_rules! tagged {
    ($name:ident, $($tag:tt)+) => {
        #[derive(Deserialize)]
        #[serde($($tag)+, rename_all = "snake_case")]
        enum $name {
            TurnStarted { turn_id: String, prompt: String },
            TextDelta { turn_id: String, text: String },
            ToolCallStarted { turn_id: String, call_id: String, tool_name: String, arguments: Value },
            ToolCallEnded { turn_id: String, call_id: String, result: Value, duration_ms: Option<f64> },
            TurnEnded { turn_id: String, response_content: Option<String> },
        }

        impl $name {
            fn fold(self, state: &mut State) {
                match self {
                    $name::TurnStarted { turn_id, prompt } => state.start(&turn_id, prompt),
                    $name::TextDelta { turn_id, text } => state.text(&turn_id, &text),
                    $name::ToolCallStarted { turn_id, call_id, tool_name, arguments } => {
                        state.call(&turn_id, call_id, tool_name, arguments);
                    }
                    $name::ToolCallEnded { turn_id, call_id, result, duration_ms } => {
                        state.end_call(&turn_id, &call_id, result, duration_ms);
                    }
                    $name::TurnEnded { turn_id, response_content } => state.end(&turn_id, response_content),
                }
            }
        }
    };
}

tagged!(Internally, tag = "type");
tagged!(Adjacently, tag = "type", content = "data");

#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    time: &'a str,
    r#type: &'a str,
    #[serde(flatten)]
    data: &'a Step,
}

/// Writes the events as internally tagged lines.
pub(crate) fn write(steps: &[Step], path: &Path) -> Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for (seq, step) in (1..).zip(steps) {
        let line = Line { seq, time: "2026-01-31T23:59:59.123456Z", r#type: step.type_name(), data: step };
        serde_json::to_writer(&mut file, &line)?;
        file.write_all(b"\n")?;
    }
    Ok(file.flush()?)
}

/// Line by line, in one step. The other members of a line are skipped by it.
pub(crate) fn by_line(path: &Path) -> Result<State> {
    let mut state = State::default();
    for line in BufReader::with_capacity(1 << 20, File::open(path)?).lines() {
        serde_json::from_str::<Internally>(&line?)?.fold(&mut state);
    }
    Ok(state)
}

#[derive(Deserialize)]
struct Recorded {
    #[serde(flatten)]
    item: Adjacently,
}

/// The pattern of a well-known agent: the whole file as a string, each line to a tree, and the tree to its type. What
/// does not decode is passed over, as the headers are here.
pub(crate) fn by_tree(paths: &[PathBuf]) -> Result<State> {
    let mut state = State::default();
    for path in paths {
        let text = std::fs::read_to_string(path)?;
        for line in text.lines() {
            let Ok(tree) = serde_json::from_str::<Value>(line) else { continue };
            if let Ok(recorded) = serde_json::from_value::<Recorded>(tree) {
                recorded.item.fold(&mut state);
            }
        }
    }
    Ok(state)
}

/// The events of a database, by type and data.
pub(crate) fn from_sqlite(path: &Path) -> Result<State> {
    let connection = rusqlite::Connection::open(path)?;
    let mut state = State::default();
    let mut select = connection.prepare("SELECT type, data FROM events ORDER BY seq")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (name, data) = (row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?);
        super::one_pass::Payload::decode(name, data)?.fold(&mut state);
    }
    Ok(state)
}

//! A transcript of another recorder's, to be imported: the same steps in its shape.

use crate::Result;
use crate::workload::Step;
use serde_json::{Value, json};

pub(crate) fn of(steps: &[Step]) -> Result<Vec<u8>> {
    let mut file = Vec::new();
    for (at, step) in steps.iter().enumerate() {
        let (kind, content) = match step {
            Step::TurnStarted { prompt, .. } => ("user", json!(prompt)),
            Step::Text { text, .. } => ("assistant", json!([{"type": "text", "text": text}])),
            Step::CallStarted { call, tool, arguments, .. } => {
                ("assistant", json!([{"type": "tool_use", "id": call, "name": tool, "input": arguments}]))
            }
            Step::CallEnded { call, result, .. } => {
                ("user", json!([{"type": "tool_result", "tool_use_id": call, "content": result}]))
            }
            Step::TurnEnded { .. } => ("system", Value::Null),
        };
        let line = json!({
            "type": kind, "sessionId": "s", "uuid": format!("u-{at}"), "timestamp": "2026-01-31T23:59:59.123Z",
            "message": {"id": format!("m-{at}"), "model": "m", "content": content, "usage": {"output_tokens": at}},
        });
        serde_json::to_writer(&mut file, &line)?;
        file.push(b'\n');
    }
    Ok(file)
}

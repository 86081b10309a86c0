//! Decoding past the JSON parser: of the ends of tool calls, whose results are most of what a run records.

use crate::json::{Json, fast_path};
use crate::model::event::ToolCallEnded;

impl<'a> ToolCallEnded<'a> {
    /// What `data` says; `None` if only the parser can tell.
    pub(super) fn of_plain(data: &'a str) -> Option<ToolCallEnded<'a>> {
        let names = ["turn_id", "call_id", "tool_name", "error", "status", "result", "duration_ms", "metadata"];
        let [turn_id, call_id, tool_name, error, status, result, duration_ms, None] = fast_path::members(data, names)?
        else {
            return None;
        };
        let mut ended = ToolCallEnded::new(turn_id?.verbatim()?, call_id?.verbatim()?);
        ended.tool_name = fast_path::optional(tool_name)?;
        ended.error = fast_path::optional(error)?;
        ended.status = fast_path::optional(status)?;
        if let Some(result) = result {
            ended.result = Some(Json::of_plain(result)?);
        }
        ended.duration_ms = fast_path::optional(duration_ms)?;
        Some(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_an_end_for_what_the_parser_does() {
        for members in [
            r#""status":"success","result":"a\n\"b\" \u001b","duration_ms":12.5"#,
            r#""result":null,"tool_name":null,"error":"it\u0007 failed","status":null"#,
            r#""result":-1e3,"more":true"#,
            r#""status":"a new one""#,
        ] {
            let data = format!(r#"{{"turn_id":"t","call_id":"c",{members}}}"#);
            let short = ToolCallEnded::of_plain(&data);
            assert_eq!(short, serde_json::from_str(&data).ok(), "{data}");
        }
    }

    #[test]
    fn it_leaves_to_the_parser_what_it_does_not_know() {
        for members in [r#""result":{"a":1}"#, r#""metadata":null"#, r#""duration_ms":"1""#, r#""status":1"#] {
            let data = format!(r#"{{"turn_id":"t","call_id":"c",{members}}}"#);
            assert_eq!(ToolCallEnded::of_plain(&data), None, "{data}");
        }
    }
}

//! The members that each event type has, as its struct declares them, and those of an event that its type does not have.
//!
//! A member that is not known is kept in the log and shown in no view. No list of names is kept here but that of other
//! names that people use: a type is asked for its members by decoding it from nothing.

use super::Event;
use crate::json::Text;
use crate::model::event::declared::names;
use crate::model::record::TurnRecord;
use crate::text::likeness::{MAX_WORD, did_you_mean, plain};
use serde::de::{Deserializer as _, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// How many unknown members of one event are reported.
pub const MAX_UNKNOWN_MEMBERS: usize = 16;

/// Other names that people use for a member, each as [`plain`] without `_`.
const ALIASES: &[(&str, &[&str])] = &[
    ("arguments", &["args", "arg", "params", "parameters", "input", "inputs", "toolinput", "toolargs", "kwargs"]),
    (
        "result",
        &["output", "outputs", "response", "return", "returned", "returnvalue", "content", "toolresult", "tooloutput"],
    ),
    ("result", &["value", "stdout", "text"]),
    (
        "response_content",
        &["response", "content", "text", "answer", "output", "reply", "message", "result", "completion"],
    ),
    ("prompt", &["input", "text", "content", "message", "query", "question", "userinput", "usermessage", "task"]),
    ("text", &["delta", "content", "chunk", "message", "body", "output", "response", "answer", "piece", "token"]),
    ("text", &["prompt", "thinking", "reasoning"]),
    ("reasoning", &["thinking", "thought", "thoughts", "reasoningcontent", "reasoningtext"]),
    ("tool_name", &["name", "tool", "function", "functionname"]),
    ("call_id", &["id", "toolcallid", "tooluseid", "toolid"]),
    ("model_call_id", &["id", "callid", "requestid", "messageid"]),
    ("turn_id", &["id", "turn"]),
    ("from_turn_id", &["turnid", "from", "id", "turn"]),
    ("approval_id", &["id", "requestid"]),
    ("outcome", &["decision", "result", "status", "approved"]),
    ("choices", &["options"]),
    ("message", &["text", "question", "prompt"]),
    ("summary", &["text", "content"]),
    ("error", &["err", "exception", "errormessage", "errormsg"]),
    ("status", &["state", "outcome"]),
    ("duration_ms", &["duration", "elapsed", "elapsedms", "tookms", "latency", "latencyms", "timems"]),
    ("usage", &["tokens", "tokenusage", "tokencounts"]),
    ("cost_usd_micros", &["cost", "costusd", "price", "totalcost", "costmicros"]),
    ("finish_reason", &["stopreason", "stop", "finish"]),
    ("model", &["modelname", "modelid"]),
    ("metadata", &["meta", "extra", "extras", "attributes", "properties"]),
    ("agent_id", &["agent", "agentname"]),
    ("workspace_id", &["workspace", "project"]),
    ("session_id", &["session", "id"]),
    ("created_at", &["created", "startedat", "starttime"]),
    ("started_at", &["start", "started", "starttime"]),
    ("ended_at", &["end", "ended", "endtime", "finishedat"]),
    ("parent", &["parentid"]),
    ("attachments", &["files", "images"]),
    ("sandbox_context", &["sandbox"]),
    ("raw", &["rawmessage", "rawresponse"]),
    ("from_agent", &["from", "source"]),
    ("to_agent", &["to", "target", "agent"]),
    ("reason", &["cause", "why"]),
    ("input_tokens", &["prompttokens", "tokensin", "input"]),
    ("output_tokens", &["completiontokens", "tokensout", "output", "generatedtokens"]),
    ("cache_read_input_tokens", &["cachedtokens", "cachedinputtokens", "cachereadtokens", "cacheread"]),
    (
        "cache_write_input_tokens",
        &["cachecreationinputtokens", "cachecreationtokens", "cachewritetokens", "cachewrite"],
    ),
    ("reasoning_output_tokens", &["reasoningtokens", "thinkingtokens"]),
    ("media_type", &["mimetype", "mime", "contenttype", "type"]),
    ("uri", &["url", "path", "href", "file"]),
    ("sha256", &["hash", "digest", "checksum"]),
    ("bytes", &["size", "length"]),
    ("tool_calls", &["calls", "tools"]),
    ("name", &["title", "event", "filename"]),
    ("value", &["data", "payload", "body"]),
];

/// A member of an event that its type does not have. The log keeps it, and no view shows it.
///
/// Its `Display` names it, and the member that may have been meant.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownMember {
    /// Its name.
    pub name: String,
    /// The member of `data` whose object has it, such as `usage`; `None` for `data` itself.
    pub within: Option<&'static str>,
    /// The members that could be there, and are not.
    pub absent: Vec<&'static str>,
}

impl UnknownMember {
    /// The member that it is another word for, or most like; `None` if it is like none, or if that one is there as well.
    pub fn did_you_mean(&self) -> Option<&'static str> {
        let name = plain(&self.name).replace('_', "");
        let aliases = ALIASES.iter().filter(|(meant, _)| self.absent.contains(meant));
        let meant = aliases.filter(|(_, aliases)| aliases.contains(&name.as_str())).map(|(meant, _)| *meant).next();
        meant.or_else(|| did_you_mean(&self.name, self.absent.iter().copied()))
    }
}

impl fmt::Display for UnknownMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.name.chars().take(MAX_WORD).map(|c| if c.is_control() { '?' } else { c }).collect();
        write!(f, "unknown member `{shown}`")?;
        if let Some(within) = self.within {
            write!(f, " of `{within}`")?;
        }
        match self.did_you_mean() {
            Some(meant) => write!(f, ": did you mean `{meant}`?"),
            None => Ok(()),
        }
    }
}

impl Event<'_> {
    /// The members of `data` that the type `type_name` does not have, at most [`MAX_UNKNOWN_MEMBERS`]. None for a type that
    /// this version does not know, nor where any JSON may be, as in `metadata`.
    ///
    /// ```
    /// use foldlog::Event;
    /// let data = r#"{"turn_id":"t-1","call_id":"c-1","output":"ok","exit_code":0}"#;
    /// let unknown = Event::unknown_members("tool_call_ended", data);
    /// assert_eq!(unknown[0].to_string(), "unknown member `output`: did you mean `result`?");
    /// assert_eq!(unknown[1].did_you_mean(), None);
    /// ```
    pub fn unknown_members(type_name: &str, data: &str) -> Vec<UnknownMember> {
        let mut found = Vec::new();
        look_through(type_name, None, data, &mut found);
        found
    }

    /// The names of the members that `data` of this type can have, required ones first.
    pub fn member_names(type_name: &str) -> &'static [&'static str] {
        Event::members_of(type_name, None)
    }

    /// The same; with `within`, of the object or the objects in that member.
    fn members_of(type_name: &str, within: Option<&'static str>) -> &'static [&'static str] {
        match type_name {
            // Decoded in two steps, of which the first takes any JSON.
            "turn_recorded" => names::<TurnRecord>(within),
            _ => Event::declared_members(type_name, within),
        }
    }
}

/// Looks for unknown members in an object of an event: its data, or what the member `within` holds.
fn look_through(type_name: &str, within: Option<&'static str>, object: &str, found: &mut Vec<UnknownMember>) {
    let known = Event::members_of(type_name, within);
    if known.is_empty() {
        return;
    }
    let mut is_there = vec![false; known.len()];
    let (mut unknown, mut inner) = (Vec::new(), Vec::new());
    each_member(object, |name, value| match known.iter().position(|known| *known == name.as_str()) {
        Some(at) => {
            is_there[at] = true;
            if within.is_none() && value.get().starts_with(['{', '[']) {
                inner.push((known[at], value.get()));
            }
        }
        None if unknown.len() < MAX_UNKNOWN_MEMBERS => unknown.push(name.to_string()),
        None => {}
    });
    if !unknown.is_empty() {
        let absent: Vec<&str> =
            (known.iter().zip(is_there)).filter(|(_, there)| !there).map(|(name, _)| *name).collect();
        found.extend(unknown.into_iter().map(|name| UnknownMember { name, within, absent: absent.clone() }));
    }
    for (member, value) in inner {
        let objects: Vec<&RawValue> = match value.starts_with('[') {
            true if Event::members_of(type_name, Some(member)).is_empty() => continue,
            true => serde_json::from_str(value).unwrap_or_default(),
            false => Vec::new(),
        };
        let objects = objects.iter().map(|object| object.get());
        for object in objects.chain(value.starts_with('{').then_some(value)) {
            if found.len() >= MAX_UNKNOWN_MEMBERS {
                break;
            }
            look_through(type_name, Some(member), object, found);
        }
    }
    found.truncate(MAX_UNKNOWN_MEMBERS);
}

/// Calls `each` with every member of an object; with none, or those before the mistake, of what is not one.
fn each_member<'a>(object: &'a str, each: impl FnMut(Text<'a>, &'a RawValue)) {
    struct Members<F>(F);
    impl<'de, F: FnMut(Text<'de>, &'de RawValue)> Visitor<'de> for Members<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((name, value)) = map.next_entry()? {
                (self.0)(name, value);
            }
            Ok(())
        }
    }
    // What is no object has been refused before, by those who decode it.
    let _ = serde_json::Deserializer::from_str(object).deserialize_map(Members(each));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::EVENT_TYPES;

    fn told(type_name: &str, data: &str) -> Vec<String> {
        Event::unknown_members(type_name, data).iter().map(UnknownMember::to_string).collect()
    }

    #[test]
    fn every_type_says_which_members_it_has() {
        for type_name in EVENT_TYPES {
            assert!(!Event::member_names(type_name).is_empty(), "{type_name} has none");
        }
        assert_eq!(Event::member_names("text_delta"), ["turn_id", "text", "model_call_id"]);
        assert_eq!(Event::members_of("model_call_ended", Some("usage"))[0], "input_tokens");
        assert_eq!(Event::members_of("turn_recorded", Some("tool_calls"))[1], "tool_name");
        assert_eq!(Event::members_of("turn_started", Some("attachments"))[0], "name");
        assert_eq!(Event::members_of("turn_started", Some("parent")).len(), 3);
        for (type_name, member) in [("turn_started", "metadata"), ("tool_call_started", "arguments"), ("acme.x", "y")] {
            assert!(Event::members_of(type_name, Some(member)).is_empty(), "{member} may hold anything");
        }
    }

    #[test]
    fn every_other_name_is_for_a_member_that_some_type_has() {
        let nested = [("model_call_ended", "usage"), ("turn_recorded", "tool_calls"), ("turn_started", "attachments")];
        let own = EVENT_TYPES.iter().flat_map(|type_name| Event::member_names(type_name));
        let inner = nested.iter().flat_map(|(type_name, member)| Event::members_of(type_name, Some(member)));
        let all: Vec<&&str> = own.chain(inner).collect();
        for (meant, aliases) in ALIASES {
            assert!(all.contains(&meant), "no type has `{meant}`");
            for alias in *aliases {
                assert_eq!(plain(alias).replace('_', ""), **alias, "{alias} would never be found");
            }
        }
    }

    #[test]
    fn misspelt_members_are_told_with_what_was_meant() {
        for (type_name, data, wanted) in [
            ("tool_call_started", r#""args":{}"#, "unknown member `args`: did you mean `arguments`?"),
            ("tool_call_started", r#""toolInput":{}"#, "unknown member `toolInput`: did you mean `arguments`?"),
            ("tool_call_ended", r#""reslt":1"#, "unknown member `reslt`: did you mean `result`?"),
            ("tool_call_ended", r#""Duration-MS":1"#, "unknown member `Duration-MS`: did you mean `duration_ms`?"),
            ("turn_ended", r#""response":"x""#, "unknown member `response`: did you mean `response_content`?"),
            ("turn_started", r#""input":"x""#, "unknown member `input`: did you mean `prompt`?"),
            ("text_delta", r#""delta":"x""#, "unknown member `delta`: did you mean `text`?"),
            (
                "model_call_ended",
                r#""usage":{"prompt_tokens":3}"#,
                "unknown member `prompt_tokens` of `usage`: did you mean `input_tokens`?",
            ),
            (
                "turn_recorded",
                r#""tool_calls":[{"call_id":"c"},{"name":"n"}]"#,
                "unknown member `name` of `tool_calls`: did you mean `tool_name`?",
            ),
            (
                "turn_started",
                r#""attachments":[{"url":"x"}]"#,
                "unknown member `url` of `attachments`: did you mean `uri`?",
            ),
        ] {
            assert_eq!(told(type_name, &format!("{{\"turn_id\":\"t\",{data}}}")), [wanted]);
        }
    }

    #[test]
    fn a_member_that_is_like_none_or_like_one_that_is_there_is_not_taken_for_another() {
        for (type_name, data) in [
            ("tool_call_ended", r#"{"turn_id":"t","call_id":"c","result":1,"output":2,"stdout":3}"#),
            ("tool_call_ended", r#"{"turn_id":"t","call_id":"c","exit_code":0,"error_code":7,"result_url":"u"}"#),
            ("turn_started", r#"{"turn_id":"t","prompt":"p","temperature":1,"colour":"red","depth":2,"turn":1}"#),
        ] {
            for unknown in Event::unknown_members(type_name, data) {
                assert_eq!(unknown.did_you_mean(), None, "{unknown}");
                assert!(!unknown.to_string().contains("mean"));
            }
        }
        for (type_name, data) in [
            ("custom", r#"{"name":"n","value":{"anything":{}}}"#),
            ("turn_started", r#"{"turn_id":"t","metadata":{"args":1,"usage":{"x":1}}}"#),
            ("tool_call_started", r#"{"arguments":{"result":1}}"#),
            ("acme.shown", r#"{"args":1}"#),
            ("turn_started", "[1]"),
            ("turn_started", "{"),
        ] {
            assert!(told(type_name, data).is_empty(), "{data}");
        }
    }

    #[test]
    fn what_is_told_of_one_event_is_limited() {
        let many: Vec<String> = (0..1000).map(|number| format!("\"x{number}\":{number}")).collect();
        let calls: Vec<String> = (0..1000).map(|_| "{\"args\":1}".to_owned()).collect();
        for data in [format!("{{{}}}", many.join(",")), format!("{{\"tool_calls\":[{}]}}", calls.join(","))] {
            assert_eq!(Event::unknown_members("turn_recorded", &data).len(), MAX_UNKNOWN_MEMBERS);
        }
        let long = format!("{{\"{}\":1}}", "x\\u001b".repeat(500));
        assert!(told("turn_started", &long)[0].len() < 100);
    }
}

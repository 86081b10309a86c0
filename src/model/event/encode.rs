//! How payloads and their members are written as JSON, each kind of value in the quickest way there is for it.
//!
//! One list of members, made by `payloads!`, serves both this and `Serialize`.

use super::Spending;
use super::custom::Custom;
use super::parts::{Attachment, JournalRecovered, OpenTurn, Parent, Usage};
use super::recorded::{ToolCallRecorded, TurnRecorded};
use crate::json::escape::make_fit;
use crate::json::{Json, Metadata, Text};
use crate::model::status::{ToolCallStatus, TurnStatus};
use serde::Serialize;
use serde::ser::SerializeMap;

/// A payload, or a member of one.
pub(crate) trait Encode: Serialize {
    /// Whether it says nothing, so that its name does not stand there either.
    fn is_left_out(&self) -> bool {
        false
    }

    /// Writes it to the end of `out`, as serialising it would, but fit to stand in a line.
    fn encode(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        let start = out.len();
        serde_json::to_writer(&mut *out, self)?;
        make_fit(out, start);
        Ok(())
    }
}

impl Encode for Text<'_> {
    fn encode(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        self.write(out);
        Ok(())
    }
}

impl Encode for Json {
    fn encode(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        self.write(out);
        Ok(())
    }
}

impl<T: Encode> Encode for Option<T> {
    fn is_left_out(&self) -> bool {
        self.is_none()
    }

    fn encode(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        self.as_ref().map_or(Ok(()), |value| value.encode(out))
    }
}

impl Encode for Metadata {
    fn is_left_out(&self) -> bool {
        self.is_empty()
    }
}

impl Encode for Vec<Attachment> {
    fn is_left_out(&self) -> bool {
        self.is_empty()
    }
}

impl Encode for Vec<String> {
    fn is_left_out(&self) -> bool {
        self.is_empty()
    }
}

/// That nothing is running is stated.
impl Encode for Vec<OpenTurn> {}

impl Encode for u64 {}
impl Encode for i64 {}
impl Encode for f64 {}
impl Encode for TurnStatus {}
impl Encode for ToolCallStatus {}
impl Encode for Parent {}
impl Encode for Usage {}
impl Encode for Spending {}
impl Encode for Custom<'_> {}
impl Encode for JournalRecovered {}
impl Encode for ToolCallRecorded<'_> {}
impl Encode for TurnRecorded {}

/// Adds a member to a map that any serialiser makes.
pub(super) fn serialize_member<M: SerializeMap>(map: &mut M, name: &str, value: &impl Encode) -> Result<(), M::Error> {
    if value.is_left_out() { Ok(()) } else { map.serialize_entry(name, value) }
}

/// An object being written.
pub(super) struct Object<'a> {
    out: &'a mut Vec<u8>,
    next: u8,
}

impl Object<'_> {
    pub(super) fn begin(out: &mut Vec<u8>) -> Object<'_> {
        Object { out, next: b'{' }
    }

    /// Writes a member; `name` with its quotes and its colon.
    pub(super) fn member(&mut self, name: &str, value: &impl Encode) -> serde_json::Result<()> {
        if value.is_left_out() {
            return Ok(());
        }
        self.out.push(self.next);
        self.next = b',';
        self.out.extend_from_slice(name.as_bytes());
        value.encode(self.out)
    }

    pub(super) fn end(self) {
        self.out.extend_from_slice(if self.next == b'{' { b"{}" } else { b"}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{Event, JournalClosed, ModelCallEnded, SessionEnded, ToolCallEnded, TurnStarted};

    /// Goal: what is written is what serialising gives. Method: payloads with every kind of member, with and without it.
    #[test]
    fn what_is_written_is_what_serialising_gives() {
        fn check<'a>(payload: impl Into<Event<'a>> + Encode + Clone) {
            let mut out = Vec::new();
            payload.clone().into().encode_data(&mut out).expect("it can be written");
            assert_eq!(
                String::from_utf8(out).expect("it can be written"),
                serde_json::to_string(&payload).expect("it can be written")
            );
        }
        let metadata: Metadata = [("a\"b".to_owned(), Json::string("c\n\"d")), ("n".to_owned(), Json::null())].into();
        check(SessionEnded::new());
        check(SessionEnded::new().reason("it \"is\"\n over").metadata(metadata));
        let attachment = Attachment { name: Some("n".into()), bytes: Some(7), ..Attachment::default() };
        let parent = Parent { turn_id: Some("p".into()), ..Parent::default() };
        check(TurnStarted::new("t", "do it").attachments(vec![attachment]).parent(Some(parent)));
        check(
            ToolCallEnded::new("t", "c").result(Json::string("\u{1}")).status(ToolCallStatus::Timeout).duration_ms(0.1),
        );
        check(ToolCallEnded::new("t", "c").result(Json::null()));
        let usage = Usage { output_tokens: Some(u64::MAX), ..Usage::default() };
        check(
            ModelCallEnded::new("t", "m").usage(usage).cost_usd_micros(-1).raw(Json::parse(r#"[1.0, {"k":"v"}]"#).ok()),
        );
        let open = OpenTurn { turn_id: "t".into(), seq: 9, calls: Vec::new() };
        check(JournalClosed::new("eof"));
        check(JournalClosed::new("eof").open(vec![open]).turns(u64::MAX));
    }

    /// Goal: every member is written fit to stand in a line. Method: what is not, in each kind of member.
    #[test]
    fn what_is_written_is_fit_to_stand_in_a_line() {
        let raw = Json::parse("{\"seq\":\n\"\u{2028}\"}").expect("it can be written");
        let event = ToolCallEnded::new("\u{85}", "\u{2029}").result(raw.clone()).metadata([("k".to_owned(), raw)]);
        let mut out = Vec::new();
        event.encode(&mut out).expect("it can be written");
        let value = r#"{"seq" : "\u2028"}"#;
        let whole = format!(r#"{{"turn_id":"\u0085","call_id":"\u2029","result":{value},"metadata":{{"k":{value}}}}}"#);
        assert_eq!(String::from_utf8(out).expect("it can be written"), whole);
    }
}

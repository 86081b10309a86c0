//! Chats of the Gemini command line: a header, then messages. A message that changed is written again whole, under the
//! same id; the last one holds, so only what is new about it becomes events.

use crate::event::{
    Attachment, ModelCallEnded, ModelCallStarted, SessionUpdated, ToolCallEnded, ToolCallStarted, TurnEnded,
    TurnStarted, TurnsRewound, Usage,
};
use crate::import::{End, Fate, Identity, Mapper, Out, Row, SourceFormat};
use crate::json::Metadata;
use crate::mend::{Object, array, words};
use crate::status::{ToolCallStatus, TurnStatus};
use crate::time::Timestamp;
use std::collections::HashMap;

pub(super) const ROW: Row = Row {
    format: SourceFormat::Gemini,
    name: "gemini",
    is_record,
    speaks,
    identify,
    mapper: |_| Box::new(Gemini::default()),
};

const SPEAKERS: &[&str] = &["user", "gemini", "info", "error", "warning"];

fn is_record(_: &str, record: &Object<'_>) -> bool {
    let header = || record.raw("projectHash").is_some() && record.raw("sessionId").is_some();
    let patch = || record.raw("$set").is_some() || record.raw("$rewindTo").is_some();
    let message = || record.raw("id").is_some() && record.raw("content").is_some();
    let speaks = || record.text("type").is_some_and(|kind| SPEAKERS.contains(&&*kind));
    header() || patch() || (message() && speaks())
}

fn speaks(record: &Object<'_>) -> bool {
    let patched = || record.object("$set").is_some_and(|set| set.raw("messages").is_some());
    matches!(record.text("type").as_deref(), Some("user" | "gemini")) || patched()
}

fn identify(record: &Object<'_>, known: &mut Identity) {
    if known.time.is_none() {
        known.time = record.time("startTime").or_else(|| record.time("timestamp"));
    }
    if known.session_id.is_none() && record.raw("projectHash").is_some() {
        known.session_id = record.text("sessionId").map(|id| id.into_string());
    }
}

#[derive(Default)]
struct Gemini {
    turn: Option<String>,
    /// The turns so far: the ids of the user's messages, for going back.
    turns: Vec<String>,
    /// The model's message that is being written, until another one shows that no more of it comes.
    held: Option<Held>,
    /// The message that ended last. If it comes again, something had come between.
    ended: Option<String>,
    /// When the model was last given something to answer: no line says when it was called.
    since: Option<Timestamp>,
    /// Calls of the turn: whether each has ended.
    calls: HashMap<String, bool>,
}

struct Held {
    id: String,
    ended: ModelCallEnded<'static>,
    /// It ends its turn.
    answers: bool,
    time: Option<Timestamp>,
    /// Its end has been given out, at the end of the file.
    told: bool,
}

impl Mapper for Gemini {
    fn record(&mut self, text: &str, out: &mut Out) -> Fate {
        let Some(line) = Object::parse(text) else { return Fate::Unknown("undecodable".into()) };
        out.set_time(line.time("timestamp"));
        if line.raw("$set").is_some() {
            return patch(&line, out);
        }
        if let Some(id) = line.text("$rewindTo") {
            return self.rewind(&id, out);
        }
        if line.raw("projectHash").is_some() {
            return header(&line, out);
        }
        let id = line.text("id").map_or_else(|| format!("line-{}", out.offset()), |id| id.into_string());
        match line.text("type").as_deref() {
            Some("user") => self.user(id, &line, out),
            Some("gemini") => self.model(id, &line, out),
            Some("error") => self.error(&line, out),
            Some("info" | "warning") => Fate::Kept("note".into()),
            kind => Fate::Unknown(kind.unwrap_or("record").to_owned()),
        }
    }

    fn settle(&mut self, end: End, again: bool, out: &mut Out) {
        let Some(held) = self.held.as_mut().filter(|held| end == End::Pause && (again || !held.told)) else { return };
        held.told = true;
        out.late(held.time, held.ended.clone());
        if let Some(turn) = self.turn.as_ref().filter(|_| held.answers) {
            out.late(held.time, TurnEnded::success(turn.clone()));
        }
    }
}

fn header(line: &Object<'_>, out: &mut Out) -> Fate {
    let metadata = ["projectHash", "kind"].into_iter().filter_map(|key| Some((key.to_owned(), line.json(key)?)));
    out.push(SessionUpdated::new().metadata(Metadata::from_iter(metadata)));
    Fate::Mapped
}

fn patch(line: &Object<'_>, out: &mut Out) -> Fate {
    let set = line.object("$set").unwrap_or_default();
    let Some(summary) = set.json("summary") else { return Fate::Kept("$set".into()) };
    out.push(SessionUpdated::new().metadata(Metadata::from_iter([("summary".to_owned(), summary)])));
    Fate::Kept("$set".into())
}

impl Gemini {
    /// No more of the model's message comes.
    fn end_message(&mut self, out: &mut Out) {
        self.settle(End::Pause, false, out);
        let Some(held) = self.held.take() else { return };
        self.ended = Some(held.id);
        self.turn.take_if(|_| held.answers);
    }

    fn user(&mut self, id: String, line: &Object<'_>, out: &mut Out) -> Fate {
        if self.turns.contains(&id) {
            return Fate::Kept("message.again".into());
        }
        self.end_message(out);
        if let Some(before) = self.turn.take() {
            out.imply_end(TurnEnded::success(before));
        }
        let content = line.raw("content").unwrap_or("null");
        out.push(TurnStarted::new(id.as_str(), words(content)).attachments(attachments(content)));
        self.calls.clear();
        self.turns.push(id.clone());
        self.turn = Some(id);
        self.since = out.time();
        Fate::Mapped
    }

    fn model(&mut self, id: String, line: &Object<'_>, out: &mut Out) -> Fate {
        let again = self.held.as_ref().map(|held| &held.id).or(self.ended.as_ref()) == Some(&id);
        if !again {
            self.end_message(out);
        }
        let turn = self.turn.clone().unwrap_or_else(|| {
            out.push(TurnStarted::new(id.as_str(), ""));
            self.turns.push(id.clone());
            id.clone()
        });
        self.turn = Some(turn.clone());
        let model = line.text("model");
        if !again {
            let mut started = ModelCallStarted::new(turn.as_str(), id.as_str()).provider("google");
            started.model.clone_from(&model);
            out.push_at(self.since, started);
        }
        let calls = line.array("toolCalls").unwrap_or_default();
        for (at, raw) in calls.iter().enumerate() {
            self.call(&turn, &Object::parse(raw).unwrap_or_default(), &format!("{id}.{at}"), out);
        }
        let said = words(line.raw("content").unwrap_or("null"));
        let mut ended = ModelCallEnded::new(turn, id.clone());
        ended.model = model.map(|model| model.into_owned());
        ended.reasoning = Some(thoughts(line)).filter(|thoughts| !thoughts.is_empty()).map(Into::into);
        ended.usage = line.object("tokens").map(|tokens| Usage {
            input_tokens: tokens.u64("input"),
            output_tokens: tokens.u64("output"),
            cache_read_input_tokens: tokens.u64("cached"),
            cache_write_input_tokens: None,
            reasoning_output_tokens: tokens.u64("thoughts"),
        });
        let answers = calls.is_empty() && !said.is_empty();
        ended.text = Some(said).filter(|said| !said.is_empty()).map(Into::into);
        self.held = Some(Held { id, ended, answers, time: out.time(), told: false });
        Fate::Mapped
    }

    fn call(&mut self, turn: &str, call: &Object<'_>, made_up: &str, out: &mut Out) {
        let id = call.text("id").map_or_else(|| made_up.to_owned(), |id| id.into_string());
        let over = self.calls.get(&id).copied();
        if over.is_none() {
            let name = call.text("name").unwrap_or_default();
            out.push(ToolCallStarted::new(turn, id.as_str(), name).arguments(call.json("args")));
            self.calls.insert(id.clone(), false);
        }
        let status = match call.text("status").as_deref() {
            Some("success") => ToolCallStatus::Success,
            Some("error") => ToolCallStatus::Error,
            Some("cancelled") => ToolCallStatus::Skipped,
            _ => return,
        };
        if over == Some(true) {
            return;
        }
        let mut ended = ToolCallEnded::new(turn, id.as_str()).result(call.json("result"));
        if status == ToolCallStatus::Error {
            ended.error = call.text("resultDisplay").or_else(|| Some(status.to_string().into()));
        }
        for key in ["resultDisplay", "agentId", "description"] {
            ended.metadata.extend(call.json(key).map(|value| (key.to_owned(), value)));
        }
        self.since = call.time("timestamp").or(out.time());
        out.push_at(self.since, ended.status(status));
        self.calls.insert(id, true);
    }

    fn error(&mut self, line: &Object<'_>, out: &mut Out) -> Fate {
        self.end_message(out);
        let Some(turn) = self.turn.take() else { return Fate::Kept("note".into()) };
        let why = words(line.raw("content").unwrap_or("null"));
        out.push(TurnEnded::new(turn).status(TurnStatus::Error).error(why));
        Fate::Mapped
    }

    /// Going back to a user's message is going back to its turn; into the middle of a turn it is kept as it is.
    fn rewind(&mut self, id: &str, out: &mut Out) -> Fate {
        self.end_message(out);
        let Some(at) = self.turns.iter().position(|turn| turn == id) else { return Fate::Unknown("$rewindTo".into()) };
        out.push(TurnsRewound::new(id));
        self.turns.truncate(at);
        self.turn = None;
        Fate::Mapped
    }
}

/// What came with a prompt beside its words, by reference.
fn attachments(content: &str) -> Vec<Attachment> {
    let parts = array(content).unwrap_or_default();
    let attached = parts.into_iter().filter_map(|part| {
        let part = Object::parse(part)?;
        let data = part.object("inlineData").or_else(|| part.object("fileData"))?;
        Some(Attachment {
            media_type: data.text("mimeType").map(|media| media.into_string()),
            uri: data.text("fileUri").map(|uri| uri.into_string()),
            bytes: data.text("data").map(|data| data.len() as u64 / 4 * 3),
            ..Attachment::default()
        })
    });
    attached.collect()
}

fn thoughts(line: &Object<'_>) -> String {
    let thoughts = line.array("thoughts").unwrap_or_default();
    let told = thoughts.iter().filter_map(|raw| {
        let thought = Object::parse(raw)?;
        let parts = ["subject", "description"].into_iter().filter_map(|key| Some(thought.text(key)?.into_string()));
        Some(parts.collect::<Vec<_>>().join(": "))
    });
    told.collect::<Vec<_>>().join("\n")
}

//! Chats of the Gemini command line: a header, then messages. A message that changed is written again whole, under the
//! same id, as a line of its own or among others in a `$set`; the last one holds, so only what is new about it becomes
//! events. Older versions wrote one document: the header with all messages in it.

use crate::interop::import::mapper::{End, Identity, Mapper, Row};
use crate::interop::import::source::SourceFormat;
use crate::interop::import::turn_list::TurnList;
use crate::interop::import::{Fate, Note, Out, hash};
use crate::json::members::{Object, array, words};
use crate::json::{Json, Metadata, Text};
use crate::model::event::{
    Attachment, ModelCallEnded, ModelCallStarted, SessionUpdated, ToolCallEnded, ToolCallStarted, TurnEnded,
    TurnStarted, TurnsRewound, Usage,
};
use crate::model::status::{ToolCallStatus, TurnStatus};
use crate::model::time::Timestamp;
use std::collections::HashMap;

pub(super) const ROW: Row = Row {
    format: SourceFormat::Gemini,
    name: "gemini",
    is_record,
    speaks,
    identify,
    mapper: |_| Box::new(Gemini::default()),
};

/// How much of a document may come before its messages.
const DOCUMENT_HEADER: usize = 64 << 10;
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
    matches!(record.text("type").as_deref(), Some("user" | "gemini")) || patched() || record.raw("messages").is_some()
}

fn identify(record: &Object<'_>, known: &mut Identity) {
    if known.time.is_none() {
        known.time = record.time("startTime").or_else(|| record.time("timestamp"));
    }
    let Some(project) = record.text("projectHash").filter(|_| known.session_id.is_none()) else { return };
    known.session_id = record.text("sessionId").map(Text::into_string);
    if record.text("kind").as_deref() == Some("subagent") {
        // `chats/<parent>/<own id>.jsonl`
        let folder = known.name.folder.clone().filter(|folder| *folder != *project);
        known.parent = known.parent.take().or(folder);
    }
}

/// The header of a chat that is one document, from its first bytes; `None` if they are no such thing.
pub(super) fn document_header(head: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let first_line = text.lines().next().unwrap_or_default();
    if !text.starts_with('{') || Object::parse(first_line).is_some() {
        return None;
    }
    let start = text.get(..text.len().min(DOCUMENT_HEADER)).unwrap_or(text);
    let member = |name: &str| {
        let quoted = format!("\"{name}\"");
        let value = start.get(start.find(&quoted)? + quoted.len()..)?.trim_start().strip_prefix(':')?;
        let value = serde_json::Deserializer::from_str(value).into_iter::<String>().next()?.ok()?;
        Some(format!("{quoted}:{}", Json::string(&value).as_str()))
    };
    start.find("\"messages\"")?;
    let members = [member("sessionId")?, member("projectHash")?].into_iter().chain(member("startTime"));
    Some(format!("{{{}}}", members.collect::<Vec<_>>().join(",")))
}

#[derive(Default)]
struct Gemini {
    turn: Option<String>,
    /// The turns so far: the ids of the user's messages, for going back.
    turns: TurnList,
    /// The messages so far, and the ids of those in each turn.
    known: HashMap<String, Message>,
    in_turn: HashMap<String, Vec<String>>,
    /// The model's message that is being written, until another one shows that no more of it comes.
    held: Option<Held>,
    /// When the model was last given something to answer: no line says when it was called.
    since: Option<Timestamp>,
    /// Calls: whether each has ended.
    calls: HashMap<String, bool>,
}

/// A message that has come.
struct Message {
    turn: String,
    /// A hash of its content: if it comes again unchanged, that is nothing new.
    hash: u64,
}

struct Held {
    id: String,
    turn: String,
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
        if let Some(set) = line.object("$set") {
            return self.patch(&set, out);
        }
        if let Some(id) = line.text("$rewindTo") {
            return self.rewind(&id, out);
        }
        if line.raw("projectHash").is_some() {
            return self.header(&line, out);
        }
        self.message(text, out)
    }

    fn settle(&mut self, end: End, again: bool, out: &mut Out) {
        let Some(held) = self.held.as_mut().filter(|held| end == End::Pause && (again || !held.told)) else { return };
        held.told = true;
        out.late(held.time, held.ended.clone());
        if held.answers && self.turn.as_ref() == Some(&held.turn) {
            out.late(held.time, TurnEnded::success(held.turn.clone()));
        }
    }
}

impl Gemini {
    fn header(&mut self, line: &Object<'_>, out: &mut Out) -> Fate {
        let metadata = ["projectHash", "kind", "summary"];
        let metadata = metadata.into_iter().filter_map(|key| Some((key.to_owned(), line.json(key)?)));
        out.push(SessionUpdated::new().metadata(Metadata::from_iter(metadata)));
        self.messages(line, out).map_or(Fate::Mapped, Fate::Partly)
    }

    fn patch(&mut self, set: &Object<'_>, out: &mut Out) -> Fate {
        let before = out.drafts.len();
        let unknown = self.messages(set, out);
        let became = out.drafts.len() > before;
        if let Some(summary) = set.json("summary") {
            out.push(SessionUpdated::new().metadata(Metadata::from_iter([("summary".to_owned(), summary)])));
        }
        match unknown {
            Some(kind) => Fate::Partly(kind),
            None if became => Fate::Mapped,
            None => Fate::Kept("$set".into()),
        }
    }

    /// Takes the messages that a record holds. The kind of one that is not known.
    fn messages(&mut self, record: &Object<'_>, out: &mut Out) -> Option<String> {
        let mut unknown = None;
        for message in record.array("messages").unwrap_or_default() {
            if let Fate::Unknown(kind) = self.message(message, out) {
                unknown = Some(kind);
            }
        }
        unknown
    }

    fn message(&mut self, text: &str, out: &mut Out) -> Fate {
        let line = Object::parse(text).unwrap_or_default();
        out.set_time(line.time("timestamp"));
        let place = out.drafts.len(); // one line may hold several messages
        let id = line.text("id").map_or_else(|| format!("line-{}.{place}", out.offset()), Text::into_string);
        let hash = hash(text);
        let again = self.known.get_mut(&id).map(|known| std::mem::replace(&mut known.hash, hash) == hash);
        match (line.text("type").as_deref(), again) {
            (Some("user" | "gemini"), Some(true)) => Fate::Kept("message.again".into()),
            (Some("user"), None) => self.user(id, hash, &line, out),
            (Some("user"), Some(false)) => Fate::Kept("message.again".into()),
            (Some("gemini"), _) => self.model(id, hash, &line, out),
            (Some("error"), None) => {
                self.known.insert(id, Message { turn: String::new(), hash });
                self.error(&line, out)
            }
            (Some("error" | "info" | "warning"), _) => Fate::Kept("note".into()),
            (kind, _) => Fate::Unknown(kind.unwrap_or("record").to_owned()),
        }
    }

    /// No more of the model's message comes.
    fn end_message(&mut self, out: &mut Out) {
        self.settle(End::Pause, false, out);
        let Some(held) = self.held.take() else { return };
        self.turn.take_if(|turn| held.answers && *turn == held.turn);
    }

    fn begin_turn(&mut self, id: &str) {
        self.turns.push(id.to_owned());
        self.turn = Some(id.to_owned());
    }

    fn know(&mut self, id: String, turn: String, hash: u64) {
        self.in_turn.entry(turn.clone()).or_default().push(id.clone());
        self.known.insert(id, Message { turn, hash });
    }

    fn user(&mut self, id: String, hash: u64, line: &Object<'_>, out: &mut Out) -> Fate {
        self.end_message(out);
        if let Some(before) = self.turn.take() {
            out.imply_end(TurnEnded::success(before));
        }
        let content = line.raw("content").unwrap_or("null");
        out.push(TurnStarted::new(&*id, words(content)).attachments(attachments(content)));
        self.begin_turn(&id);
        self.know(id.clone(), id, hash);
        self.since = out.time();
        Fate::Mapped
    }

    fn model(&mut self, id: String, hash: u64, line: &Object<'_>, out: &mut Out) -> Fate {
        if self.held.as_ref().is_none_or(|held| held.id != id) {
            self.end_message(out);
        }
        let known = self.known.get(&id).map(|known| known.turn.clone());
        let turn = known.clone().or_else(|| self.turn.clone()).unwrap_or_else(|| {
            out.note(Note::TurnWithoutPrompt);
            out.push(TurnStarted::new(&*id, ""));
            self.begin_turn(&id);
            id.clone()
        });
        let model = line.text("model");
        if known.is_none() {
            let mut started = ModelCallStarted::new(&*turn, &*id).provider("google");
            started.model.clone_from(&model);
            out.push_at(self.since, started);
            self.know(id.clone(), turn.clone(), hash);
        }
        let calls = line.array("toolCalls").unwrap_or_default();
        for (at, raw) in calls.iter().enumerate() {
            self.call(&turn, &Object::parse(raw).unwrap_or_default(), &format!("{id}.{at}"), out);
        }
        let said = words(line.raw("content").unwrap_or("null"));
        let mut ended = ModelCallEnded::new(turn.clone(), id.clone());
        ended.model = model.map(|model| model.into_owned());
        ended.reasoning = Some(thoughts(line)).filter(|thoughts| !thoughts.is_empty()).map(Into::into);
        ended.usage = line.object("tokens").map(|tokens| usage(&tokens));
        let answers = calls.is_empty() && !said.is_empty();
        ended.text = Some(said).filter(|said| !said.is_empty()).map(Into::into);
        self.held = Some(Held { id, turn, ended, answers, time: out.time(), told: false });
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

    /// Going back to a message drops it and all after it. Of a turn whose answer is dropped, the prompt stays, and so
    /// does the answer: a turn is rewound whole. A message that is not known drops everything.
    fn rewind(&mut self, id: &str, out: &mut Out) -> Fate {
        self.end_message(out);
        let turn = self.known.get(id).map(|message| message.turn.as_str());
        let place = turn.and_then(|turn| self.turns.place_of(turn));
        let from = match place {
            Some(at) if turn == Some(id) => at,
            Some(at) => at + 1,
            None => 0,
        };
        let gone = self.turns.take_from(from);
        let Some(first) = gone.first() else { return Fate::Kept("$rewindTo".into()) };
        out.push(TurnsRewound::new(&**first));
        for turn in gone {
            for message in self.in_turn.remove(&turn).unwrap_or_default() {
                self.known.remove(&message);
            }
            self.turn.take_if(|running| *running == turn);
        }
        Fate::Mapped
    }
}

/// What a message used. What was thought, and what tools were asked with, is counted beside the output and the input,
/// unless the total says otherwise.
fn usage(tokens: &Object<'_>) -> Usage {
    let count = |key: &str| tokens.u64(key);
    let [input, output, thoughts, tool] = ["input", "output", "thoughts", "tool"].map(count);
    let sum = |counts: [Option<u64>; 3]| counts.into_iter().flatten().fold(0u64, u64::saturating_add);
    let total = count("total");
    let is_beside = |counts| total.is_none_or(|total| total >= sum(counts));
    let thoughts_beside = thoughts.filter(|_| is_beside([input, output, thoughts]));
    let tool_beside = tool
        .filter(|tool| total.is_some_and(|total| total >= sum([input, output, thoughts_beside]).saturating_add(*tool)));
    Usage {
        input_tokens: input.map(|input| input.saturating_add(tool_beside.unwrap_or(0))),
        output_tokens: output.map(|output| output.saturating_add(thoughts_beside.unwrap_or(0))),
        cache_read_input_tokens: count("cached"),
        cache_write_input_tokens: None,
        reasoning_output_tokens: thoughts,
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

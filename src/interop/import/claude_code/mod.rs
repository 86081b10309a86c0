//! Transcripts of Claude Code: one line a message, an attachment or a note.
//!
//! Conversation lines form a chain by `parentUuid`; file order is followed, which loses nothing when the chain is broken,
//! and the chain tells only where the user went back to. One message of the model may be spread over several lines that
//! repeat its id and its usage: it ends with the last of them. A sub-agent's lines are a lane of their own, whose turns
//! name the main turn as their parent.

mod answer;
mod chain;
mod content;
mod delegated;
mod lane;
mod lanes;
mod queue;
mod user;

use crate::interop::import::mapper::{End, Identity, Mapper, Row};
use crate::interop::import::source::SourceFormat;
use crate::interop::import::{Fate, Out, is_one_of};
use crate::json::Metadata;
use crate::json::members::Object;
use crate::model::event::{ContextCompacted, SessionUpdated};
use crate::model::time::Timestamp;
use chain::{Chain, Link};
use delegated::Delegated;
use lane::Lane;
use lanes::Lanes;
use queue::Queue;
use std::collections::HashMap;

pub(super) const ROW: Row = Row {
    format: SourceFormat::ClaudeCode,
    name: "claude-code",
    is_record,
    speaks,
    identify,
    mapper: |source| {
        Box::new(ClaudeCode { is_sub_agent: source.agent_id.is_some().then_some(true), ..ClaudeCode::default() })
    },
};

/// Known records that make no events.
const KEPT: &str = "\
    atis-latch bridge-session file-history-snapshot frame-link last-prompt mode permission-mode \
    pr-link progress relocated result started worktree-state";
fn is_record(_: &str, record: &Object<'_>) -> bool {
    let named = record.raw("type").is_some_and(|kind| kind.starts_with('"'));
    let of_claude = ["sessionId", "leafUuid", "parentUuid", "messageId", "isSidechain"];
    named && record.raw("payload").is_none() && of_claude.iter().any(|key| record.raw(key).is_some())
}

/// Others write `user` and `assistant` records too, with the text elsewhere: Qwen Code in `message.parts`, Grok in
/// `content`, Droid under other types. iFlow's have the same shape, but its sessions are called `session-`.
fn speaks(record: &Object<'_>) -> bool {
    let said = matches!(record.text("type").as_deref(), Some("user" | "assistant"));
    let message = record.object("message").filter(|message| message.raw("parts").is_none());
    let content = message.and_then(|message| message.raw("content"));
    let chained = ["sessionId", "parentUuid", "isSidechain", "uuid"].iter().any(|key| record.raw(key).is_some());
    let of_iflow = || record.text("sessionId").is_some_and(|id| id.starts_with("session-"));
    said && chained && content.is_some_and(|content| content.starts_with(['"', '['])) && !of_iflow()
}

fn identify(record: &Object<'_>, known: &mut Identity) {
    if known.time.is_none() {
        known.time = record.time("timestamp");
    }
    let Some(session) = record.text("sessionId").filter(|_| known.session_id.is_none()) else { return };
    known.parent = copied_from(record);
    // Older files of sub-agents say only by their name whose they are.
    let by_name = || Some(known.name.stem.strip_prefix("agent-")?.to_owned().into());
    let agent = record.is_true("isSidechain").then(|| record.text("agentId").or_else(by_name)).flatten();
    known.session_id = Some(match &agent {
        // A sub-agent's own file: its lines bear the session id of the one that started it, or one of their own.
        Some(agent) if !is_its_own(&session, agent) => {
            known.parent = Some(session.to_string());
            format!("{session}.agent-{agent}")
        }
        _ => session.into_string(),
    });
    known.agent_id = agent.map(|agent| agent.into_string());
}

/// The session that a line of a fork was copied from.
fn copied_from(line: &Object<'_>) -> Option<String> {
    let parent = line.object("forkedFrom")?.text("sessionId")?.into_string();
    (line.text("sessionId").as_deref() != Some(&*parent)).then_some(parent)
}

/// Whether a session's id names the sub-agent itself: the agent's id is a part of it, and not by chance.
fn is_its_own(session: &str, agent: &str) -> bool {
    session == agent || session.ends_with(&format!("agent-{agent}")) || (agent.len() >= 8 && session.contains(agent))
}

#[derive(Default)]
struct ClaudeCode {
    /// The main conversation, and one for each sub-agent whose lines are in the same file.
    lanes: Lanes,
    /// The conversation of each line of a sub-agent that has no name, by the line's id.
    side_lines: HashMap<String, String>,
    chain: Chain,
    queue: Queue,
    /// Calls that have started and not ended: their turn and when they started.
    calls: HashMap<String, (String, Option<Timestamp>)>,
    /// Calls that sub-agents work for.
    delegated: Delegated,
    /// What the model is about to answer, if that is no prompt.
    pending: Option<Pending>,
    /// How many tokens the conversation had when it was compacted, until the summary comes.
    compacted: Option<Option<u64>>,
    /// The whole file is a sub-agent's; decided by its first conversation line.
    is_sub_agent: Option<bool>,
    workspace: Option<String>,
}

/// A line in the user's place that the model may answer though it is no prompt.
struct Pending {
    uuid: Option<String>,
    link: Link,
    time: Option<Timestamp>,
    /// A command, as the user typed it; nothing for what only the program said.
    command: Option<String>,
    /// What it is in the program's words.
    origin: String,
}

impl Mapper for ClaudeCode {
    fn record(&mut self, text: &str, out: &mut Out) -> Fate {
        let Some(line) = Object::parse(text) else { return Fate::Unknown("undecodable".into()) };
        let kind = line.text("type").unwrap_or_default();
        out.set_time(line.time("timestamp"));
        self.note_workspace(&line, out);
        let fate = match &*kind {
            // A fork's file begins with its parent's lines: not its own work.
            _ if copied_from(&line).is_some() => Fate::Kept("copied".into()),
            "user" => self.user(&line, out),
            "assistant" => self.assistant(&line, out),
            "summary" => title(&line, "summary", out),
            "custom-title" => title(&line, "customTitle", out),
            "ai-title" => title(&line, "aiTitle", out),
            "agent-name" => match line.text("agentName") {
                Some(name) => {
                    out.push(SessionUpdated::new().agent_id(name));
                    Fate::Mapped
                }
                None => Fate::Kept("agent-name".into()),
            },
            "system" => self.system(&line, out),
            "attachment" => self.attachment(&line, out),
            "queue-operation" => {
                let member = |key| line.text(key).unwrap_or_default();
                self.queue.operation(&member("operation"), &member("content"), &member("reason"), out.time());
                Fate::Kept("queue-operation".into())
            }
            kind if is_one_of(KEPT, kind) => Fate::Kept(kind.to_owned().into()),
            kind => Fate::Unknown(kind.to_owned()),
        };
        if let Some(uuid) = line.text("uuid").filter(|_| !line.is_true("isSidechain")) {
            // A summary goes on with the conversation, wherever its line is linked to.
            let goes_on =
                line.is_true("isCompactSummary") || line.text("subtype").as_deref() == Some("compact_boundary");
            let may_lead = matches!(&*kind, "user" | "attachment" | "system") && !goes_on;
            self.chain.line(&uuid, &Link::of(&line), may_lead);
        }
        fate
    }

    fn settle(&mut self, end: End, again: bool, out: &mut Out) {
        for lane in self.lanes.sorted() {
            match (end, &mut lane.message) {
                (End::Pause, Some(message)) => message.tell(again, out),
                (End::Pause, None) => {}
                (End::File, _) => lane.conclude(out),
            }
        }
    }

    fn go_on(&mut self, out: &mut Out) {
        self.lanes.sorted().for_each(|lane| lane.go_on(out));
    }
}

impl ClaudeCode {
    fn lane(&mut self, lane: &str) -> &mut Lane {
        self.lanes.get(lane)
    }

    fn note_workspace(&mut self, line: &Object<'_>, out: &mut Out) {
        let Some(cwd) = line.text("cwd").filter(|_| self.workspace.is_none()) else { return };
        let mut metadata = Metadata::new();
        for key in ["version", "gitBranch", "entrypoint"] {
            metadata.extend(line.json(key).map(|value| (key.to_owned(), value)));
        }
        out.push(SessionUpdated::new().workspace_id(cwd.as_str()).metadata(metadata));
        self.workspace = Some(cwd.into_string());
    }

    /// Which conversation a line belongs to: empty for the main one.
    fn lane_of(&mut self, line: &Object<'_>) -> String {
        let side = line.is_true("isSidechain");
        let agent = line.text("agentId").map(|agent| agent.into_string());
        let whole_file = *self.is_sub_agent.get_or_insert(side && agent.is_some());
        if !side || whole_file {
            return String::new();
        }
        if let Some(agent) = agent {
            return agent;
        }
        // Without a name, the chain tells the sub-agents that work at the same time from each other.
        let before = line.text("parentUuid").and_then(|parent| self.side_lines.get(parent.as_str()).cloned());
        let lane = before.unwrap_or_else(|| self.lanes.idle_unnamed());
        if let Some(uuid) = line.text("uuid") {
            self.side_lines.insert(uuid.into_string(), lane.clone());
        }
        lane
    }

    fn system(&mut self, line: &Object<'_>, out: &mut Out) -> Fate {
        let subtype = line.text("subtype").unwrap_or_default();
        match &*subtype {
            "turn_duration" => {
                self.lanes.end_messages(out);
                self.lane("").end_turn_now(out);
            }
            "stop_hook_summary" => self.lanes.end_messages(out),
            "compact_boundary" => {
                let tokens = line.object("compactMetadata").and_then(|about| about.u64("preTokens"));
                self.compacted = Some(tokens);
            }
            _ => {}
        }
        Fate::Kept(format!("system.{subtype}").into())
    }

    /// The summary that a compacted conversation goes on with.
    fn summary(&mut self, text: &str, out: &mut Out) -> Fate {
        let mut compacted = ContextCompacted::new();
        compacted.turn_id = self.lane("").turn.clone().map(Into::into);
        compacted.summary = Some(text.to_owned().into());
        compacted.tokens_before = self.compacted.take().flatten();
        out.push(compacted);
        Fate::Mapped
    }
}

fn title(line: &Object<'_>, key: &str, out: &mut Out) -> Fate {
    let Some(title) = line.json(key) else { return Fate::Unknown(format!("title without {key}")) };
    let metadata = Metadata::from_iter([(if key == "summary" { key } else { "title" }.to_owned(), title)]);
    out.push(SessionUpdated::new().metadata(metadata));
    Fate::Mapped
}

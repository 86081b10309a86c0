//! [`Glance`]: a session at a glance, for lists of many: from a few kilobytes at both ends of its journal.
//!
//! A small journal is read whole. Of a large one the head gives the first prompt, and the newest segment how it stands:
//! a clean close carries the counts exactly, and its last lines are enough; else its header carries the counts so far.

use crate::error::Result;
use crate::fold::SessionState;
use crate::format::block::Ending;
use crate::format::header::Header;
use crate::format::line::{self, Decoded};
use crate::model::entry::Entry;
use crate::model::event::{Event, OpenTurn};
use crate::model::id::{SessionId, WorkspaceId};
use crate::model::open_turns::{Activity, Change};
use crate::model::seq::Seq;
use crate::model::time::Timestamp;
use crate::read::items::Item;
use crate::read::reader::Reader;
use crate::segments::dir::{Files, Listed, Opened};
use crate::segments::scan::Scanner;
use serde::Serialize;
use std::sync::Arc;

/// Journals up to this size are read whole.
const WHOLE: u64 = 32 << 10;
/// What is read at the head of larger ones, at first.
const HEAD: u64 = 16 << 10;
/// What is read at their end, at first: enough where a clean close tells the counts.
const TAIL: u64 = 8 << 10;
/// A newest segment up to this size is read whole if it was not closed, so that the counts are exact.
const NEWEST: u64 = 256 << 10;
/// How much is read at either end at least, where that does not do.
const WINDOW: u64 = 64 << 10;
/// How far the window at the head grows for a first prompt that does not fit.
const HEAD_MAX: u64 = 4 << 20;
/// How many segments before the newest are asked for the last event, if the newest has none.
const OLDER: usize = 4;
/// How many segments before the newest are asked when they were created.
const CREATED: usize = 999;
/// How many characters of the first prompt are kept.
const PROMPT_CHARS: usize = 500;

/// A session at a glance.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Glance {
    /// Which session.
    pub session_id: SessionId,
    /// Where it belongs.
    pub workspace_id: Option<WorkspaceId>,
    /// Who runs it.
    pub agent_id: Option<String>,
    /// How it stands.
    pub state: SessionState,
    /// When it began: its stated start, or its first event if that was earlier.
    pub started: Timestamp,
    /// When it was last touched: `last_touched`, or where that is unknown, its last event, or its start.
    pub last_activity: Timestamp,
    /// When it was last touched, as far as can be told: the latest of the last entry's time and of the recorder's clock
    /// when each of the newest 1,000 segments was created. So neither an import of old times nor a clock that was once
    /// far behind makes a session old. `None` if none of them can be read: the age is unknown. Not serialised.
    #[serde(skip)]
    pub last_touched: Option<Timestamp>,
    /// The number of its last entry; 0 if there is none.
    pub last_seq: Seq,
    /// Turns started so far.
    pub turns: u64,
    /// Turns and tool calls that ended in an error or a time-out.
    pub errors: u64,
    /// `turns` and `errors` are lower bounds: the journal is large and was not closed.
    pub approximate: bool,
    /// What is running or was left open; nothing if the counts are approximate.
    pub open: Vec<OpenTurn>,
    /// The last entry is the one of a clean close.
    pub closed: bool,
    /// How many segments there are.
    pub segments: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// What was asked first, its first 500 characters.
    pub first_prompt: Option<String>,
    /// Damage was met. No more than a sign: [`Reader::verify`] checks every byte.
    pub damaged: bool,
}

/// What the entries that were read say.
#[derive(Default)]
struct Notes {
    workspace_id: Option<WorkspaceId>,
    agent_id: Option<String>,
    started: Option<Timestamp>,
    /// The time of the first event.
    first_event: Option<Timestamp>,
    first_prompt: Option<String>,
    last_seq: Seq,
    /// The time of the last entry.
    last_entry: Option<Timestamp>,
    /// The time of the last event, and whether it ended the session.
    last_event: Option<(Timestamp, bool)>,
    activity: Activity,
    /// The counts are lower bounds.
    approximate: bool,
    /// What the clean close said, if it is the last entry.
    close: Option<(u64, u64, Vec<OpenTurn>)>,
    damaged: bool,
}

/// A stretch of a segment, as it was read.
#[derive(Default)]
struct Stretch {
    entries: u64,
    bad_lines: u64,
    /// The line that the end of the stretch cuts begins a turn.
    cuts_turn: bool,
    half_line: bool,
}

impl Reader {
    /// The session at a glance: reads a few kilobytes, however large it is.
    ///
    /// # Errors
    /// [`ErrorKind::Io`](crate::ErrorKind::Io) if a file cannot be opened. Damage is no error.
    pub fn glance(&self) -> Result<Glance> {
        let live = self.is_live()?;
        let (mut listed, _) = self.files.list()?;
        let journal = self.origin().journal;
        let mut notes = Notes::default();
        if bytes_of(&listed) <= WHOLE {
            self.read_whole(&mut notes)?;
        } else {
            let chart = self.files.chart(&listed, journal.as_deref())?;
            notes.damaged = !chart.strangers.is_empty();
            read_head(&self.files, journal.as_deref(), &chart.ours(), &mut notes)?;
            if !read_tail(&self.files, journal.as_deref(), &chart.ours(), live, &mut notes)? {
                // Compaction has merged the newest segments in this very moment: another list shows what they became.
                listed = self.files.list()?.0;
                let ours = self.files.chart(&listed, journal.as_deref())?.ours();
                read_tail(&self.files, journal.as_deref(), &ours, live, &mut notes)?;
            }
        }
        let bytes = bytes_of(&listed);
        let closed = notes.close.is_some();
        let (turns, errors, open) = match notes.close {
            Some(close) => close,
            None => (notes.activity.turns, notes.activity.errors, notes.activity.open().0),
        };
        let approximate = notes.approximate && !closed;
        let state = match (live, notes.last_event) {
            (true, _) => SessionState::Live,
            (false, Some((_, true))) => SessionState::Ended,
            (false, _) if !closed || !open.is_empty() => SessionState::Interrupted,
            (false, _) => SessionState::Idle,
        };
        let created = Some(self.created).filter(|created| created.micros() != 0);
        let started = notes.started.or(created).into_iter().chain(notes.first_event).min().unwrap_or(self.created);
        let last_touched = self.last_created(journal.as_deref(), &listed).max(notes.last_entry);
        Ok(Glance {
            session_id: self.session_id().clone(),
            workspace_id: notes.workspace_id,
            agent_id: notes.agent_id,
            state,
            started,
            last_activity: last_touched.unwrap_or(notes.last_event.map_or(started, |(time, _)| time)),
            last_touched,
            last_seq: notes.last_seq,
            turns,
            errors,
            approximate,
            open: if approximate { Vec::new() } else { open },
            closed,
            segments: listed.len() as u64,
            bytes,
            first_prompt: notes.first_prompt,
            damaged: notes.damaged,
        })
    }

    /// The latest time at which one of the newest segments was created, by its header.
    fn last_created(&self, journal: Option<&str>, listed: &[Listed]) -> Option<Timestamp> {
        let created = |segment: &Listed| {
            let opened = self.files.peek_for(journal, *segment).ok().flatten()?;
            opened.header.map(|header| header.created)
        };
        let earlier = listed.iter().rev().skip(1).take(CREATED).filter_map(created);
        earlier.chain(self.newest_created).max()
    }

    fn read_whole(&self, notes: &mut Notes) -> Result<()> {
        let mut items = self.items()?;
        while let Some(item) = items.next()? {
            match item {
                Item::Entry(entry) => {
                    let event = entry.event().ok();
                    notes.head(&entry, event.as_ref());
                    notes.tail(&entry, event.as_ref());
                }
                Item::Gap(gap) => notes.damaged |= !gap.explained && !items.is_half_line(&gap),
                _ => {}
            }
        }
        Ok(())
    }
}

/// The first lines: who, where and what was asked first.
fn read_head(files: &Files, journal: Option<&str>, listed: &[Listed], notes: &mut Notes) -> Result<()> {
    let mut later = listed;
    let opened = loop {
        let Some((first, rest)) = later.split_first() else { return Ok(()) };
        later = rest;
        match files.peek_for(journal, *first)? {
            Some(opened) if opened.foreign => notes.damaged |= !opened.newer,
            Some(opened) => break opened,
            None => return Ok(()),
        }
    };
    let mut window = HEAD;
    loop {
        let end = opened.len.min(opened.lines_from + window);
        let stretch = read(&opened, opened.lines_from, end, &mut |entry| {
            notes.head(entry, entry.event().ok().as_ref());
        });
        // A later recovery may account for bad lines here: only what no opening came after is sure to be damage.
        notes.damaged |= opened.header.is_none() || (stretch.bad_lines > 0 && listed.len() == 1);
        let found = notes.first_prompt.is_some() || (!stretch.cuts_turn && window >= WINDOW);
        window *= 8;
        if found || end == opened.len || window > HEAD_MAX {
            break;
        }
    }
    for listed in later.iter().take(OLDER) {
        // A first segment without an event: the run began in a later one.
        if notes.first_event.is_some() {
            break;
        }
        let Some(opened) = files.peek_for(journal, *listed)?.filter(|opened| !opened.foreign) else { continue };
        let end = opened.len.min(opened.lines_from + HEAD);
        read(&opened, opened.lines_from, end, &mut |entry| notes.head(entry, entry.event().ok().as_ref()));
    }
    Ok(())
}

fn bytes_of(listed: &[Listed]) -> u64 {
    listed.iter().map(|listed| listed.len).sum()
}

/// The newest segment: how it stands. If it holds no event, the segments before say what the last one was; if it has no
/// header, they say what was running before it. `false` if the newest is gone.
fn read_tail(files: &Files, journal: Option<&str>, listed: &[Listed], live: bool, notes: &mut Notes) -> Result<bool> {
    let mut newest = true;
    let mut headless = Vec::new();
    for segment in listed.iter().rev().take(1 + OLDER) {
        let Some(opened) = files.peek_for(journal, *segment)? else {
            if newest {
                return Ok(false);
            }
            continue;
        };
        let Some(header) = &opened.header else {
            // An empty file was never created.
            notes.damaged |= (opened.foreign && !opened.newer) || opened.has_lines;
            if !opened.foreign && opened.has_lines && newest {
                headless.push(opened);
            }
            continue;
        };
        let found = match headless.is_empty() {
            true => read_newest(&opened, header, live),
            false => read_on(&opened, header, headless.drain(..).rev()),
        };
        let found_event = found.last_event.is_some();
        match newest {
            true => notes.take_tail(found),
            false => {
                notes.last_event = found.last_event;
                notes.last_entry = notes.last_entry.or(found.last_entry);
            }
        }
        if found_event {
            break;
        }
        newest = false;
    }
    Ok(true)
}

/// The end of a segment, or all of it where that does not say how it stands.
fn read_newest(opened: &Opened, header: &Header, live: bool) -> Notes {
    let from = opened.lines_from;
    let mut found = Notes { approximate: opened.len - from > NEWEST, ..Notes::default() };
    let enough = if found.approximate { WINDOW } else { NEWEST };
    let mut window = TAIL;
    loop {
        found.activity = header.activity();
        let start = from.max(opened.len.saturating_sub(window));
        let stretch = read(opened, start, opened.len, &mut |entry| {
            found.tail(entry, entry.event().ok().as_ref());
        });
        let cut_front = u64::from(start > from);
        found.damaged = stretch.bad_lines > cut_front || (stretch.half_line && !live);
        // A clean close says how it stands; without one the segment must. The last line may be larger than any window.
        let told = found.close.is_some() && found.last_event.is_some();
        if start == from || (stretch.entries > 0 && (told || window >= enough)) {
            return found;
        }
        window = if window < enough { enough } else { window.saturating_mul(16) };
    }
}

/// A segment with a good header, and those after it that have none: all of them, since only the header counts for what is
/// before it.
fn read_on(opened: &Opened, header: &Header, headless: impl Iterator<Item = Opened>) -> Notes {
    let mut found = Notes { activity: header.activity(), damaged: true, ..Notes::default() };
    let mut each = |entry: &Entry<'_>| found.tail(entry, entry.event().ok().as_ref());
    read(opened, opened.lines_from, opened.len, &mut each);
    for opened in headless {
        read(&opened, opened.lines_from, opened.len, &mut each);
    }
    found
}

/// Reads the lines of a stretch. One that starts within a line counts its rest as a bad line.
fn read(opened: &Opened, from: u64, end: u64, each: &mut dyn FnMut(&Entry<'_>)) -> Stretch {
    let mut scanner = Scanner::new(Arc::clone(&opened.file), from, end);
    let mut stretch = Stretch::default();
    while let Some(chunk) = scanner.next() {
        let bytes = scanner.bytes();
        if chunk.ending == Ending::EndOfFile {
            let start = &bytes[..bytes.len().min(200)];
            stretch.cuts_turn = memchr::memmem::find(start, b"\"type\":\"turn_").is_some();
            stretch.half_line = true;
            continue;
        }
        match line::decode(bytes) {
            Decoded::Entry(entry) => {
                stretch.entries += 1;
                each(&entry);
            }
            _ => stretch.bad_lines += 1,
        }
    }
    stretch
}

impl Notes {
    /// What the first entries tell.
    fn head(&mut self, entry: &Entry<'_>, event: Option<&Event<'_>>) {
        self.session(event);
        if !entry.is_recorders_own() {
            self.first_event.get_or_insert(entry.time());
        }
        let prompt = match event {
            Some(Event::SessionStarted(started)) => {
                let stated = started.created_at.as_deref().and_then(Timestamp::parse_rfc3339);
                self.started.get_or_insert(stated.unwrap_or(entry.time()));
                return;
            }
            Some(Event::TurnStarted(started)) => started.prompt.as_str(),
            Some(Event::TurnRecorded(recorded)) => recorded.turn.prompt.as_str(),
            _ => return,
        };
        if self.first_prompt.is_none() && !prompt.is_empty() {
            self.first_prompt = Some(prompt.chars().take(PROMPT_CHARS).collect());
        }
    }

    /// What the last entries tell.
    fn tail(&mut self, entry: &Entry<'_>, event: Option<&Event<'_>>) {
        self.session(event);
        self.last_seq = entry.seq();
        self.last_entry = Some(entry.time());
        self.close = match event {
            Some(Event::JournalClosed(closed)) => Some((closed.turns, closed.errors, closed.open.clone())),
            _ => None,
        };
        if !entry.is_recorders_own() {
            self.last_event = Some((entry.time(), entry.type_name() == "session_ended"));
        }
        if let Some(event) = event {
            self.activity.apply(entry.seq().get(), Change::of(event));
        }
    }

    fn session(&mut self, event: Option<&Event<'_>>) {
        let (workspace_id, agent_id) = match event {
            Some(Event::SessionStarted(started)) => (&started.workspace_id, &started.agent_id),
            Some(Event::SessionUpdated(updated)) => (&updated.workspace_id, &updated.agent_id),
            _ => return,
        };
        if let Some(id) = workspace_id {
            self.workspace_id = Some(WorkspaceId::new(id.as_str()));
        }
        if let Some(id) = agent_id {
            self.agent_id = Some(id.to_string());
        }
    }

    /// Takes over how the newest segment stands.
    fn take_tail(&mut self, tail: Notes) {
        *self = Notes {
            workspace_id: tail.workspace_id.or_else(|| self.workspace_id.take()),
            agent_id: tail.agent_id.or_else(|| self.agent_id.take()),
            started: self.started,
            first_event: self.first_event,
            first_prompt: self.first_prompt.take(),
            damaged: self.damaged || tail.damaged,
            ..tail
        };
    }
}

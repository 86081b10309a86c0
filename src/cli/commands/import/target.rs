//! The session that a file becomes: a new one, or the one that an earlier import of the same file made.

use super::files::Input;
use crate::cli::exit::{Exit, Failure, words};
use foldlog::{
    Brought, Continuation, Draft, ErrorKind, Event, Importer, Item, Journal, JournalOptions, OnFull, Reader, SessionId,
    Source, SourceFormat, Store,
};
use std::io::BufRead;

/// How many sessions of one id, each from another file, are told apart: `<id>`, `<id>.2`, ...
const MOST_OF_ONE_ID: u32 = 1000;

/// Where a file goes.
pub(crate) struct Target {
    pub(crate) source: Source,
    before: Before,
}

/// What an earlier import has brought into the session.
enum Before {
    Nothing,
    /// Everything up to the event of this id.
    UpTo(String),
    /// So many events, with ids of their own.
    Events(u64),
    /// Everything: it read a longer file that begins with this one.
    Everything,
}

impl Target {
    /// Finds the session. One that was not made by importing this file is never added to: where that was another file,
    /// or this one before it was rewritten, the session gets a number of its own.
    pub(crate) fn find(source: Source, input: &Input, store: &Store) -> Result<Target, Failure> {
        let mut source = source;
        if source.format == SourceFormat::Foldlog && is_recorded(&source, store)? {
            // Most often the damaged session itself, which stays as it is.
            source.session_id = SessionId::new(format!("{}.salvaged", source.session_id))?;
        }
        let first = source.session_id.clone();
        for number in 2..=MOST_OF_ONE_ID {
            match state_of(&source, input, store)? {
                State::New => {
                    if source.session_id != first {
                        let (file, id) = (input.shown(), &source.session_id);
                        words(&format!("{file}: session {first} was imported from other content: this becomes {id}"));
                    }
                    return Ok(Target { source, before: Before::Nothing });
                }
                State::Ours(before) => return Ok(Target { source, before }),
                State::RecordedInto => {
                    let id = &source.session_id;
                    let words =
                        format!("session {id} has been recorded into since it was imported: nothing was added to it");
                    return Err(Failure::Words(Exit::No, words));
                }
                State::Recorded => break,
                State::OfAnotherFile => source.session_id = SessionId::new(format!("{first}.{number}"))?,
            }
        }
        Err(not_ours(&source.session_id, input))
    }

    /// Whether an earlier import read more than the file has now.
    pub(crate) fn is_longer(&self) -> bool {
        matches!(self.before, Before::Everything)
    }

    /// Opens it, and makes the importer leave out what is there.
    pub(crate) fn open<R: BufRead>(
        &self,
        store: &Store,
        importer: &mut Importer<R>,
        dry_run: bool,
    ) -> Result<Sink, Failure> {
        match &self.before {
            Before::Nothing => {}
            Before::UpTo(id) => _ = importer.resume_behind(id),
            Before::Events(count) => importer.resume_behind_events(*count),
            Before::Everything => importer.leave_out_everything(),
        }
        Ok(Sink { journal: if dry_run { None } else { Some(open(store, &self.source.session_id)?) } })
    }
}

/// What stands under a session's name.
enum State {
    /// Nothing.
    New,
    /// What an earlier import of the same file made.
    Ours(Before),
    /// What an import of another file made, or of this one before it was rewritten.
    OfAnotherFile,
    /// What an import made and somebody has recorded into since.
    RecordedInto,
    /// Something that no import made.
    Recorded,
}

/// Whether the session of a source is there, and made from it.
fn state_of(source: &Source, input: &Input, store: &Store) -> Result<State, Failure> {
    let Some((reader, mark)) = find_mark(source, store)? else { return Ok(State::New) };
    match mark {
        Mark::None => return Ok(State::Recorded),
        Mark::OfAnotherFormat => return Ok(State::OfAnotherFile),
        Mark::OfAnotherFile if source.format == SourceFormat::Foldlog => return Ok(State::OfAnotherFile),
        Mark::OfAnotherFile | Mark::Ours => {}
    }
    if source.format == SourceFormat::Foldlog {
        return Ok(match events_of_ours(source, input, &reader)? {
            Some(count) => State::Ours(Before::Events(count)),
            None => State::OfAnotherFile,
        });
    }
    let Some((last, brought)) = last_brought(&reader)? else { return Ok(State::RecordedInto) };
    if brought.bytes() == 0 {
        // Only that it began: its first line decides.
        return Ok(if mark == Mark::Ours { State::Ours(Before::UpTo(last)) } else { State::OfAnotherFile });
    }
    Ok(match compare(&brought, input)? {
        Continuation::GoesOn => State::Ours(Before::UpTo(last)),
        Continuation::Shorter if begins_with(&reader, input)? => State::Ours(Before::Everything),
        _ => State::OfAnotherFile,
    })
}

/// What the first entries of a session say about its origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    None,
    OfAnotherFormat,
    OfAnotherFile,
    Ours,
}

/// Reads whether a session was imported, if it is there at all. The mark is among the first entries; damage may have
/// taken what comes before it.
pub(crate) fn find_mark(source: &Source, store: &Store) -> Result<Option<(Reader, Mark)>, Failure> {
    let reader = match store.reader(source.session_id.clone()) {
        Ok(reader) => reader,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let (mut items, mut looked_at) = (reader.items()?, 0);
    let mut mark = Mark::None;
    while let Some(item) = items.next()? {
        if let Item::Entry(entry) = item {
            looked_at += 1;
            if let Ok(Event::Custom(custom)) = entry.event() {
                mark = match Source::format_named_by(&custom) {
                    None => Mark::None,
                    Some(_) if source.is_named_by(&custom) => Mark::Ours,
                    Some(format) if format == source.format.name() => Mark::OfAnotherFile,
                    Some(_) => Mark::OfAnotherFormat,
                };
            }
        }
        if looked_at > 4 || mark != Mark::None {
            break;
        }
    }
    drop(items);
    Ok((looked_at > 0).then_some((reader, mark)))
}

/// Whether a session is there that no import made.
fn is_recorded(source: &Source, store: &Store) -> Result<bool, Failure> {
    Ok(find_mark(source, store)?.is_some_and(|(_, mark)| mark == Mark::None))
}

fn compare(brought: &Brought, input: &Input) -> Result<Continuation, Failure> {
    brought.compare(&mut input.open()?).map_err(|error| input.failed("read", &error))
}

/// The last event of a session, if an import brought it, and how much of the file that shows to have been read.
fn last_brought(reader: &Reader) -> Result<Option<(String, Brought)>, Failure> {
    let (mut items, mut last) = (reader.items()?, None);
    while let Some(item) = items.next()? {
        if let Item::Entry(entry) = item
            && !entry.is_recorders_own()
        {
            last = entry.id().and_then(|id| Some((id.to_owned(), Brought::by(id)?)));
        }
    }
    Ok(last)
}

/// Whether a file is an older state of the one that a session was imported from: all of it but blanks was read.
fn begins_with(reader: &Reader, input: &Input) -> Result<bool, Failure> {
    let (mut items, mut longest) = (reader.items()?, Brought::default());
    while let Some(item) = items.next()? {
        if let Item::Entry(entry) = item
            && let Some(brought) = entry.id().and_then(Brought::by)
            && (longest.bytes()..=input.len()).contains(&brought.bytes())
        {
            longest = brought;
        }
    }
    // Beyond the last line there is at most its line break.
    Ok(input.len() - longest.bytes() <= 1 && compare(&longest, input)? == Continuation::GoesOn)
}

/// How many events a session of foldlog's lines has, if they are those that a file begins with.
fn events_of_ours(source: &Source, input: &Input, reader: &Reader) -> Result<Option<u64>, Failure> {
    let mut importer = Importer::new(input.open()?, source);
    let (mut items, mut count, mut drafts) = (reader.items()?, 0, Vec::new().into_iter());
    while let Some(item) = items.next()? {
        let Item::Entry(entry) = item else { continue };
        if entry.is_recorders_own() {
            continue;
        }
        let draft = loop {
            match drafts.next() {
                Some(draft) => break Some::<Draft>(draft),
                None => match importer.next(true).map_err(|error| input.failed("read", &error))? {
                    Some(step) => drafts = step.drafts.into_iter(),
                    None => break None,
                },
            }
        };
        if draft.is_none_or(|draft| draft.type_name() != entry.type_name() || draft.data() != entry.data()) {
            return Ok(None);
        }
        count += 1;
    }
    Ok(Some(count))
}

pub(crate) fn not_ours(id: &SessionId, input: &Input) -> Failure {
    let words = format!(
        "{}: session {id} is there already, and was not imported from this file: nothing was added to it; import into another --root",
        input.shown()
    );
    Failure::Words(Exit::No, words)
}

/// Opens a session's journal for an import.
pub(crate) fn open(store: &Store, id: &SessionId) -> Result<Journal, Failure> {
    Ok(store.journal_with(id.clone(), JournalOptions::default().on_full(OnFull::Wait))?)
}

/// Where events go; nowhere in a dry run.
pub(crate) struct Sink {
    journal: Option<Journal>,
}

impl Sink {
    pub(crate) fn of(journal: Option<Journal>) -> Sink {
        Sink { journal }
    }

    /// Records events, waiting where there is no room.
    pub(crate) fn take(&mut self, drafts: Vec<Draft>) -> Result<(), Failure> {
        let Some(journal) = &self.journal else { return Ok(()) };
        for draft in drafts {
            let mut draft = draft;
            loop {
                match journal.push(draft) {
                    Ok(_) => break,
                    Err(refused) if refused.kind() == ErrorKind::Backlog => {
                        draft = refused.into_draft();
                        journal.ready().wait()?;
                    }
                    Err(refused) => return Err(Failure::Library(refused.into())),
                }
            }
        }
        Ok(())
    }

    /// Makes everything safe.
    pub(crate) fn close(&mut self) -> Result<(), Failure> {
        match self.journal.take() {
            Some(journal) => Ok(journal.close().wait()?),
            None => Ok(()),
        }
    }
}

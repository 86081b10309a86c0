//! The session that a file becomes: a new one, or the one that an earlier import of the same file made.

use super::files::Input;
use crate::cli::{Exit, Failure};
use foldlog::{
    Draft, ErrorKind, Event, Importer, Item, Journal, JournalOptions, OnFull, Reader, SessionId, Source, SourceFormat,
    Store,
};
use std::io::BufRead;

/// Where a file goes.
pub(crate) struct Target {
    pub(crate) source: Source,
    /// The session is there already, from an earlier import of the same file.
    exists: bool,
}

impl Target {
    /// Finds the session. One that was not made by importing this file is never added to.
    pub(crate) fn find(source: Source, input: &Input, store: &Store) -> Result<Target, Failure> {
        let mut source = source;
        let mut session = state_of(&source, store)?;
        if session == State::Other && source.format == SourceFormat::Foldlog {
            // Most often the damaged session itself, which stays as it is.
            source.session_id = SessionId::new(format!("{}.salvaged", source.session_id))?;
            session = state_of(&source, store)?;
        }
        if session == State::Other {
            return Err(not_ours(&source.session_id, input));
        }
        Ok(Target { source, exists: session == State::Ours })
    }

    /// Opens it, and makes the importer leave out what is there.
    pub(crate) fn open<R: BufRead>(
        &self,
        store: &Store,
        importer: &mut Importer<R>,
        dry_run: bool,
    ) -> Result<Sink, Failure> {
        let id = &self.source.session_id;
        let last_id = match (self.exists, self.source.format) {
            (false, _) => None,
            (true, SourceFormat::Foldlog) => {
                importer.resume_behind_events(events_of(&store.reader(id.clone())?)?.0);
                None
            }
            (true, _) if dry_run => events_of(&store.reader(id.clone())?)?.1,
            (true, _) => None,
        };
        let journal = if dry_run { None } else { Some(open(store, id)?) };
        let in_journal = journal.as_ref().and_then(|journal| journal.last_id().map(str::to_owned));
        let is_foldlog = self.source.format == SourceFormat::Foldlog;
        if let Some(last) = in_journal.or(last_id).filter(|_| !is_foldlog)
            && !importer.resume_behind(&last)
        {
            let words = format!("session {id} has been recorded into since it was imported: nothing was added to it");
            return Err(Failure::Words(Exit::No, words));
        }
        Ok(Sink { journal })
    }
}

/// What stands under a session's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing.
    New,
    /// What an earlier import of the same file made.
    Ours,
    /// Something else.
    Other,
}

/// Whether the session of a source is there, and made from it.
pub(crate) fn state_of(source: &Source, store: &Store) -> Result<State, Failure> {
    let reader = match store.reader(source.session_id.clone()) {
        Ok(reader) => reader,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(State::New),
        Err(error) => return Err(error.into()),
    };
    // The mark is among the first entries; damage may have taken what stands before it.
    let (mut items, mut looked_at) = (reader.items()?, 0);
    while let Some(item) = items.next()? {
        if let Item::Entry(entry) = item {
            looked_at += 1;
            if let Ok(Event::Custom(custom)) = entry.event()
                && source.is_named_by(&custom)
            {
                return Ok(State::Ours);
            }
        }
        if looked_at > 4 {
            break;
        }
    }
    Ok(if looked_at == 0 { State::New } else { State::Other })
}

pub(crate) fn not_ours(id: &SessionId, input: &Input) -> Failure {
    let words = format!(
        "{}: session {id} is there already, and was not imported from this file: nothing was added to it; import into another --root",
        input.shown()
    );
    Failure::Words(Exit::No, words)
}

/// How many events a session has, and the last id that any bears.
fn events_of(reader: &Reader) -> Result<(u64, Option<String>), Failure> {
    let (mut items, mut events, mut last_id) = (reader.items()?, 0, None);
    while let Some(item) = items.next()? {
        if let Item::Entry(entry) = item
            && !entry.is_recorders_own()
        {
            events += 1;
            last_id = entry.id().map(str::to_owned).or(last_id);
        }
    }
    Ok((events, last_id))
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

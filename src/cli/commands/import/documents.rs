//! Importing session records that are JSON documents: what differs from the session as it stands is added.

use super::files::Input;
use super::options::ImportArgs;
use super::report::Report;
use super::target::{self, Mark, Sink};
use crate::cli::exit::{Exit, Failure, Outcome};
use crate::cli::plain_file;
use crate::cli::term::out::Out;
use foldlog::{CaluteDocument, CaluteDocuments, ImportCounts, SessionRecord, Source, Store};

/// Imports every document of a file.
pub(crate) fn import(args: &ImportArgs, input: &Input, source: &Source, store: &Store, out: &mut Out) -> Outcome {
    let file = plain_file::read_whole(input.open()?).map_err(|error| input.failed("read", &error))?;
    let mut exit = Exit::Fine;
    for document in CaluteDocuments::of(&file) {
        let mut counts = ImportCounts::default();
        counts.lines = 1;
        let (document, damage) = match document {
            Ok(document) => {
                counts.mapped = 1;
                (Some(document), None)
            }
            Err(broken) => {
                counts.damaged = 1;
                let saved = broken.saved.map(|saved| *saved);
                counts.salvaged = saved.as_ref().map_or(0, |saved| saved.record().turns.len() as u64);
                let line = 1 + memchr::memchr_iter(b'\n', &file[..broken.offset as usize]).count() as u64;
                (saved, Some((line, broken.offset, broken.why)))
            }
        };
        let mut source = source.clone();
        if let Some(document) = &document {
            source.session_id = document.record().session_id.clone();
        }
        let mut report = Report::new(input, &source);
        if let Some((line, offset, why)) = damage {
            report.damage(line, offset, &why);
        }
        if let Some(document) = document {
            counts.unknown.clone_from(document.unknown());
            match record(args, &document, &source, input, store) {
                Ok(events) => counts.events = events,
                Err(failure) => {
                    exit = exit.max(super::options::told(Err(failure))?);
                    continue;
                }
            }
        }
        report.finish(&counts);
        exit = exit.max(report.print(args.json, out)?);
    }
    Ok(exit)
}

/// Records what is new about a session; how many events that took.
fn record(
    args: &ImportArgs,
    document: &CaluteDocument,
    source: &Source,
    input: &Input,
    store: &Store,
) -> Result<u64, Failure> {
    let id = &source.session_id;
    let known: Option<SessionRecord> = match target::find_mark(source, store)? {
        None => None,
        Some((_, Mark::Ours)) => Some(store.get(id.clone())?),
        Some(_) => return Err(target::not_ours(id, input)),
    };
    let drafts = document.drafts(known.as_ref())?;
    let events = drafts.len() as u64;
    if events > 0 {
        let journal = if args.dry_run { None } else { Some(target::open(store, id)?) };
        let mut sink = Sink::of(journal);
        sink.take(drafts)?;
        sink.close()?;
    }
    Ok(events)
}

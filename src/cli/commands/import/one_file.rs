//! Importing one file, whole.

use crate::cli::commands::import::documents;
use crate::cli::commands::import::files::Input;
use crate::cli::commands::import::options::ImportArgs;
use crate::cli::commands::import::report::Report;
use crate::cli::commands::import::target::Target;
use crate::cli::compressed;
use crate::cli::exit::{Exit, Failure, Outcome, words};
use crate::cli::term::out::Out;
use crate::cli::term::progress::ByteProgress;
use foldlog::{Importer, Source, SourceFormat, Store};
use std::io::{BufRead, Read};

/// Imports one file, all of it. A directory may hold any files: those that are not recognised there are `passed` over.
pub(crate) fn import(
    args: &ImportArgs,
    input: &Input,
    store: &Store,
    passed: &mut Vec<String>,
    out: &mut Out,
) -> Outcome {
    let Some(source) = identify(args, input)? else {
        if !input.named {
            passed.push(input.shown());
            return Ok(Exit::Fine);
        }
        return Ok(not_recognised(input));
    };
    if source.format == SourceFormat::Calute {
        return documents::import(args, input, &source, store, out);
    }
    let target = Target::find(source, input, store)?;
    let mut importer = Importer::new(input.open()?, &target.source);
    let mut sink = target.open(store, &mut importer, args.dry_run)?;
    let mut report = Report::new(input, &target.source);
    let mut progress = ByteProgress::new("importing", &input.shown(), input.len());
    drain(&mut importer, true, input, &mut |drafts| sink.take(drafts), &mut report, &mut progress)?;
    drop(progress);
    sink.close()?;
    report.finish(importer.counts());
    report.print(args.json, out)
}

/// Takes the lines that there are.
pub(crate) fn drain<R: BufRead>(
    importer: &mut Importer<R>,
    at_end: bool,
    input: &Input,
    take: &mut dyn FnMut(Vec<foldlog::Draft>) -> Result<(), Failure>,
    report: &mut Report,
    progress: &mut ByteProgress,
) -> Result<u64, Failure> {
    let mut steps = 0;
    while let Some(step) = importer.next(at_end).map_err(|error| input.failed("read", &error))? {
        steps += 1;
        if let Some(damage) = &step.damage {
            report.damage(step.line, step.offset, damage);
        }
        take(step.drafts)?;
        progress.at(importer.position());
    }
    Ok(steps)
}

/// What a file is. Without a conversation it is nothing, lest it take the id of a session that has one; but a file that
/// was named together with its format is believed.
pub(crate) fn identify(args: &ImportArgs, input: &Input) -> Result<Option<Source>, Failure> {
    let source = input.identify(args.format.0)?;
    let is_believed = input.named && args.format.0.is_some();
    Ok(source.filter(|source| source.has_conversation || is_believed))
}

pub(crate) fn not_recognised(input: &Input) -> Exit {
    let mut head = Vec::new();
    let read = input.open().map(|file| file.take(16).read_to_end(&mut head));
    let tool = compressed::by_content(&head).filter(|_| read.is_ok()).map(compressed::words);
    let why = match (input.len(), &tool) {
        (_, Some(compressed)) => compressed,
        (0, _) => "empty: there is nothing to import",
        _ => {
            "not recognised: no conversation of an agent that foldlog knows is in it; name its format with --format, or \
             see `foldlog doctor`; record your own events with `foldlog record`"
        }
    };
    words(&format!("{}: {why}", input.shown()));
    Exit::No
}

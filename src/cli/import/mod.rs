//! `foldlog import`: what other agents recorded, into sessions of the store.

mod documents;
mod files;
mod follow;
mod report;
mod segments;
mod target;

use super::out::Out;
use super::progress::ByteProgress;
use super::{Exit, Failure, Outcome, compressed, look, words};
use clap::Args;
use files::Input;
use foldlog::{Importer, Source, SourceFormat, Store};
use report::Report;
use std::io::{BufRead, Read};
use std::path::PathBuf;
use target::Target;

/// Import what other agents recorded: transcripts, rollouts and event logs, damaged ones too
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Files, or directories with files below them
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// What the files are: auto (by their content), calute, claude-code, codex, copilot, gemini, foldlog
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = parse_format)]
    format: FormatArg,
    /// Go on: add what is new as the files grow, until interrupted
    #[arg(long)]
    follow: bool,
    /// Only say what would be imported
    #[arg(long)]
    dry_run: bool,
    /// One JSON object a file
    #[arg(long)]
    json: bool,
}

/// A format, or none for finding it out.
#[derive(Clone, Copy, Debug)]
struct FormatArg(Option<SourceFormat>);

fn parse_format(text: &str) -> Result<FormatArg, String> {
    if text == "auto" {
        return Ok(FormatArg(None));
    }
    let known: Vec<(SourceFormat, &str)> = SourceFormat::all().collect();
    match known.iter().find(|(_, name)| *name == text) {
        Some((format, _)) => Ok(FormatArg(Some(*format))),
        None => {
            let names: Vec<&str> = known.iter().map(|(_, name)| *name).collect();
            Err(format!("give auto or one of {}", names.join(", ")))
        }
    }
}

pub(crate) fn run(args: &ImportArgs, store: &Store, out: &mut Out) -> Outcome {
    let mut exit = Exit::Fine;
    let files::Found { inputs, compressed } = files::find(&args.paths, !args.follow, &mut |path, why| {
        words(&format!("{}: {why}", path.display()));
        exit = exit.max(Exit::No);
    });
    if let Some((first, tool)) = compressed.first().and_then(|first| Some((first, compressed::by_name(first)?))) {
        let (files, first) = (look::count(compressed.len() as u64, "compressed file"), first.display());
        words(&format!("passed over {files}, such as {first}: unpack them first, with `{tool}`"));
        exit = exit.max(Exit::No);
    }
    if args.follow && !args.dry_run {
        return follow::run(args, inputs, store, out).map(|followed| followed.max(exit));
    }
    if inputs.is_empty() && exit == Exit::Fine {
        words("there is no .jsonl or .json file to import");
        exit = Exit::No;
    }
    let mut passed = Vec::new();
    for input in inputs {
        exit = exit.max(told(import(args, &input, store, &mut passed, out))?);
    }
    if let Some(first) = passed.first() {
        let files = look::count(passed.len() as u64, "file");
        words(&format!("passed over {files} without a conversation of an agent that foldlog knows, such as {first}"));
    }
    Ok(exit)
}

/// One bad file stops no other: what went wrong with it is told, and its exit code stays.
fn told(result: Outcome) -> Outcome {
    match result {
        Err(failure @ Failure::Output(_)) => Err(failure),
        Err(failure) => Ok(failure.tell()),
        Ok(exit) => Ok(exit),
    }
}

/// Imports one file, all of it. A directory may hold any files: those that are not recognised there are `passed` over.
fn import(args: &ImportArgs, input: &Input, store: &Store, passed: &mut Vec<String>, out: &mut Out) -> Outcome {
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
fn drain<R: BufRead>(
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
fn identify(args: &ImportArgs, input: &Input) -> Result<Option<Source>, Failure> {
    let source = input.identify(args.format.0)?;
    let is_believed = input.named && args.format.0.is_some();
    Ok(source.filter(|source| source.has_conversation || is_believed))
}

fn not_recognised(input: &Input) -> Exit {
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

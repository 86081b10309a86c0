//! `foldlog doctor`: what is wrong with files of JSON lines, of any agent or of none.

mod fix;
mod patient;
mod report;

use crate::cli::commands::doctor::patient::{Patient, failed};
use crate::cli::compressed;
use crate::cli::exit::{Exit, Failure, Outcome, words};
use crate::cli::plain_file;
use crate::cli::term::human;
use crate::cli::term::out::Out;
use crate::cli::term::progress::ByteProgress;
use crate::cli::walk_dir::{files_below, has_extension};
use clap::Args;
use foldlog::{CaluteDocuments, Doctor, Finding, FindingKind, Source, SourceFormat, SourceName};
use report::Report;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// How much of a file is looked at to tell what it is.
const HEAD: u64 = 1 << 20;
/// How many compressed files are named.
const MOST_PACKED: usize = 20;
/// How much is read at once.
const BUFFER: usize = 256 << 10;

/// Find what is wrong with files of JSON lines, of any agent or of none, and save what can be saved
#[derive(Args, Debug)]
pub(crate) struct DoctorArgs {
    /// Files, or directories with .jsonl files below them
    #[arg(required = true, value_name = "FILE|DIR")]
    paths: Vec<PathBuf>,
    /// One JSON object a finding, then one a file
    #[arg(long)]
    json: bool,
    /// Write repaired copies of damaged files, and tell every change
    #[arg(long, requires = "output")]
    fix: bool,
    /// Where the copies go; nothing there is overwritten
    #[arg(long, value_name = "DIR", requires = "fix")]
    output: Option<PathBuf>,
}

pub(crate) fn run(args: &DoctorArgs, out: &mut Out) -> Outcome {
    let mut exit = Exit::Fine;
    let (mut patients, mut packed) = (Vec::new(), Vec::new());
    for path in &args.paths {
        let mut refuse = |path: &Path, why: &str| {
            words(&format!("{}: {why}", path.display()));
            exit = exit.max(Exit::Io);
        };
        if path.is_dir() {
            let (files, others): (Vec<_>, Vec<_>) =
                files_below(path, &mut refuse).into_iter().partition(|file| has_extension(file, &["jsonl"]));
            packed.extend(others.into_iter().filter_map(|file| Some((compressed::by_name(&file)?, file))));
            patients.extend(files.into_iter().map(|file| {
                let name = file.strip_prefix(path).unwrap_or(&file).to_owned();
                Patient { path: file, name, kept: None }
            }));
        } else {
            match Patient::named(path) {
                Ok(patient) => patients.push(patient),
                Err(error) => refuse(path, &error.to_string()),
            }
        }
    }
    for patient in patients {
        let went = match examine(args, &patient, out) {
            Err(failure @ Failure::Output(_)) => return Err(failure),
            Err(failure) => failure.tell(),
            Ok(went) => went,
        };
        exit = exit.max(went);
    }
    for (tool, file) in packed.iter().take(MOST_PACKED) {
        words(&format!("{}: not examined; {}", file.display(), compressed::words(tool)));
        exit = exit.max(Exit::No);
    }
    if packed.len() > MOST_PACKED {
        words(&format!("not examined: {} more", human::count((packed.len() - MOST_PACKED) as u64, "compressed file")));
    }
    Ok(exit)
}

fn examine(args: &DoctorArgs, patient: &Patient, out: &mut Out) -> Outcome {
    let path = &patient.path;
    let mut file = patient.open()?;
    let mut head = Vec::new();
    (&mut file).take(HEAD).read_to_end(&mut head).map_err(|error| failed("read", path, &error))?;
    if let Some(tool) = compressed::by_content(&head) {
        words(&format!("{}: not examined; {}", path.display(), compressed::words(tool)));
        return Ok(Exit::No);
    }
    let format = SourceFormat::detect(&head);
    let mut report = Report::new(path, format, args.json);
    let mut broken = Vec::new();
    let source = Source::identify(&head, &SourceName::default(), format);
    if format == Some(SourceFormat::Calute) {
        documents(patient, &mut report, out)?;
    } else if source.is_some_and(|source| source.is_document) {
        document(patient, &mut report, out)?;
    } else {
        let len = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
        let mut progress = ByteProgress::new("examining", &path.display().to_string(), len);
        let mut doctor = Doctor::new(BufReader::with_capacity(BUFFER, patient.open()?), format);
        let mut find = |finding: Finding, out: &mut Out| {
            if finding.kind == FindingKind::BrokenParent {
                broken.push(finding);
            }
            report.finding(finding, out)
        };
        while let Some(line) = doctor.next().map_err(|error| failed("read", path, &error))? {
            for finding in line.findings {
                find(finding, out)?;
            }
            progress.at(doctor.position());
        }
        for finding in doctor.finish() {
            find(finding, out)?;
        }
        report.counted(doctor.lines(), doctor.records(), doctor.position());
    }
    if let Some(output) = args.output.as_deref().filter(|_| report.is_worth_a_copy()) {
        let doctor = Doctor::repairing(BufReader::with_capacity(BUFFER, patient.open()?), format, &broken);
        fix::write(doctor, patient, output, &mut report, out)?;
    }
    report.finish(out)
}

/// A file of documents rather than lines: session records as JSON.
fn documents(patient: &Patient, report: &mut Report, out: &mut Out) -> Result<(), Failure> {
    let bytes = plain_file::read_whole(patient.open()?).map_err(|error| failed("read", &patient.path, &error))?;
    let (mut count, mut whole) = (0, 0);
    for document in CaluteDocuments::of(&bytes) {
        count += 1;
        match document {
            Ok(_) => whole += 1,
            Err(broken) => {
                let line = 1 + memchr::memchr_iter(b'\n', &bytes[..broken.offset as usize]).count() as u64;
                let kind = FindingKind::BrokenDocument;
                report.finding(Finding { line, byte: broken.offset, bytes: broken.bytes, kind }, out)?;
            }
        }
    }
    report.counted(count, whole, bytes.len() as u64);
    Ok(())
}

/// A file that is one document: a chat as older versions of an agent wrote it.
fn document(patient: &Patient, report: &mut Report, out: &mut Out) -> Result<(), Failure> {
    let text = plain_file::read_whole(patient.open()?).map_err(|error| failed("read", &patient.path, &error))?;
    let whole = serde_json::from_slice::<serde::de::IgnoredAny>(text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&text));
    if let Err(error) = &whole {
        let bytes = text.len() as u64;
        let kind = FindingKind::BrokenDocument;
        report.finding(Finding { line: error.line() as u64, byte: 0, bytes, kind }, out)?;
    }
    report.counted(1, u64::from(whole.is_ok()), text.len() as u64);
    Ok(())
}

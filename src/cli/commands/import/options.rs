//! The arguments of `foldlog import`.

use crate::cli::exit::{Failure, Outcome};
use clap::Args;
use foldlog::SourceFormat;
use std::path::PathBuf;

/// Import what other agents recorded: transcripts, rollouts and event logs, damaged ones too
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// Files, or directories with files below them
    #[arg(required = true, value_name = "FILE|DIR")]
    pub(super) paths: Vec<PathBuf>,
    /// What the files are: auto (by their content), calute, claude-code, codex, copilot, gemini, foldlog
    #[arg(long, value_name = "FORMAT", default_value = "auto", value_parser = parse_format)]
    pub(super) format: FormatArg,
    /// Go on: add what is new as the files grow, until interrupted
    #[arg(long)]
    pub(super) follow: bool,
    /// Only say what would be imported
    #[arg(long)]
    pub(super) dry_run: bool,
    /// One JSON object a file
    #[arg(long)]
    pub(super) json: bool,
}

/// A format, or none for finding it out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FormatArg(pub(crate) Option<SourceFormat>);

pub(crate) fn parse_format(text: &str) -> Result<FormatArg, String> {
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

/// One bad file stops no other: what went wrong with it is told, and its exit code stays.
pub(crate) fn told(result: Outcome) -> Outcome {
    match result {
        Err(failure @ Failure::Output(_)) => Err(failure),
        Err(failure) => Ok(failure.tell()),
        Ok(exit) => Ok(exit),
    }
}

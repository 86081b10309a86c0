//! `foldlog completions`: completion scripts for shells.

use super::args::{Cli, CompletionsArgs};
use super::out::Out;
use super::{Exit, Outcome};
use clap::CommandFactory;

pub(crate) fn run(args: &CompletionsArgs, out: &mut Out) -> Outcome {
    // Into memory first: the generator panics where stdout refuses.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "foldlog", &mut script);
    out.text(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}

//! What must be measured in a process of its own: this program calls itself, and is answered in figures.

use crate::{Error, Result};
use std::ffi::OsStr;
use std::io::Write;
use std::process::Command;

/// The first argument of a process that was called by another one of this program.
pub(crate) const WORD: &str = "as-child";

/// A command that calls this program for a part of its work.
pub(crate) fn command(part: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args([WORD, part]);
    Ok(command)
}

/// Runs a part to its end and returns the figures it prints.
pub(crate) fn figures<const N: usize>(part: &str, args: &[&dyn AsRef<OsStr>]) -> Result<[f64; N]> {
    let output = command(part)?.args(args).output()?;
    if !output.status.success() {
        return Err(format!("`{part}` has failed: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let words = String::from_utf8(output.stdout)?;
    let figures = words.split_whitespace().map(str::parse).collect::<std::result::Result<Vec<f64>, _>>()?;
    figures.try_into().map_err(|figures| format!("`{part}` said {figures:?}").into())
}

/// The next argument, which must be there.
pub(crate) fn next(args: &mut impl Iterator<Item = String>) -> Result<String> {
    args.next().ok_or_else(|| Error::from("an argument is missing"))
}

/// Tells the process that has called this one.
pub(crate) fn tell(words: &str) -> Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{words}")?;
    Ok(stdout.flush()?)
}

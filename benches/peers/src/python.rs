//! Peers in Python: scripts that print how many seconds they took, without the time that Python takes to start.

use crate::Result;
use std::ffi::OsStr;
use std::process::Command;
use std::time::Duration;

pub(crate) const APPEND: &str = include_str!("python/append.py");
pub(crate) const REPLAY: &str = include_str!("python/replay.py");
pub(crate) const DUCK: &str = include_str!("python/duck.py");

fn command(script: &str) -> Command {
    let mut command = Command::new(std::env::var_os("FOLDLOG_PYTHON").unwrap_or_else(|| "python3".into()));
    command.args(["-c", script]);
    command
}

/// Whether there is a Python that has these modules.
pub(crate) fn has(modules: &str) -> bool {
    command(&format!("import {modules}")).output().is_ok_and(|output| output.status.success())
}

pub(crate) fn run(script: &str, args: &[impl AsRef<OsStr>]) -> Result<Duration> {
    let output = command(script).args(args).output()?;
    if !output.status.success() {
        return Err(format!("Python: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(Duration::from_secs_f64(String::from_utf8(output.stdout)?.trim().parse()?))
}

//! How many instructions a run of this program takes, of all its threads.

use crate::Result;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Whether valgrind can be run.
pub(crate) fn is_there() -> bool {
    let quiet = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// Counts runs of one side of a row.
pub(crate) struct Counter<'a> {
    dir: &'a Path,
    row: &'a str,
    side: &'a str,
}

impl<'a> Counter<'a> {
    pub(crate) fn new(dir: &'a Path, row: &'a str, side: &'a str) -> Counter<'a> {
        Counter { dir, row, side }
    }

    /// The instructions of a process that does the work so many times over.
    pub(crate) fn count(&self, times: u32) -> Result<u64> {
        let out: PathBuf = self.dir.join(format!("{}.{}.{times}.callgrind", self.row.replace(' ', "-"), self.side));
        let ran = Command::new("valgrind")
            .args(["--tool=callgrind", "-q"])
            .arg(format!("--callgrind-out-file={}", out.display()))
            .arg(std::env::current_exe()?)
            .args(["run", self.row, self.side, &times.to_string()])
            .arg(self.dir)
            .output()?;
        if !ran.status.success() {
            return Err(format!("{} of {}: {}", self.row, self.side, String::from_utf8_lossy(&ran.stderr)).into());
        }
        let counted = std::fs::read_to_string(&out)?;
        let total = counted.lines().find_map(|line| line.strip_prefix("totals: "));
        Ok(total.ok_or("callgrind has counted nothing")?.trim().parse()?)
    }
}

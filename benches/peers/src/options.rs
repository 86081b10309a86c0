//! What is asked for on the command line.

use crate::{GROUPS, Result};
use std::path::PathBuf;
use std::time::Duration;

/// How much is measured, and where.
pub(crate) struct Options {
    groups: Vec<String>,
    rounds: Option<usize>,
    quick: bool,
    pub(crate) dir: PathBuf,
    /// Where plots are left, if anywhere.
    pub(crate) plots: Option<PathBuf>,
}

impl Options {
    pub(crate) fn from_args(mut args: impl Iterator<Item = String>) -> Result<Options> {
        let dir = std::env::current_dir()?;
        let mut options = Options { groups: Vec::new(), rounds: None, quick: false, dir, plots: None };
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value; {}", usage()));
            match arg.as_str() {
                "--quick" => options.quick = true,
                "--rounds" => options.rounds = Some(value()?.parse::<usize>()?.max(1)),
                "--dir" => options.dir = value()?.into(),
                "--plots" => options.plots = Some(value()?.into()),
                group if GROUPS.iter().any(|(known, _)| *known == group) => options.groups.push(arg),
                _ => return Err(format!("`{arg}` is neither a group nor an option; {}", usage()).into()),
            }
        }
        Ok(options)
    }

    /// Whether a group is wanted: all are, unless some are named.
    pub(crate) fn wants(&self, group: &str) -> bool {
        self.groups.is_empty() || self.groups.iter().any(|wanted| wanted == group)
    }

    pub(crate) fn rounds(&self, usual: usize) -> usize {
        self.rounds.unwrap_or(self.scaled(usual, 2.min(usual)))
    }

    pub(crate) fn scaled<T>(&self, usual: T, quick: T) -> T {
        if self.quick { quick } else { usual }
    }

    /// How many events are recorded where all are recorded.
    pub(crate) fn events(&self) -> usize {
        self.scaled(60_000, 6_000)
    }

    /// How long a case goes on that could go on for ever.
    pub(crate) fn window(&self) -> Duration {
        self.scaled(Duration::from_millis(350), Duration::from_millis(100))
    }
}

fn usage() -> String {
    let groups: Vec<&str> = GROUPS.iter().map(|(name, _)| *name).collect();
    format!(
        "usage: foldlog-peers [GROUP]... [--quick] [--rounds N] [--dir DIR] [--plots DIR]; groups: {}",
        groups.join(" ")
    )
}

//! Sessions that are to go: listed with sizes and ages, asked about, and taken away one by one.
//!
//! Nothing goes that was not listed, and nothing goes without a yes.

use crate::cli::exit::{Exit, Failure, Outcome, words};
use crate::cli::term::json::versioned;
use crate::cli::term::out::{Look, Out};
use crate::cli::term::table::{Column, Table};
use crate::cli::term::{human, sanitize};
use foldlog::{SessionId, Timestamp};
use serde::Serialize;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

/// The longest session id that a table shows whole.
const ID_COLUMNS: usize = 40;

/// What is done to what is listed, and how.
pub(crate) struct Manner {
    /// For good, and not to the trash.
    pub(crate) for_good: bool,
    pub(crate) dry_run: bool,
    pub(crate) yes: bool,
    pub(crate) json: bool,
}

/// A session that is to go, or that stays although it was meant.
pub(crate) struct Doomed<'a> {
    pub(crate) session_id: SessionId,
    pub(crate) state: &'static str,
    pub(crate) damaged: bool,
    pub(crate) bytes: u64,
    /// When it was last touched, or thrown away: its age is since then.
    pub(crate) since: Option<Timestamp>,
    /// Why it stays.
    pub(crate) spared: Option<&'static str>,
    /// Takes it away and says where it is now.
    pub(crate) act: Box<dyn Fn() -> Result<Option<PathBuf>, Failure> + 'a>,
}

/// What became of one, as `--json` says it.
#[derive(Serialize)]
struct Line<'a> {
    session_id: &'a SessionId,
    action: &'static str,
    why: Option<&'a str>,
    state: &'static str,
    damaged: bool,
    bytes: u64,
    last_activity: Option<Timestamp>,
    trashed_at: Option<Timestamp>,
    age_seconds: Option<u64>,
    path: Option<String>,
    /// The path's bytes, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
}

/// Lists them, asks, and takes them away.
pub(crate) fn carry_out(doomed: &[Doomed<'_>], manner: &Manner, out: &mut Out) -> Outcome {
    let going: Vec<&Doomed<'_>> = doomed.iter().filter(|doomed| doomed.spared.is_none()).collect();
    let sum = sum(&going);
    if !manner.json {
        list(doomed, manner, out)?;
    }
    out.flush()?;
    let asked = match going.is_empty() {
        true => Err(Exit::Fine),
        false => ask(manner, &sum),
    };
    if let Err(exit) = asked {
        for doomed in doomed.iter().filter(|_| manner.json) {
            let would = if manner.for_good { "would_delete" } else { "would_trash" };
            let action = if doomed.spared.is_some() { "skipped" } else { would };
            out.json(&versioned(&doomed.line(manner, action, doomed.spared, None))?)?;
        }
        return Ok(exit);
    }
    let (mut worst, mut gone) = (Exit::Fine, Vec::new());
    for doomed in doomed {
        if let Some(why) = doomed.spared {
            if manner.json {
                out.json(&versioned(&doomed.line(manner, "skipped", Some(why), None))?)?;
            }
            continue;
        }
        match (doomed.act)() {
            Ok(path) => {
                doomed.tell(path, manner, out)?;
                gone.push(doomed);
            }
            Err(failure) => {
                let why = failure.to_string();
                worst = worst.max(failure.tell());
                if manner.json {
                    out.json(&versioned(&doomed.line(manner, "failed", Some(&why), None))?)?;
                }
            }
        }
    }
    out.flush()?;
    if !gone.is_empty() {
        let done = self::sum(&gone);
        words(&match manner.for_good {
            true => format!("{done} deleted for good"),
            false => format!("{done} moved to the trash; to undo, move a directory back to its old name"),
        });
    }
    Ok(worst)
}

/// Whether to go on: a yes on the command line or on the terminal. Else the exit code that says why not.
fn ask(manner: &Manner, sum: &str) -> Result<(), Exit> {
    let what = if manner.for_good { "deleted for good" } else { "moved to the trash" };
    if manner.dry_run {
        words(&format!("{sum} would be {what}; nothing was touched"));
        return Err(Exit::Fine);
    }
    if manner.yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        words(&format!("{sum} would be {what}; nothing was touched: say --yes to do it"));
        return Err(Exit::Usage);
    }
    let mut stderr = io::stderr().lock();
    let asked = write!(stderr, "{sum} will be {what}. Go on? [y/N] ").and_then(|()| stderr.flush());
    drop(stderr);
    let mut answer = String::new();
    let read = asked.and_then(|()| io::stdin().read_line(&mut answer));
    match answer.trim() {
        "y" | "Y" | "yes" | "Yes" if read.is_ok() => Ok(()),
        _ => {
            words("nothing was touched");
            Err(Exit::No)
        }
    }
}

fn sum(doomed: &[&Doomed<'_>]) -> String {
    let bytes = doomed.iter().map(|doomed| doomed.bytes).sum();
    format!("{} ({})", human::count(doomed.len() as u64, "session"), human::size(bytes))
}

fn list(doomed: &[Doomed<'_>], manner: &Manner, out: &mut Out) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Left("SESSION"),
        Column::Left("STATE"),
        Column::Left(if manner.for_good { "THROWN AWAY" } else { "LAST ACTIVITY" }),
        Column::Right("AGE"),
        Column::Right("SIZE"),
        Column::Left(""),
    ]);
    for doomed in doomed {
        let unknown = || "unknown".to_owned();
        let note = match doomed.spared {
            Some(why) => format!("stays: {why}"),
            None => String::new(),
        };
        let flag = if doomed.damaged { ", damaged" } else { "" };
        let cells = [
            human::id(doomed.session_id.as_str(), ID_COLUMNS),
            format!("{}{flag}", doomed.state),
            doomed.since.map_or_else(unknown, human::time),
            doomed.since.map_or_else(unknown, |since| human::duration(Timestamp::now().since(since))),
            human::size(doomed.bytes),
            note,
        ];
        let look = match (doomed.spared, doomed.damaged) {
            (Some(_), _) => Look::Dim,
            (None, true) => Look::Bad,
            (None, false) => Look::Plain,
        };
        table.row(cells, look);
    }
    table.print(out)
}

impl Doomed<'_> {
    fn line<'a>(
        &'a self,
        manner: &Manner,
        action: &'static str,
        why: Option<&'a str>,
        path: Option<PathBuf>,
    ) -> Line<'a> {
        let (path, path_base64) = path.map(|path| sanitize::path(&path)).unzip();
        Line {
            session_id: &self.session_id,
            action,
            why,
            state: self.state,
            damaged: self.damaged,
            bytes: self.bytes,
            last_activity: self.since.filter(|_| !manner.for_good),
            trashed_at: self.since.filter(|_| manner.for_good),
            age_seconds: self.since.map(|since| Timestamp::now().since(since).as_secs()),
            path,
            path_base64: path_base64.flatten(),
        }
    }

    fn tell(&self, path: Option<PathBuf>, manner: &Manner, out: &mut Out) -> Result<(), Failure> {
        if manner.json {
            let action = if manner.for_good { "deleted" } else { "trashed" };
            return out.json(&versioned(&self.line(manner, action, None, path))?);
        }
        let Some(path) = path else { return Ok(()) };
        let id = human::id(self.session_id.as_str(), ID_COLUMNS);
        out.line(&format!("{id} -> {}", sanitize::visible(&path.display().to_string())))
    }
}

//! `foldlog ls`: the sessions of the root, newest first, from a glance at each.

use crate::cli::args::LsArgs;
use crate::cli::exit::{Exit, Failure, Outcome, words};
use crate::cli::select::{state_word, touched};
use crate::cli::strays;
use crate::cli::term::json::versioned;
use crate::cli::term::out::{Look, Out};
use crate::cli::term::{human, sanitize};
use crate::cli::values::Since;
use clap::ValueEnum;
use foldlog::{ErrorKind, Glance, SessionId, SessionState, Store};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A session that is listed.
struct Listed {
    /// The id that its directory stands for, by which commands find it.
    id: SessionId,
    path: PathBuf,
    glance: Glance,
}

/// A session that cannot be read.
struct Bad {
    id: SessionId,
    path: PathBuf,
    error: foldlog::Error,
}

/// A session as `--json` lists it.
#[derive(Serialize)]
struct Line<S: Serialize> {
    #[serde(flatten)]
    session: S,
    /// Its directory: other than `session_id` it is right also where that was renamed.
    path: String,
    /// The path's bytes, where they are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
}

/// One that cannot be read, as `--json` lists it.
#[derive(Serialize)]
struct Unreadable<'a> {
    session_id: &'a SessionId,
    state: Option<&'a str>,
    damaged: bool,
    error: String,
}

pub(crate) fn run(args: &LsArgs, store: &Store, out: &mut Out) -> Outcome {
    let since = args.since.map(Since::begins);
    let wanted = |glance: &Glance| {
        let workspace = glance.workspace_id.as_ref().map(|id| id.as_str());
        args.workspace.as_deref().is_none_or(|wanted| workspace == Some(wanted))
            && since.is_none_or(|since| glance.last_activity >= since)
            && args.state.is_none_or(|state| state.matches(glance.state))
    };
    let (mut found, mut bad) = (Vec::new(), Vec::new());
    for id in store.session_ids()? {
        let path = store.path_of(&id);
        match store.reader(id.clone()).and_then(|reader| reader.glance()) {
            Ok(glance) if wanted(&glance) => found.push(Listed { id, path, glance }),
            // A directory without a segment holds no session yet, or is being deleted.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Ok(_) => {}
            Err(error) => bad.push(Bad { id, path, error }),
        }
    }
    found.sort_by(|a, b| touched(&b.glance).cmp(&touched(&a.glance)).then_with(|| a.id.cmp(&b.id)));
    match args.json {
        true => print_json(&found, &bad, out)?,
        false => print_table(&found, &bad, out)?,
    }
    out.flush()?;
    for bad in &bad {
        words(&format!("session {:?} cannot be read: {}", bad.id.as_str(), bad.error));
    }
    strays::name(store);
    let asked = asked(args);
    let nothing_found = found.is_empty() && !asked.is_empty();
    if nothing_found {
        words(&format!("there is no session {} in `{}`", asked.join(" "), store.root().display()));
    } else if found.is_empty() && bad.is_empty() {
        words(&format!("there is no session in `{}` yet", store.root().display()));
    }
    Ok(if nothing_found || !bad.is_empty() { Exit::No } else { Exit::Fine })
}

/// Which sessions were asked for, in words; nothing for all.
fn asked(args: &LsArgs) -> Vec<String> {
    let workspace = args.workspace.as_ref().map(|workspace| format!("of workspace {workspace:?}"));
    let state =
        args.state.and_then(|state| state.to_possible_value()).map(|state| format!("that is {}", state.get_name()));
    let since = args.since.map(|since| format!("touched since {}", human::time(since.begins())));
    [workspace, state, since].into_iter().flatten().collect()
}

fn print_json(found: &[Listed], bad: &[Bad], out: &mut Out) -> Result<(), Failure> {
    for listed in found {
        out.json(&versioned(&Line::new(&listed.glance, &listed.path))?)?;
    }
    for Bad { id, path, error } in bad {
        let session = Unreadable { session_id: id, state: None, damaged: true, error: error.to_string() };
        out.json(&versioned(&Line::new(session, path))?)?;
    }
    Ok(())
}

impl<S: Serialize> Line<S> {
    fn new(session: S, path: &Path) -> Line<S> {
        let (path, path_base64) = sanitize::path(path);
        Line { session, path, path_base64 }
    }
}

const HEAD: [&str; 8] = ["SESSION", "STATE", "STARTED", "LAST ACTIVITY", "TURNS", "ERRORS", "SIZE", "FIRST PROMPT"];
/// The longest session id that a table shows whole.
const ID_COLUMNS: usize = 40;

fn print_table(found: &[Listed], bad: &[Bad], out: &mut Out) -> Result<(), Failure> {
    let mut rows: Vec<([String; 8], Look)> =
        found.iter().map(|listed| (cells(listed), state_look(&listed.glance))).collect();
    for Bad { id, .. } in bad {
        let mut cells: [String; 8] = Default::default();
        cells[0] = human::id(id.as_str(), ID_COLUMNS);
        cells[1] = "unreadable!".to_owned();
        rows.push((cells, Look::Bad));
    }
    if rows.is_empty() {
        return Ok(());
    }
    let width = |column: usize| {
        let cells = rows.iter().map(|(cells, _)| human::columns(&cells[column]));
        cells.chain([HEAD[column].len()]).max().unwrap_or(0)
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let head: Vec<String> = HEAD.iter().zip(widths).map(|(cell, width)| human::pad(cell, width)).collect();
    out.line(&out.paint(Look::Dim, &format!("{}  {}", head.join("  "), HEAD[7])))?;
    let used: usize = widths.iter().sum::<usize>() + 2 * widths.len();
    for (cells, state) in rows {
        let mut line = String::new();
        for (at, width) in widths.iter().enumerate() {
            let cell = human::pad(&cells[at], *width);
            let look = if at == 1 { state } else { Look::Plain };
            line.push_str(&out.paint(look, &cell));
            line.push_str("  ");
        }
        line.push_str(&human::summary(&cells[7], out.summary_width().saturating_sub(used).max(20)));
        out.line(line.trim_end())?;
    }
    Ok(())
}

/// The id that opens it; where its directory was renamed, also the one that it was recorded under.
fn name(listed: &Listed) -> String {
    let id = human::id(listed.id.as_str(), ID_COLUMNS);
    match listed.glance.session_id == listed.id {
        true => id,
        false => format!("{id} (recorded as {})", human::id(listed.glance.session_id.as_str(), ID_COLUMNS)),
    }
}

fn cells(listed: &Listed) -> [String; 8] {
    let glance = &listed.glance;
    let more = if glance.approximate { "+" } else { "" };
    let flag = if glance.damaged { "!" } else { "" };
    [
        name(listed),
        format!("{}{flag}", state_word(glance.state)),
        human::time(glance.started),
        human::time(glance.last_activity),
        format!("{}{more}", glance.turns),
        format!("{}{more}", glance.errors),
        human::size(glance.bytes),
        sanitize::one_line(glance.first_prompt.as_deref().unwrap_or_default()),
    ]
}

fn state_look(glance: &Glance) -> Look {
    match glance.state {
        _ if glance.damaged => Look::Bad,
        SessionState::Live => Look::Good,
        SessionState::Interrupted => Look::Warn,
        _ => Look::Plain,
    }
}

//! `foldlog rm`: sessions to the trash, each named in full.

use super::removal::{self, Doomed, Manner};
use crate::cli::exit::{Exit, Failure, Outcome, words};
use crate::cli::select::{self, state_word};
use crate::cli::term::out::Out;
use clap::Args;
use foldlog::{ErrorKind, Reader, SessionId, SessionState, Store};

/// How many sessions are named when an abbreviation was given.
const MAX_NAMED: usize = 3;

#[derive(Args, Debug)]
pub(crate) struct RmArgs {
    /// Sessions to move to the trash: whole ids, or paths of their directories
    #[arg(value_name = "SESSION", required = true)]
    sessions: Vec<String>,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// One JSON object a session
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &RmArgs, store: &Store, out: &mut Out) -> Outcome {
    let (mut going, mut worst): (Vec<Doomed<'static>>, Exit) = (Vec::new(), Exit::Fine);
    for session in &args.sessions {
        match resolve(store, session).and_then(|(store, id)| doom(store, id)) {
            Ok(doomed) => {
                let twice = going.iter().any(|known| known.session_id == doomed.session_id);
                if doomed.spared.is_some() {
                    words(&format!("the session {session:?} is being recorded: it was left alone"));
                    worst = worst.max(Exit::Locked);
                }
                if !twice {
                    going.push(doomed);
                }
            }
            Err(failure) => worst = worst.max(failure.tell()),
        }
    }
    let manner = Manner { for_good: false, dry_run: args.dry_run, yes: args.yes, json: args.json };
    Ok(removal::carry_out(&going, &manner, out)?.max(worst))
}

/// The session of exactly this id or path. A path names its own root: the directory it is in.
fn resolve(store: &Store, session: &str) -> Result<(Store, SessionId), Failure> {
    let (found, id) = select::in_full(Ok(store.clone()), session)?;
    if found.root() == store.root() {
        return Ok((found, id));
    }
    let root = found.root().canonicalize().map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::Words(Exit::NoSession, format!("there is no session in `{session}`")),
        _ => Failure::io(error),
    })?;
    let above = root.parent().unwrap_or(&root);
    if Store::open(above)?.trash_path() == root {
        let words = format!("`{session}` is in the trash already: `prune --trash` empties it");
        return Err(Failure::usage(words));
    }
    Ok((found, id))
}

fn doom(store: Store, session_id: SessionId) -> Result<Doomed<'static>, Failure> {
    let glance = store.reader(session_id.clone()).and_then(|reader| reader.glance());
    let is_directory = || store.path_of(&session_id).symlink_metadata().is_ok_and(|found| found.is_dir());
    let glance = match glance {
        Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing(&store, &session_id, error)),
        // A file or a link is never moved: a dry run says so too.
        Err(error) if !is_directory() => return Err(error.into()),
        // Nobody could ever get rid of a session that cannot be read if that were refused here.
        Err(_) => None,
        Ok(glance) => Some(glance),
    };
    let live = match &glance {
        Some(glance) => glance.state == SessionState::Live,
        None => Reader::open(store.path_of(&session_id)).and_then(|reader| reader.is_live()).unwrap_or(false),
    };
    let id = session_id.clone();
    Ok(Doomed {
        session_id,
        state: glance.as_ref().map_or("unreadable", |glance| state_word(glance.state)),
        damaged: glance.as_ref().is_none_or(|glance| glance.damaged),
        bytes: glance.as_ref().map_or(0, |glance| glance.bytes),
        since: glance.and_then(|glance| glance.last_touched),
        spared: live.then_some("live"),
        act: Box::new(move || Ok(Some(store.trash(id.clone())?))),
    })
}

/// Says that there is no such session, and what an abbreviation may have meant.
fn missing(store: &Store, session_id: &SessionId, error: foldlog::Error) -> Failure {
    let path = store.path_of(session_id);
    if path.is_dir() {
        let words = format!("there is no session {:?}: `{}` holds no segment", session_id.as_str(), path.display());
        return Failure::Words(Exit::NoSession, words);
    }
    let ids = store.session_ids().unwrap_or_default();
    let meant = ids.iter().filter(|id| id.as_str().starts_with(session_id.as_str())).take(MAX_NAMED);
    let meant: Vec<String> = meant.map(|id| format!("{:?}", id.as_str())).collect();
    if meant.is_empty() {
        return error.into();
    }
    let id = session_id.as_str();
    let words = format!("there is no session {id:?}, and rm completes no id: give the whole of {}", meant.join(" or "));
    Failure::Words(Exit::NoSession, words)
}

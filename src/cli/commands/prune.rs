//! `foldlog prune`: what nobody has touched for long goes to the trash, and what lies in the trash goes for good.

use super::removal::{self, Doomed, Manner};
use crate::cli::exit::{Exit, Failure, Outcome, words};
use crate::cli::select::state_word;
use crate::cli::strays;
use crate::cli::term::out::Out;
use crate::cli::values::Since;
use clap::Args;
use foldlog::{ErrorKind, Glance, SessionId, SessionState, Store, Timestamp};

#[derive(Args, Debug)]
pub(crate) struct PruneArgs {
    /// What nobody has touched for so long: 12h, 30d, 4w, or since an RFC 3339 time; in the trash: what has lain there
    /// for so long
    #[arg(long, value_name = "AGE", value_parser = crate::cli::values::parse_since, required_unless_present = "trash")]
    older_than: Option<Since>,
    /// Only sessions of this workspace
    #[arg(long, value_name = "W", conflicts_with = "trash")]
    workspace: Option<String>,
    /// Empty the trash: what lies there goes for good
    #[arg(long)]
    trash: bool,
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

pub(crate) fn run(args: &PruneArgs, store: &Store, out: &mut Out) -> Outcome {
    let before = args.older_than.map_or(Timestamp::now(), Since::begins);
    let manner = Manner { for_good: args.trash, dry_run: args.dry_run, yes: args.yes, json: args.json };
    let (doomed, worst) = match args.trash {
        true => (trashed(store, before)?, Exit::Fine),
        false => old(args.workspace.as_deref(), store, before)?,
    };
    if doomed.is_empty() {
        words(&match &args.workspace {
            Some(workspace) => format!("no session of workspace {workspace:?} is that old"),
            None if args.trash => "nothing of that age is in the trash".to_owned(),
            None => "no session is that old".to_owned(),
        });
    }
    Ok(removal::carry_out(&doomed, &manner, out)?.max(worst))
}

/// The sessions that nobody has touched since, the oldest first, and those that stay although they look as old.
fn old<'a>(workspace: Option<&str>, store: &'a Store, before: Timestamp) -> Result<(Vec<Doomed<'a>>, Exit), Failure> {
    let (mut found, mut worst) = (Vec::new(), Exit::Fine);
    for id in store.session_ids()? {
        let glance = match glance(store, &id) {
            Ok(glance) => glance,
            // A directory without a segment holds no session yet, or is being deleted.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                words(&format!("session {:?} cannot be read and was left alone: {error}", id.as_str()));
                worst = Exit::No;
                continue;
            }
        };
        let place = glance.workspace_id.as_ref().map(|id| id.as_str());
        let young = glance.last_touched.is_some_and(|touched| touched >= before);
        if young || workspace.is_some_and(|wanted| place != Some(wanted)) {
            continue;
        }
        found.push(doom(store, id, &glance));
    }
    strays::name(store);
    found.sort_by(|a, b| (a.since, &a.session_id).cmp(&(b.since, &b.session_id)));
    Ok((found, worst))
}

fn doom<'a>(store: &'a Store, session_id: SessionId, listed: &Glance) -> Doomed<'a> {
    let (id, touched) = (session_id.clone(), listed.last_touched);
    let spared = match (listed.state, touched) {
        (SessionState::Live, _) => Some("live"),
        (_, None) => Some("its age cannot be told"),
        _ => None,
    };
    let act = move || {
        // Whoever was asked may have taken long to answer.
        if glance(store, &id)?.last_touched != touched {
            let words = format!("the session {:?} has been touched meanwhile: it was left alone", id.as_str());
            return Err(Failure::Words(Exit::Locked, words));
        }
        Ok(Some(store.trash(id.clone())?))
    };
    Doomed {
        session_id,
        state: state_word(listed.state),
        damaged: listed.damaged,
        bytes: listed.bytes,
        since: touched,
        spared,
        act: Box::new(act),
    }
}

fn glance(store: &Store, session_id: &SessionId) -> foldlog::Result<Glance> {
    store.reader(session_id.clone())?.glance()
}

/// What has lain in the trash since.
fn trashed(store: &Store, before: Timestamp) -> Result<Vec<Doomed<'_>>, Failure> {
    let old = store.trashed()?.into_iter().filter(|trashed| trashed.trashed_at < before);
    let doom = |trashed: foldlog::Trashed| Doomed {
        session_id: trashed.session_id.clone(),
        state: "trashed",
        damaged: false,
        bytes: trashed.bytes,
        since: Some(trashed.trashed_at),
        spared: None,
        act: Box::new(move || {
            store.delete_trashed(&trashed)?;
            Ok(None)
        }),
    };
    Ok(old.map(doom).collect())
}

//! The sessions that are recorded: as many as may be open at once. The longest idle ones are closed to open others, and
//! opened again when their next line comes.

use super::common::Common;
use super::session::Session;
use crate::cli::exit::Failure;
use foldlog::{Error, Store};
use rustix::process::{Resource, getrlimit};
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// How many sessions are open at once, at most; fewer where the process may not open so many files.
const MOST_OPEN: u64 = 10_000;

/// How many files an open session takes: its directory, the lock on it, the lock file and the segment, and one to spare.
const FILES_A_SESSION: u64 = 5;

/// How many files are left for everything else, such as the segments that an opening or a look-up reads.
const OTHER_FILES: u64 = 100;

/// When there is no room for another session, one in so many is closed, so that their syncs run beside each other.
const IDLE_PART: usize = 16;

/// How a session ended.
pub(crate) type Closed = Result<(u64, u64), Failure>;

/// The sessions by their ids.
pub(crate) struct Sessions {
    common: Rc<Common>,
    store: Store,
    open: HashMap<String, Open>,
    most_open: usize,
    /// All that were opened.
    names: HashSet<String>,
    /// How those ended that were closed because they were idle.
    closed: Vec<(String, Closed)>,
}

struct Open {
    session: Session,
    /// Its last line of input.
    last_line: u64,
}

impl Sessions {
    pub(crate) fn new(common: Rc<Common>, store: Store) -> Sessions {
        // Without a limit: as many as are allowed here.
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let most_open = (files.saturating_sub(OTHER_FILES) / FILES_A_SESSION).clamp(1, MOST_OPEN) as usize;
        let (open, names, closed) = (HashMap::new(), HashSet::new(), Vec::new());
        Sessions { common, store, open, most_open, names, closed }
    }

    /// The session of a line of input, opened if it is not open.
    pub(crate) async fn of_line(&mut self, id: &str, line: u64) -> Result<&mut Session, Error> {
        if !self.open.contains_key(id) {
            if self.open.len() >= self.most_open {
                self.close_idle().await;
            }
            let session = Session::open(&self.common, &self.store, id, !self.names.contains(id))?;
            self.names.insert(id.to_owned());
            self.open.insert(id.to_owned(), Open { session, last_line: line });
        }
        let open = self.open.get_mut(id).expect("it is open by now");
        open.last_line = line;
        Ok(&mut open.session)
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.names.len() as u64
    }

    async fn close_idle(&mut self) {
        let mut by_line: Vec<(u64, String)> = self.open.iter().map(|(id, open)| (open.last_line, id.clone())).collect();
        by_line.sort_unstable();
        by_line.truncate((self.most_open / IDLE_PART).max(1));
        let idle = by_line.into_iter().filter_map(|(_, id)| self.open.remove_entry(&id)).collect();
        let closed = close(idle, "idle").await;
        // What went well is added up, or this would grow with the run.
        for (id, closed) in closed {
            match (&closed, self.closed.first_mut()) {
                (Ok((events, unparsed)), Some((_, Ok(total)))) => *total = (total.0 + events, total.1 + unparsed),
                (Ok(_), _) => self.closed.insert(0, (id, closed)),
                (Err(_), _) => self.closed.push((id, closed)),
            }
        }
    }

    /// Closes them all; how each ended.
    pub(crate) async fn close(&mut self, reason: &str) -> Vec<(String, Closed)> {
        let mut all = std::mem::take(&mut self.closed);
        all.extend(close(std::mem::take(&mut self.open).into_iter().collect(), reason).await);
        all
    }
}

/// All at once, so that their syncs run beside each other.
async fn close(sessions: Vec<(String, Open)>, reason: &str) -> Vec<(String, Closed)> {
    let close = |(id, open): (String, Open)| {
        let reason = reason.to_owned();
        (id, tokio::task::spawn_local(async move { open.session.close(&reason).await }))
    };
    let closing: Vec<_> = sessions.into_iter().map(close).collect();
    let mut all = Vec::new();
    for (id, closed) in closing {
        let closed = match closed.await {
            Ok(closed) => closed.map_err(Failure::from),
            Err(_) => Err(Failure::usage("a session's task has panicked")),
        };
        all.push((id, closed));
    }
    all
}

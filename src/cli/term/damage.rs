//! Gaps that the log does not explain: named on stderr by every command that reads, and exit code 3.

use crate::cli::exit::{Exit, words};
use foldlog::{Gap, Reader};

/// Names the gaps that are damage, and what the journal holds that this version does not understand.
pub(crate) fn report(reader: &Reader, gaps: &[Gap]) -> Exit {
    let damage = gaps.iter().filter(|gap| !gap.explained);
    let named = damage.map(|gap| name(reader, gap)).count();
    understood(reader).max(if named > 0 { Exit::Damage } else { Exit::Fine })
}

/// Names one gap.
pub(crate) fn name(reader: &Reader, gap: &Gap) {
    name_in(reader.session_id().as_str(), gap);
}

/// Names one gap in a session.
pub(crate) fn name_in(session: &str, gap: &Gap) {
    words(&format!("damage in session {session:?}: {gap}; everything else was read"));
}

/// Says what the journal holds that this version does not understand.
pub(crate) fn understood(reader: &Reader) -> Exit {
    let Some(unsupported) = reader.unsupported() else { return Exit::Fine };
    let session = reader.session_id().as_str();
    words(&format!("session {session:?} uses {unsupported}: update foldlog to be sure to read it right"));
    Exit::No
}

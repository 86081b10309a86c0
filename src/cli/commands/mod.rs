//! The commands: one file or folder each.

pub(crate) mod compact;
pub(crate) mod completions;
pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod fold;
pub(crate) mod import;
pub(crate) mod ls;
pub(crate) mod prune;
pub(crate) mod record;
mod removal;
pub(crate) mod replay;
pub(crate) mod rm;
pub(crate) mod show;
pub(crate) mod stats;
pub(crate) mod tail;
pub(crate) mod verify;

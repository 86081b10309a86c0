//! From segments on disk to entries and gaps: readers, followers, overviews. Takes no lock and writes nothing.

mod export;
pub(crate) mod follow;
pub(crate) mod items;
pub(crate) mod overview;
pub(crate) mod reader;

//! A flight recorder for AI-agent runs: a crash-safe, append-only event log that folds back into the session it recorded.
//!
//! An agent's turns, tool calls and hand-offs are written, while it runs, as typed events to a journal: JSON Lines with a
//! checksum in every line. What was acknowledged survives a crash; what a crash cut short is told apart from what rotted;
//! nothing is ever lost in silence.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let root = tempfile::tempdir()?;
//! # let runs = root.path();
//! # let answer = ["Looking ", "at it."];
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use foldlog::{SessionRecord, Store, TextDelta, TurnEnded, TurnStarted};
//!
//! let store = Store::open(runs)?; // a root of sessions
//! let journal = store.journal("s-1")?; // lock, recover, report
//! for turn in journal.open_turns() {
//!     eprintln!("left open: {turn}");
//! }
//! journal.append(TurnStarted::new("t-1", "Fix the build"))?.await?; // on disk before we act
//! for chunk in answer {
//!     journal.push(TextDelta::new("t-1", chunk))?; // nobody waits for it
//! }
//! journal.append(TurnEnded::success("t-1"))?.await?;
//! let session: SessionRecord = store.reader("s-1")?.fold()?; // replay
//! assert_eq!(session.turns[0].response_content.as_deref(), Some("Looking at it."));
//! journal.close().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })
//! # }
//! ```
//!
//! - [`Store`] is a root directory of sessions; [`Journal`] records one, [`Reader`] reads one.
//! - [`Journal::append`] gives a [`Ticket`], which resolves when the event is as safe as was asked ([`Durability`]);
//!   [`Journal::push`] is for what nobody waits for; [`Journal::sync`] is the barrier.
//! - [`Event`] lists what can happen; [`Draft`] carries the caller's own id and time beside an event.
//! - [`Reader::items`] yields every [`Entry`] and every [`Gap`]; [`Reader::fold`] rebuilds the [`SessionRecord`];
//!   [`Reader::reduce`] folds with a [`Reducer`] of your own; [`Reader::export`] writes other formats.
//! - [`Store::compact`] makes a journal smaller; it folds into the same.
//! - [`Importer`] makes events of what other recorders wrote; [`Doctor`] finds what is wrong with their files.
//! - [`Error`] says what failed and where; [`Error::outcome`] says what that means for the event.
//!
//! The format is open: see [`_documentation::format`]. Without the feature `cli`, which builds the program, the library
//! needs about 25 crates and no async runtime.

// Modules in reading order: each imports only from modules above it. `tests/it/tidy.rs` checks this, file by file.
mod error;
mod text;
mod json;
mod model;
mod format;

mod storage;
mod segments;
mod runtime;

mod fold;
mod interop;
mod write;
mod read;
mod compact;
mod store;

pub use crate::compact::{CompactOptions, CompactReport, CompactSize, DroppedLines, LeftAlone, MergedSegments};
pub use crate::error::{Error, ErrorKind, Outcome, Result};
pub use crate::fold::prices::{Cost, Prices};
pub use crate::fold::*;
pub use crate::format::draft::{Draft, MAX_DEPTH};
pub use crate::format::line::{MAX_ID, MAX_LINE};
pub use crate::interop::doctor::{Doctor, Examined, Finding, FindingKind, Mended};
pub use crate::interop::export::options::ExportOptions;
pub use crate::interop::export::{Exported, Format, TurnRange};
pub use crate::interop::import::source::SourceFormat;
pub use crate::interop::import::{
    BrokenDocument, Brought, CaluteDocument, CaluteDocuments, Continuation, ImportCounts, ImportStep, Importer, Source,
    SourceName,
};
pub use crate::json::{Json, Metadata, Text};
pub use crate::model::cursor::Cursor;
pub use crate::model::entry::Entry;
pub use crate::model::event::*;
pub use crate::model::gap::{Gap, GapKind};
pub use crate::model::id::{MAX_DIRECTORY_NAME, SessionId, WorkspaceId};
pub use crate::model::record::*;
pub use crate::model::seq::Seq;
pub use crate::model::status::*;
pub use crate::model::time::Timestamp;
pub use crate::read::follow::{Follower, StoreCursor, StoreFollower};
pub use crate::read::items::{Found, Item, Items, LOOKUP_BYTES};
pub use crate::read::overview::Glance;
pub use crate::read::reader::{Reader, VerifyReport};
pub use crate::runtime::ticket::{Closing, HealthChange, Ticket};
pub use crate::runtime::watermark::{Durability, Health};
pub use crate::storage::{
    Access, DirEntry, DiskStorage, EntryKind, FileId, FileStatus, Storage, StorageDir, StorageFile,
};
pub use crate::store::Store;
pub use crate::store::journal::Journal;
pub use crate::store::lookup::Lookup;
pub use crate::store::trash::Trashed;
pub use crate::text::likeness::did_you_mean;
pub use crate::text::money::dollars;
pub use crate::text::reveal::reveal;
pub use crate::write::append_error::Refused;
pub use crate::write::open::Caveat;
pub use crate::write::options::{JournalOptions, OnFull};
pub use crate::write::ready::Room;
pub use crate::write::recovery::Recovery;

/// The project's documents, as they stand in `docs/`.
pub mod _documentation {
    #[doc = include_str!("../README.md")]
    pub mod readme {}
    #[doc = include_str!("../docs/FORMAT.md")]
    pub mod format {}
    #[doc = include_str!("../docs/IMPORT.md")]
    pub mod import {}
    #[doc = include_str!("../docs/EXPORT.md")]
    pub mod export {}
    #[doc = include_str!("../docs/DESIGN.md")]
    pub mod design {}
    #[doc = include_str!("../docs/ARCHITECTURE.md")]
    pub mod architecture {}
    #[doc = include_str!("../docs/RELIABILITY.md")]
    pub mod reliability {}
    #[doc = include_str!("../docs/SECURITY.md")]
    pub mod security {}
    #[doc = include_str!("../docs/PERFORMANCE.md")]
    pub mod performance {}
    #[doc = include_str!("../docs/CHANGELOG.md")]
    pub mod changelog {}
}

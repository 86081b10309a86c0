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

// Modules in reading order: a file imports only from rows above its own, and within a row from what stands before it.
mod words;
mod seq;
mod error;
mod time;
mod quote;
mod plain;
mod skim;
mod fit;
mod json;
mod reveal;
mod id;
mod likeness;
mod status;
mod record;
mod event;
mod storage;

mod gap;
mod entry;
mod activity;

mod cursor;
mod line;
mod draft;
mod mend;
mod import;
mod doctor;
mod watermark;
mod options;
mod pool;
mod prices;

mod fold;
mod redact;
mod export;
mod segment;
mod ours;
mod prefill;
mod block;
mod scan;
mod verdict;
mod seen;
mod sift;

mod place;
mod files;
mod replaced;
mod lock;
mod items;
mod reader;
mod exporting;
mod glance;
mod survey;
mod recovery;
mod active;
mod commit;

mod queue;
mod writer;
mod opening;
mod follow;
mod trash;
mod compact;

mod lookup;
mod journal;
mod store;

pub use crate::compact::{CompactOptions, CompactReport, CompactSize, DroppedLines, LeftAlone, MergedSegments};
pub use crate::cursor::Cursor;
pub use crate::doctor::{Doctor, Examined, Finding, FindingKind, Mended};
pub use crate::draft::{Draft, MAX_DEPTH};
pub use crate::entry::Entry;
pub use crate::error::{Error, ErrorKind, Outcome, Result};
pub use crate::event::*;
pub use crate::export::{ExportOptions, Exported, Format, TurnRange};
pub use crate::fold::*;
pub use crate::follow::{Follower, StoreCursor, StoreFollower};
pub use crate::gap::{Gap, GapKind};
pub use crate::glance::Glance;
pub use crate::id::{MAX_DIRECTORY_NAME, SessionId, WorkspaceId};
pub use crate::import::{
    BrokenDocument, Brought, CaluteDocument, CaluteDocuments, Continuation, ImportCounts, ImportStep, Importer, Source,
    SourceFormat, SourceName,
};
pub use crate::items::{Found, Item, Items, LOOKUP_BYTES};
pub use crate::journal::{Journal, Refused, Room};
pub use crate::json::{Json, Metadata, Text};
pub use crate::likeness::did_you_mean;
pub use crate::line::{MAX_ID, MAX_LINE};
pub use crate::lookup::Lookup;
pub use crate::opening::Caveat;
pub use crate::options::{JournalOptions, OnFull};
pub use crate::prices::{Cost, Prices};
pub use crate::reader::{Reader, VerifyReport};
pub use crate::record::*;
pub use crate::recovery::Recovery;
pub use crate::reveal::reveal;
pub use crate::seq::Seq;
pub use crate::status::*;
pub use crate::storage::{
    Access, DirEntry, DiskStorage, EntryKind, FileId, FileStatus, Storage, StorageDir, StorageFile,
};
pub use crate::store::Store;
pub use crate::time::Timestamp;
pub use crate::trash::Trashed;
pub use crate::watermark::{Closing, Durability, Health, HealthChange, Ticket};

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

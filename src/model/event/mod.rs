//! What can happen: the table of event types, the payload of each, and how they are written.
//!
//! Decoding takes two steps: the envelope by hand (`format/line`), then `data` once, straight into the payload of its type.
//! serde's internal tagging and `flatten` are not used anywhere: under `arbitrary_precision` they break numbers
//! (serde-rs/serde#1183). A known type with a bad payload is an error; an unknown type is an [`Unknown`].

pub(crate) mod custom;
mod declared;
mod encode;
mod fast_path;
mod members;
mod parts;
mod payload;
mod recorded;
mod spending;
mod table;
mod transition;
mod unknown;

pub use custom::*;
pub use members::{MAX_UNKNOWN_MEMBERS, UnknownMember};
pub use parts::*;
pub use payload::*;
pub use recorded::*;
pub(crate) use spending::Fork;
pub use spending::Spending;
pub use table::{EVENT_TYPES, Event};

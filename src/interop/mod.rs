//! Formats of other programs: import, export, examination of damaged files, redaction. Pure: bytes in, bytes out.

pub(crate) mod doctor;
pub(crate) mod export;
pub(crate) mod import;
mod jsonl;
mod redact;

//! What the program prints: data on stdout, messages on stderr.

pub(crate) mod damage;
pub(crate) mod entry_rows;
pub(crate) mod human;
pub(crate) mod json;
pub(crate) mod notices;
pub(crate) mod out;
pub(crate) mod progress;
pub(crate) mod sanitize;
pub(crate) mod table;

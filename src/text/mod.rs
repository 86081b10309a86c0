//! Texts: counts, costs and reasons in messages, hidden characters, likely misspellings. Knows nothing of journals.

pub(crate) mod likeness;
pub(crate) mod money;
pub(crate) mod phrases;
pub(crate) mod reveal;

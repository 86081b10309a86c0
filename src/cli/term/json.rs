//! JSON output: one object on one line that begins with its version.

use crate::cli::exit::{Exit, Failure};

/// A value as the JSON of the contract: one object on one line that begins with `"v":1`.
pub(crate) fn versioned(value: &impl serde::Serialize) -> Result<String, Failure> {
    let json = serde_json::to_string(value);
    let json = json.map_err(|error| Failure::Words(Exit::Io, format!("cannot be written as JSON: {error}")))?;
    // Not by serde's `flatten`, which does not keep raw JSON as it is.
    Ok(match json.strip_prefix('{') {
        Some("}") | None => json,
        Some(members) => format!("{{\"v\":1,{members}"),
    })
}

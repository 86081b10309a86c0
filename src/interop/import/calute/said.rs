//! What a user said while a turn ran, as the fold keeps it in the turn's metadata.

use crate::json::{Json, Metadata};
use crate::model::event::Attachment;
use crate::model::record::{TurnRecord, USER_MESSAGES};
use serde::Deserialize;
use std::collections::HashMap;

#[derive(PartialEq, Deserialize)]
pub(super) struct Said {
    #[serde(default)]
    pub(super) time: String,
    pub(super) text: String,
    #[serde(default)]
    pub(super) attachments: Vec<Attachment>,
    #[serde(default)]
    pub(super) metadata: Metadata,
}

/// None if nothing was said, or if the value is not the fold's.
pub(super) fn in_turn(turn: &TurnRecord) -> Vec<Said> {
    turn.metadata.get(USER_MESSAGES).and_then(|said| said.decode().ok()).unwrap_or_default()
}

/// Those of them that the turn did not have before.
pub(super) fn new_ones(said: Vec<Said>, before: Option<&TurnRecord>) -> Vec<Said> {
    let mut known: HashMap<(String, String), Vec<Said>> = HashMap::new();
    for one in before.map(in_turn).unwrap_or_default() {
        known.entry((one.time.clone(), one.text.clone())).or_default().push(one);
    }
    let mut said = said;
    said.retain(|one| !known.get(&(one.time.clone(), one.text.clone())).is_some_and(|known| known.contains(one)));
    said
}

/// A turn without what becomes events of their own.
pub(super) fn left_out(raw: &str) -> String {
    let stripped = serde_json::from_str::<Metadata>(raw).and_then(|mut turn| {
        if let Some(metadata) = turn.get_mut("metadata") {
            let mut own: Metadata = metadata.decode()?;
            own.shift_remove(USER_MESSAGES);
            *metadata = Json::new(&own)?;
        }
        serde_json::to_string(&turn)
    });
    stripped.unwrap_or_else(|_| raw.to_owned())
}

//! What a line of input may have been meant to say: names that are not known and resemble one that is. Decides from the
//! line alone.

use super::parse::Envelope;
use foldlog::{EVENT_TYPES, Event, did_you_mean};

/// The members of an envelope that have a meaning in input, with other names that people use for them.
const MEMBERS: &[(&str, &[&str])] = &[
    ("type", &["event", "kind", "event_type", "eventType"]),
    ("data", &["payload", "body", "event_data", "properties", "params"]),
    ("time", &["ts", "timestamp", "at", "when", "date", "datetime", "created_at"]),
    ("id", &["event_id", "eventId", "uuid", "key", "idempotency_key"]),
    ("session", &["session_id", "sessionId"]),
];

/// Everything about a line that looks like a mistake, a sentence each. Nothing about one from a journal.
pub(crate) fn hints(envelope: &Envelope<'_>, many: bool) -> Vec<String> {
    let Some(type_name) = envelope.type_name() else { return about_envelope(envelope, "", many) };
    let mut hints = about_envelope(envelope, type_name, many);
    hints.extend(about_type(type_name));
    let data = envelope.data();
    for unknown in Event::unknown_members(type_name, data) {
        let beside = ["id", "time"].into_iter().find(|name| *name == unknown.name && !envelope.has(name));
        match (unknown.did_you_mean(), beside) {
            (Some(_), _) => hints.push(unknown.to_string()),
            (None, Some(name)) => hints.push(format!("unknown member `{name}`: did you mean `{name}` beside `data`?")),
            (None, None) => {}
        }
    }
    hints.extend(about_status(type_name, data));
    hints
}

/// What an unknown type may have been meant to be; `None` for a type that is the user's own by its form.
fn about_type(type_name: &str) -> Option<String> {
    if EVENT_TYPES.contains(&type_name) || type_name.contains('.') {
        return None;
    }
    Some(match did_you_mean(type_name, EVENT_TYPES.iter().copied()) {
        Some(meant) => format!("unknown event type `{type_name}`: recorded as it is; did you mean `{meant}`?"),
        None => format!(
            "unknown event type `{type_name}`: recorded as it is; a type with a dot in it is never taken for a mistake"
        ),
    })
}

fn about_envelope(envelope: &Envelope<'_>, type_name: &str, many: bool) -> Vec<String> {
    let absent = || MEMBERS.iter().filter(|(name, _)| !envelope.has(name) && (many || *name != "session"));
    let inside = Event::member_names(type_name);
    let mut hints = Vec::new();
    for name in envelope.others() {
        let alias = absent().find(|(_, aliases)| aliases.contains(&name)).map(|(meant, _)| *meant);
        let meant = alias.or_else(|| did_you_mean(name, absent().map(|(name, _)| *name)));
        if let Some(meant) = meant {
            hints.push(format!("unknown member `{name}`: did you mean `{meant}`?"));
        } else if inside.contains(&name) {
            hints.push(format!("unknown member `{name}`: did you mean `{name}` inside `data`?"));
        }
    }
    hints
}

fn about_status(type_name: &str, data: &str) -> Vec<String> {
    // Decoding once more is for the few events that have one.
    if !data.contains("\"status\"") {
        return Vec::new();
    }
    let event = Event::decode(type_name, data);
    event.map_or_else(|_| Vec::new(), |event| event.unknown_statuses().iter().map(ToString::to_string).collect())
}

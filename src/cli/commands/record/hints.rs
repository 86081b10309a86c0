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

/// Something about a line that looks like a mistake.
#[derive(Debug)]
pub(crate) enum Hint {
    /// A member that is not known, with what it may have been meant to be.
    Member(String),
    /// A status that is not known, likewise.
    Status(String),
    /// A type that is not known, and what to do about it.
    Type { name: String, advice: String },
    /// Members beside `data` that resemble none that is known.
    Unstored(String),
}

impl Hint {
    /// What is said where the line is recorded all the same.
    pub(crate) fn warning(&self) -> String {
        match self {
            Hint::Member(text) | Hint::Status(text) => text.clone(),
            Hint::Type { name, advice } => format!("unknown event type `{name}`: recorded as it is; {advice}"),
            Hint::Unstored(what) => format!("{what}: not stored; {INSIDE}"),
        }
    }

    /// What is said where it is not, with `--strict`.
    pub(crate) fn refusal(&self) -> String {
        match self {
            Hint::Member(text) | Hint::Status(text) => text.clone(),
            Hint::Type { name, advice } => format!("unknown event type `{name}`: {advice}"),
            Hint::Unstored(what) => format!("{what}: {INSIDE}"),
        }
    }

    /// What may have been meant by a member.
    pub(crate) fn of_a_member(&self) -> Option<&str> {
        match self {
            Hint::Member(text) => Some(text),
            _ => None,
        }
    }

    /// Whether it is about what is meant to be there: said once for each member, since it comes with every line.
    pub(crate) fn is_said_once(&self) -> bool {
        matches!(self, Hint::Unstored(_))
    }
}

const INSIDE: &str = "what an event says belongs inside `data`";

/// Everything about a line that looks like a mistake, a sentence each. Of one from a journal, only what is not stored.
pub(crate) fn hints(envelope: &Envelope<'_>, many: bool) -> Vec<Hint> {
    let type_name = envelope.type_name().unwrap_or_default();
    let mut hints = about_envelope(envelope, type_name, many);
    if type_name.is_empty() || envelope.is_from_a_journal() {
        return hints;
    }
    hints.extend(about_type(type_name));
    let data = envelope.data();
    for unknown in Event::unknown_members(type_name, data) {
        let beside = ["id", "time"].into_iter().find(|name| *name == unknown.name && !envelope.has(name));
        match (unknown.did_you_mean(), beside) {
            (Some(_), _) => hints.push(Hint::Member(unknown.to_string())),
            (None, Some(name)) => {
                hints.push(Hint::Member(format!("unknown member `{name}`: did you mean `{name}` beside `data`?")));
            }
            (None, None) => {}
        }
    }
    hints.extend(about_status(type_name, data));
    hints
}

/// What an unknown type may have been meant to be; `None` for a type that is the user's own by its form.
fn about_type(type_name: &str) -> Option<Hint> {
    if EVENT_TYPES.contains(&type_name) || type_name.contains('.') {
        return None;
    }
    let advice = match did_you_mean(type_name, EVENT_TYPES.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => "a type with a dot in it is never taken for a mistake".to_owned(),
    };
    Some(Hint::Type { name: type_name.to_owned(), advice })
}

fn about_envelope(envelope: &Envelope<'_>, type_name: &str, many: bool) -> Vec<Hint> {
    let absent = || MEMBERS.iter().filter(|(name, _)| !envelope.has(name) && (many || *name != "session"));
    let inside = Event::member_names(type_name);
    let mut hints = Vec::new();
    for name in envelope.others() {
        let alias = absent().find(|(_, aliases)| aliases.contains(&name)).map(|(meant, _)| *meant);
        let meant = alias.or_else(|| did_you_mean(name, absent().map(|(name, _)| *name)));
        hints.push(if let Some(meant) = meant {
            Hint::Member(format!("unknown member `{name}`: did you mean `{meant}`?"))
        } else if inside.contains(&name) {
            Hint::Member(format!("unknown member `{name}`: did you mean `{name}` inside `data`?"))
        } else {
            Hint::Unstored(format!("unknown member `{name}`"))
        });
    }
    match envelope.more_others() {
        0 => {}
        1 => hints.push(Hint::Unstored("1 more unknown member".to_owned())),
        more => hints.push(Hint::Unstored(format!("{more} more unknown members"))),
    }
    hints
}

fn about_status(type_name: &str, data: &str) -> Vec<Hint> {
    // Decoding once more is for the few events that have one.
    if !data.contains("\"status\"") {
        return Vec::new();
    }
    let event = Event::decode(type_name, data);
    let Ok(event) = event else { return Vec::new() };
    event.unknown_statuses().iter().map(|status| Hint::Status(status.to_string())).collect()
}

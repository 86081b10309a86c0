//! foldlog's own segments, damaged ones too: every whole entry whose checksum holds, in order.

use crate::format::draft::Draft;
use crate::format::line::{self, Decoded};
use crate::interop::import::mapper::{Identity, Mapper, Row};
use crate::interop::import::source::SourceFormat;
use crate::interop::import::{Fate, Out};
use crate::json::members::Object;
use crate::json::{Json, Metadata};

pub(super) const ROW: Row = Row {
    format: SourceFormat::Foldlog,
    name: "foldlog",
    is_record,
    speaks: |_| true,
    identify,
    mapper: |source| Box::new(Segments { session_id: source.session_id.to_string(), last: 0 }),
};

fn is_record(text: &str, _: &Object<'_>) -> bool {
    !matches!(line::decode(text.as_bytes()), Decoded::Bad | Decoded::Foreign)
}

fn identify(record: &Object<'_>, known: &mut Identity) {
    if record.raw("foldlog").is_some() && known.session_id.is_none() {
        known.session_id = record.text("session_id").map(|id| id.into_string());
    }
    if known.time.is_none() {
        known.time = record.time("created").or_else(|| record.time("time"));
    }
}

struct Segments {
    /// The session that they become.
    session_id: String,
    /// The number of the last entry.
    last: u64,
}

impl Mapper for Segments {
    fn record(&mut self, text: &str, out: &mut Out) -> Fate {
        let entry = match line::decode(text.as_bytes()) {
            Decoded::Header(_) => return Fate::Kept("header".into()),
            Decoded::Bad | Decoded::Foreign => return Fate::Refused("its checksum does not hold"),
            Decoded::Entry(entry) => entry,
        };
        if entry.seq().get() <= self.last {
            return Fate::Kept("again".into());
        }
        self.last = entry.seq().get();
        if entry.is_recorders_own() {
            return Fate::Kept(entry.type_name().to_owned().into());
        }
        let data = match entry.type_name() {
            "session_started" => self.renamed(entry.data()),
            _ => None,
        };
        match Draft::from_json(entry.type_name(), data.as_deref().unwrap_or(entry.data())) {
            Ok(draft) => {
                let draft = draft.time(entry.time());
                out.push(match entry.id() {
                    Some(id) => draft.id(id),
                    None => draft,
                });
                Fate::Mapped
            }
            Err(_) => Fate::Unknown(entry.type_name().to_owned()),
        }
    }
}

impl Segments {
    /// The data of a `session_started` with the id of the session that it starts now.
    fn renamed(&self, data: &str) -> Option<String> {
        let mut members: Metadata = serde_json::from_str(data).ok()?;
        members.insert("session_id".to_owned(), Json::string(&self.session_id));
        serde_json::to_string(&members).ok()
    }
}

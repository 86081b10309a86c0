//! The event that marks an imported session with the file that it came from.

use crate::format::draft::Draft;
use crate::interop::import::Source;
use crate::interop::import::source::SourceFormat;
use crate::json::Json;
use crate::json::members::Object;
use crate::model::event::Custom;
use serde::Serialize;

/// The event that tells an imported session from others, and what it was imported from.
pub(crate) fn mark(format: SourceFormat, fingerprint: &str) -> Draft {
    let mark = ImportMark { format: format.name(), fingerprint };
    Draft::from(Custom::new(ImportMark::NAME, Json::new(&mark).unwrap_or_else(|_| Json::null())))
}

#[derive(Serialize)]
pub(crate) struct ImportMark<'a> {
    format: &'a str,
    fingerprint: &'a str,
}

impl ImportMark<'_> {
    const NAME: &'static str = "foldlog.imported";
}

impl Source {
    /// The name of the format that a session was imported from, if this `custom` event says that it was imported.
    pub fn format_named_by(custom: &Custom<'_>) -> Option<String> {
        let mark = Object::parse(custom.value.as_str()).filter(|_| custom.name == ImportMark::NAME)?;
        Some(mark.text("format").unwrap_or_default().into_string())
    }

    /// Whether a `custom` event names the first line of this file.
    pub fn is_named_by(&self, custom: &Custom<'_>) -> bool {
        let Some(mark) = Object::parse(custom.value.as_str()) else { return false };
        // A document is rewritten whole: its first line does not stay.
        let same = || mark.text("fingerprint").as_deref() == Some(&*self.fingerprint);
        Source::format_named_by(custom).as_deref() == Some(self.format.name())
            && (self.format == SourceFormat::Calute || same())
    }
}

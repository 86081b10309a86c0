//! A finding: what is wrong, where, and what becomes of it.

use serde::Serialize;
use std::fmt;

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $damage:literal, $words:literal, $saved:literal, $lost:literal;)+) => {
        /// What kind of thing is wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum FindingKind {
            $($(#[$doc])* $variant,)+
        }

        impl FindingKind {
            /// Every kind.
            pub const ALL: &[FindingKind] = &[$(FindingKind::$variant),+];

            /// The kind's name, as `doctor --json` writes it.
            pub fn as_str(self) -> &'static str {
                match self { $(FindingKind::$variant => $name,)+ }
            }

            /// Whether it is damage. Anything else is only worth knowing.
            pub fn is_damage(self) -> bool {
                match self { $(FindingKind::$variant => $damage,)+ }
            }

            /// What is wrong, in words.
            pub fn words(self) -> &'static str {
                match self { $(FindingKind::$variant => $words,)+ }
            }

            /// What can be saved.
            pub fn saved(self) -> &'static str {
                match self { $(FindingKind::$variant => $saved,)+ }
            }

            /// What cannot be saved.
            pub fn lost(self) -> &'static str {
                match self { $(FindingKind::$variant => $lost,)+ }
            }
        }
    };
}

kinds! {
    /// The file ends in the middle of a record.
    TornTail = "torn_tail", true, "the file ends in the middle of a record", "every record before it", "that record";
    /// A record that was cut short, with more lines behind it.
    TornRecord = "torn_record", true, "a record that was cut short", "every other record", "that record";
    /// A record that was cut short, with another on the same line.
    Glued = "glued", true, "a record that was cut short, with another glued to it", "the whole record", "the one that was cut short";
    /// A record that was cut short, and then written again on the same line.
    GluedAgain = "glued_again", true, "the beginning of a record, with the same record glued to it", "the record, whole", "";
    /// Two records on a line, or a last line without its line break.
    MissingNewline = "missing_newline", true, "a line break is missing", "every record", "";
    /// Bytes that are zero.
    NulRun = "nul_run", true, "NUL bytes", "the records around them", "what stood in their place";
    /// Bytes that are not UTF-8.
    InvalidUtf8 = "invalid_utf8", true, "bytes that are not UTF-8", "the record, with U+FFFD in their place", "those bytes";
    /// Half of a surrogate pair.
    LoneSurrogate = "lone_surrogate", true, "an escape for half of a surrogate pair", "the record, with U+FFFD in its place", "half a character";
    /// A byte-order mark at the beginning.
    Bom = "bom", true, "a byte-order mark at the beginning", "everything", "";
    /// A line break of two bytes.
    Crlf = "crlf", true, "line breaks of two bytes (CR LF)", "everything", "";
    /// JSON, but not an object.
    NotObject = "not_object", true, "JSON, but not an object", "every other record", "that value";
    /// Not JSON at all.
    NotJson = "not_json", true, "not JSON", "every other record", "those bytes";
    /// Nested too deep to be read.
    TooDeep = "too_deep", true, "nested deeper than 127 levels", "every other record", "that record: readers fail on it";
    /// Longer than a line may be here.
    TooLong = "too_long", true, "longer than 64 MiB", "it is copied as it is, and was not looked into", "";
    /// Nothing in it.
    Empty = "empty", true, "the file is empty", "", "whatever was in it";
    /// A document that cannot be read whole.
    BrokenDocument = "broken_document", true, "a document that cannot be read whole", "each of its turns that is whole", "the rest of it";
    /// A line of foldlog's whose checksum does not hold.
    BadChecksum = "bad_checksum", true, "the checksum does not hold", "every other entry", "that entry: its bytes are not what was written";
    /// The same record again, byte for byte.
    DuplicateRecord = "duplicate_record", true, "the same record again", "the record, once", "";
    /// An id that an earlier, different record bears.
    DuplicateId = "duplicate_id", true, "an id that another record bears", "both records, as they are", "which of them is meant";
    /// A record without the id that its kind needs.
    MissingId = "missing_id", true, "a record without an id", "the record, as it is", "what refers to it";
    /// A result whose call is nowhere.
    OrphanResult = "orphan_result", true, "the result of a call that is nowhere", "the result, as it is", "the call";
    /// A result that stands before its call.
    ResultBeforeCall = "result_before_call", true, "a result before its call", "both, as they are", "";
    /// A call whose result never came, although the session went on.
    OrphanCall = "orphan_call", true, "a call whose result never came", "the call, as it is", "the result: it was never written";
    /// A parent that is nowhere.
    BrokenParent = "broken_parent", true, "a parent that is nowhere", "the record, linked to the one before it", "what stood between them";
    /// The record that such files begin with is not there.
    MissingHeader = "missing_header", true, "does not begin with the record that begins such a file", "every record", "that record: it is not invented";
    /// A record of another session.
    ForeignSession = "foreign_session", true, "a record of another session", "the record, as it is", "";
    /// A number that should have come is missing.
    SequenceGap = "sequence_gap", true, "numbers are missing before it", "every record that is there", "those between";
    /// A number that has been before.
    SequenceAgain = "sequence_again", true, "a number that has been before", "both records, as they are", "which of them is meant";
    /// A turn that is running starts again.
    TurnStartedTwice = "turn_started_twice", true, "a turn that is running starts again", "both records, as they are", "";
    /// Characters at which some readers split lines.
    LineSeparator = "line_separator", false, "U+2028, U+2029 or U+0085 inside a line: some readers split it there", "everything, with the characters escaped", "";
    /// A parent that comes later.
    ParentLater = "parent_later", false, "a parent that comes later", "everything", "";
    /// A time before that of the record before.
    ClockBack = "clock_back", false, "the clock went back", "everything", "";
    /// A call at the end whose result has not come yet.
    OpenCall = "open_call", false, "a call at the end without its result: still running, or cut off", "everything", "";
    /// A version that is newer than what we know.
    NewerVersion = "newer_version", false, "a version of the format that is newer than what we know", "everything", "";
}

impl fmt::Display for FindingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for FindingKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A place where something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The line, counted from 1.
    pub line: u64,
    /// Where it begins, in bytes from the beginning of the file.
    pub byte: u64,
    /// How many bytes it has; 0 if something is missing there.
    pub bytes: u64,
    /// What it is.
    #[serde(rename = "class")]
    pub kind: FindingKind,
}

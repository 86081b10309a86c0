//! How turns and calls stand: the words, the one table of synonyms, and what a word means beside an error.
//!
//! The log and the record keep a word as it came; every count, state, view and export goes by its [`StatusMeaning`].

use crate::text::likeness::{MAX_WORD, did_you_mean};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// What the status and the error of a turn, tool call or model call together mean.
///
/// A non-empty error means a failure, whatever the status says. Without one the word counts, a synonym as the word that it
/// stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StatusMeaning {
    /// It ended well.
    Success,
    /// It ended in an error.
    Error,
    /// It took too long: a failure too. Calls only.
    Timeout,
    /// Somebody stopped it. Turns only.
    Cancelled,
    /// It was not carried out. Calls only.
    Skipped,
    /// It has started and not ended.
    Running,
    /// Its turn, its recording or its session ended before it did.
    Interrupted,
    /// It ended, and with a word that this version does not know: neither a success nor a failure.
    Unknown,
}

/// The other words for a status, and the status that each means.
const SYNONYMS: &[(&str, &str)] = &[
    ("failed", "error"),
    ("failure", "error"),
    ("fail", "error"),
    ("ok", "success"),
    ("completed", "success"),
    ("done", "success"),
    ("canceled", "cancelled"),
    ("timed_out", "timeout"),
];

impl StatusMeaning {
    /// The word for it: that of the status, or `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            StatusMeaning::Success => "success",
            StatusMeaning::Error => "error",
            StatusMeaning::Timeout => "timeout",
            StatusMeaning::Cancelled => "cancelled",
            StatusMeaning::Skipped => "skipped",
            StatusMeaning::Running => "running",
            StatusMeaning::Interrupted => "interrupted",
            StatusMeaning::Unknown => "unknown",
        }
    }

    /// Whether it ended in an error or a time-out.
    pub fn is_failure(self) -> bool {
        matches!(self, StatusMeaning::Error | StatusMeaning::Timeout)
    }

    /// Whether it has ended. An interruption ends nothing.
    pub fn is_over(self) -> bool {
        !matches!(self, StatusMeaning::Running | StatusMeaning::Interrupted)
    }

    fn beside(self, error: Option<&str>) -> StatusMeaning {
        match error.is_some_and(|error| !error.is_empty()) && !self.is_failure() {
            true => StatusMeaning::Error,
            false => self,
        }
    }
}

impl fmt::Display for StatusMeaning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! status {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
            /// Any other status, kept as it came.
            Other(String),
        }

        impl $name {
            /// The words of this version. Synonyms and all other words are read as [`Other`](Self::Other).
            pub const WORDS: &[&str] = &[$($text),+];

            /// The status as it is written.
            pub fn as_str(&self) -> &str {
                match self {
                    $($name::$variant => $text,)+
                    $name::Other(text) => text,
                }
            }

            /// How something ended: as its end says, else by whether that has an error.
            pub(crate) fn ended(given: Option<$name>, error: Option<&str>) -> $name {
                given.unwrap_or(match error {
                    None | Some("") => $name::Success,
                    Some(_) => $name::Error,
                })
            }

            /// What it means beside this error.
            pub fn meaning(&self, error: Option<&str>) -> StatusMeaning {
                let alone = match self {
                    $($name::$variant => StatusMeaning::$variant,)+
                    $name::Other(word) => match synonym(word).map($name::from) {
                        $(Some($name::$variant) => StatusMeaning::$variant,)+
                        _ => StatusMeaning::Unknown,
                    },
                };
                alone.beside(error)
            }

            /// The word to show beside this error: that of the meaning, or the one that came if nobody knows it.
            pub(crate) fn shown(&self, error: Option<&str>) -> &str {
                match self.meaning(error) {
                    StatusMeaning::Unknown => self.as_str(),
                    known => known.as_str(),
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> $name {
                match text {
                    $($text => $name::$variant,)+
                    other => $name::Other(other.to_owned()),
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                String::deserialize(deserializer).map(|text| $name::from(text.as_str()))
            }
        }
    };
}

status! {
    /// How a turn stands.
    TurnStatus {
        /// It ended well.
        #[default] Success = "success",
        /// It ended in an error.
        Error = "error",
        /// Somebody stopped it.
        Cancelled = "cancelled",
        /// It has started and not ended.
        Running = "running",
        /// Its recording or its session ended before it did.
        Interrupted = "interrupted",
    }
}

status! {
    /// How a tool call or a model call stands.
    ToolCallStatus {
        /// It ended well.
        #[default] Success = "success",
        /// It ended in an error.
        Error = "error",
        /// It took too long.
        Timeout = "timeout",
        /// It was not carried out.
        Skipped = "skipped",
        /// It has started and not ended.
        Running = "running",
        /// Its turn, its recording or its session ended before it did.
        Interrupted = "interrupted",
    }
}

fn synonym(word: &str) -> Option<&'static str> {
    SYNONYMS.iter().find(|(synonym, _)| *synonym == word).map(|(_, status)| *status)
}

/// A status that this version does not know, in an event that brought no error beside it.
///
/// It counts as neither success nor failure. [`Event::unknown_statuses`](crate::Event::unknown_statuses) finds them; its
/// `Display` names the word, and the one that may have been meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct UnknownStatus {
    /// What has it: `turn`, `tool call` or `model call`.
    pub of: &'static str,
    /// The word as it came.
    pub word: String,
    /// The words that this version knows there.
    pub known: &'static [&'static str],
}

impl UnknownStatus {
    pub(crate) fn of_turn(status: &TurnStatus, error: Option<&str>) -> Option<UnknownStatus> {
        UnknownStatus::new("turn", status.as_str(), status.meaning(error), TurnStatus::WORDS)
    }

    /// `of`: `tool call` or `model call`.
    pub(crate) fn of_call(of: &'static str, status: &ToolCallStatus, error: Option<&str>) -> Option<UnknownStatus> {
        UnknownStatus::new(of, status.as_str(), status.meaning(error), ToolCallStatus::WORDS)
    }

    fn new(
        of: &'static str,
        word: &str,
        meaning: StatusMeaning,
        known: &'static [&'static str],
    ) -> Option<UnknownStatus> {
        (meaning == StatusMeaning::Unknown).then(|| UnknownStatus { of, word: word.to_owned(), known })
    }

    /// The known word, or synonym of one, that it is most like; none if it is like none.
    pub fn did_you_mean(&self) -> Option<&'static str> {
        let synonyms = SYNONYMS.iter().filter(|(_, status)| self.known.contains(status)).map(|(synonym, _)| *synonym);
        did_you_mean(&self.word, self.known.iter().copied().chain(synonyms))
    }
}

impl fmt::Display for UnknownStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word: String = self.word.chars().take(MAX_WORD).map(|c| if c.is_control() { '?' } else { c }).collect();
        let cut = if self.word.chars().nth(MAX_WORD).is_some() { "..." } else { "" };
        write!(f, "unknown status `{word}{cut}` of a {}: ", self.of)?;
        match self.did_you_mean() {
            Some(meant) => write!(f, "did you mean `{meant}`?"),
            None => write!(f, "expected one of {}", self.known.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_synonym_means_a_word_that_a_turn_or_a_call_knows() {
        for (synonym, status) in SYNONYMS {
            let turn = TurnStatus::from(*synonym).meaning(None);
            let call = ToolCallStatus::from(*synonym).meaning(None);
            let meanings = [(turn, TurnStatus::WORDS), (call, ToolCallStatus::WORDS)];
            for (meaning, words) in meanings {
                assert_eq!(words.contains(status), meaning.as_str() == *status, "{synonym}");
                assert_eq!(words.contains(status), meaning != StatusMeaning::Unknown, "{synonym}");
            }
        }
    }

    #[test]
    fn an_error_makes_a_failure_of_everything_but_an_empty_one() {
        for word in ["success", "ok", "cancelled", "running", "interrupted", "no idea", ""] {
            assert_eq!(TurnStatus::from(word).meaning(Some("boom")), StatusMeaning::Error, "{word}");
            assert!(!TurnStatus::from(word).meaning(Some("")).is_failure(), "{word}");
            assert!(!TurnStatus::from(word).meaning(None).is_failure(), "{word}");
        }
        assert_eq!(ToolCallStatus::from("timed_out").meaning(Some("late")), StatusMeaning::Timeout);
        assert_eq!(ToolCallStatus::from("failed").meaning(None), StatusMeaning::Error);
    }

    #[test]
    fn a_word_that_nobody_knows_is_shown_with_what_was_meant() {
        for (word, meant) in [
            ("sucess", Some("success")),
            ("Success", Some("success")),
            ("timed-out", Some("timed_out")),
            ("eror", Some("error")),
            ("runing", Some("running")),
            ("cancelled", None),
            ("", None),
            ("paused", None),
            ("é\u{1b}[31m", None),
        ] {
            let unknown = UnknownStatus::of_call("tool call", &ToolCallStatus::from(word), None);
            let unknown = unknown.unwrap_or_else(|| panic!("{word} is not known"));
            assert_eq!(unknown.did_you_mean(), meant, "{word}");
            assert!(!unknown.to_string().contains('\u{1b}'));
        }
        let long = UnknownStatus::of_turn(&TurnStatus::from("x".repeat(1000).as_str()), None).expect("unknown");
        assert!(long.to_string().len() < 150, "{long}");
        assert_eq!(UnknownStatus::of_turn(&TurnStatus::from("no idea"), Some("but an error")), None);
    }
}

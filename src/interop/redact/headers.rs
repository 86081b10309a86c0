//! The secrets in `Authorization`, `Cookie` and `Set-Cookie` headers.

use crate::interop::redact::bytes::{LINE, LONGEST, is_blank, is_dotted, is_quote, run, skip, word};
use crate::interop::redact::names::Meaning;
use crate::interop::redact::values;
use std::ops::Range;

/// What an `Authorization` header gives, after the name of its scheme.
pub(crate) fn credentials(text: &[u8], from: usize) -> Option<Range<usize>> {
    const SCHEMES: &[&str] =
        &["bearer", "basic", "token", "apikey", "api-key", "key", "bot", "ssws", "genieKey", "splunk"];
    let is_around = |byte: u8| is_blank(byte) || is_quote(byte) || matches!(byte, b'\\' | b'[' | b'(');
    let from = skip(text, from, is_around, 8)?;
    let scheme = SCHEMES.iter().find_map(|scheme| {
        let after = word(text, from, scheme)?;
        let value = skip(text, after, |byte| is_blank(byte) || byte == b'=', 4).filter(|value| *value > after);
        let value = value.or_else(|| text[after..].starts_with(b"%20").then_some(after + 3))?;
        Some((*scheme, value))
    });
    let (scheme, from) = scheme.unwrap_or(("", from));
    let from = skip(text, from, |byte| is_quote(byte) || byte == b'\\', 4)?;
    let end = run(&text[..text.len().min(from + LONGEST)], from, is_credential);
    let value = &text[from..end];
    let is_secret = match scheme {
        "" => {
            let ends = text.get(end).is_none_or(|byte| is_quote(*byte) || matches!(byte, b'\n' | b'\r' | b'\\'));
            ends && value.len() >= 16 && values::is_random(value)
        }
        // base64 of `name:password`, and not a word
        "basic" => value.len() >= 8 && value.len().is_multiple_of(4) && value.iter().any(u8::is_ascii_uppercase),
        _ => value.len() >= 12 && value.iter().any(u8::is_ascii_digit),
    };
    is_secret.then_some(from..end)
}

pub(crate) fn is_credential(byte: u8) -> bool {
    is_dotted(byte) || matches!(byte, b'~' | b'+' | b'/' | b'=' | b':')
}

/// What a `Cookie` header gives, all of it, or the value of the one cookie that `Set-Cookie` sets: if one of them looks
/// like the key to a session.
pub(crate) fn cookies(text: &[u8], from: usize, meaning: Meaning) -> Option<Range<usize>> {
    let from = skip(text, from, |byte| is_blank(byte) || is_quote(byte) || byte == b'\\', 8)?;
    let ends = |byte: u8| {
        matches!(byte, b'\n' | b'\r' | b'"' | b'\'' | b'`' | b'\\') || meaning == Meaning::SetCookie && byte == b';'
    };
    // What looks like a key is among the first ones, or all is passed over after a short look.
    let look = run(&text[..text.len().min(from + LINE)], from, |byte| !ends(byte));
    if !holds_session(&text[from..look]) {
        return None;
    }
    let end = skip(text, from, |byte| !ends(byte), LONGEST)?;
    match meaning {
        Meaning::SetCookie => Some(from + memchr::memchr(b'=', &text[from..end])? + 1..end),
        _ => Some(from..end),
    }
}

/// Whether one of these cookies looks like the key to a session.
pub(crate) fn holds_session(cookies: &[u8]) -> bool {
    let holds_key = |pair: &[u8]| {
        let value = memchr::memchr(b'=', pair).map_or(&[][..], |at| &pair[at + 1..]);
        value.len() >= 12 && values::is_random(value)
    };
    cookies.split(|byte| matches!(byte, b';' | b' ')).any(holds_key)
}

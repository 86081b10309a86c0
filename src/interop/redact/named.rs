//! Values whose name says that they are secrets: `DB_PASSWORD=..`, `"api_key": ".."`, `token: ..`, `?sig=..`, `--password ..`,
//! `<password>..`, and headers. The names stay.

use super::bytes::{is_alnum, is_blank, is_quote, is_url_safe, is_word, run, run_back, skip};
use super::found::Found;
use super::names;
use super::tokens::token_at;
use super::values::{self, Written};
use crate::interop::redact::headers;
use names::Meaning;
use std::ops::Range;

/// What ends a name, its quotes or the blanks after it, before a separator. Letters: those in which names of secrets end.
pub(super) const ENDS: &[u8] = b"adeghlnrstvwyADEGHLNRSTVWY0123456789\"'`] \t*";
pub(super) const SEPARATORS: &[u8] = b"=:>";

/// No name is longer.
const NAME: usize = 64;
/// No value is longer.
const VALUE: usize = 4 << 10;

/// The name before a separator.
struct Name {
    range: Range<usize>,
    is_quoted: bool,
    /// Nothing stands between it and its separator.
    is_close: bool,
}

/// The value around the separator after `at`.
pub(super) fn find(text: &[u8], at: usize, floor: usize) -> Option<Found> {
    let separator = at + 1;
    let name = name_before(text, separator, floor).filter(|name| !text[..name.range.start].ends_with(b"::"))?;
    let own = &text[name.range.clone()];
    let (begin, meaning) = match names::meaning(own) {
        Some(meaning) => (name.range.start, meaning),
        None => {
            let label = label(text, &name, floor)?;
            (label.start, names::meaning(&text[label])?)
        }
    };
    let from = value_after(text, separator, &name)?;
    let (range, kind) = match meaning {
        Meaning::Authorization => (headers::credentials(text, from)?, "authorization"),
        Meaning::Cookies | Meaning::SetCookie => (headers::cookies(text, from, meaning)?, "cookie"),
        Meaning::Parameter if !is_parameter(text, &name) => return None,
        _ => {
            let (range, written) = value(text, separator, from, &name)?;
            let kind = kind_of(&text[range.clone()], meaning, written)?;
            (range, kind)
        }
    };
    // Its own form says more of it than its name.
    Some(match token_at(text, range.start).filter(|token| token.range.end == range.end) {
        Some(token) => Found { begin, ..token },
        None => Found { begin, range, kind },
    })
}

/// The secret in a string whose name is known: a member of JSON.
pub(super) fn under(name: &str, value: &str) -> Option<Found> {
    let is_name = name.len() <= NAME && name.bytes().all(is_name_byte);
    let meaning = names::meaning(name.as_bytes()).filter(|_| is_name)?;
    let text = value.as_bytes();
    let (range, kind) = match meaning {
        Meaning::Authorization => (headers::credentials(text, 0)?, "authorization"),
        Meaning::Cookies | Meaning::SetCookie => (headers::cookies(text, 0, meaning)?, "cookie"),
        _ => (0..text.len(), kind_of(text, meaning, Written::Data)?),
    };
    Some(Found::alone(range, kind))
}

/// `--password hunter2`, also as two strings of a list.
pub(super) fn flag(text: &[u8], at: usize, _: usize) -> Option<Found> {
    let is_flag = text[at..].starts_with(b"--") && !text[..at].last().is_some_and(|byte| is_url_safe(*byte));
    let name = at + 2..skip(text, at + 2, is_url_safe, NAME)?;
    if !is_flag || name.is_empty() {
        return None;
    }
    let meaning = names::meaning(&text[name.clone()])?;
    let range = argument(text, name.end)?;
    let kind = match meaning {
        Meaning::Cookies => headers::holds_session(&text[range.clone()]).then_some("cookie")?,
        _ => kind_of(&text[range.clone()], meaning, Written::Bare)?,
    };
    Some(Found { begin: at, range, kind })
}

/// The argument after a flag that ends here: after blanks, or as the next string of a list.
pub(super) fn argument(text: &[u8], flag: usize) -> Option<Range<usize>> {
    let is_around = |byte: u8| is_quote(byte) || byte == b'\\';
    let closing = skip(text, flag, is_around, 8)?;
    let comma = closing + usize::from(closing > flag && text.get(closing) == Some(&b','));
    let opening = skip(text, comma, |byte| is_blank(byte) || byte == b'\n', 32)?;
    let range = match quoted(text, opening) {
        Some(range) => range,
        None => {
            let from = skip(text, opening, is_around, 8)?;
            from..skip(text, from, |byte| byte > b' ' && !is_around(byte), VALUE)?
        }
    };
    let is_next = match closing > flag {
        true => comma > closing && range.start > opening,
        false => opening > closing,
    };
    (is_next && !range.is_empty()).then_some(range)
}

pub(super) fn kind_of(value: &[u8], meaning: Meaning, written: Written) -> Option<&'static str> {
    let (is_secret, kind) = match meaning {
        Meaning::Password => (values::is_password(value, written), "password"),
        Meaning::Token => (values::is_token(value, written), "named_secret"),
        Meaning::Key => {
            let is_known = written == Written::Literal && value.len() >= 16 && values::is_random(value);
            (is_known && values::is_token(value, written), "named_secret")
        }
        Meaning::Basic => (values::is_basic(value), "basic_auth"),
        Meaning::Parameter => {
            (written == Written::Url && value.len() >= 16 && values::is_token(value, written), "named_secret")
        }
        Meaning::Authorization | Meaning::Cookies | Meaning::SetCookie => (false, ""),
    };
    is_secret.then_some(kind)
}

fn is_name_byte(byte: u8) -> bool {
    is_url_safe(byte) || byte == b'.'
}

fn name_before(text: &[u8], separator: usize, floor: usize) -> Option<Name> {
    let mut end = run_back(text, separator, floor, 32, is_blank);
    end = run_back(text, end, floor, 2, |byte| matches!(byte, b'*' | b']'));
    let quoted = run_back(text, end, floor, 8, |byte| is_quote(byte) || byte == b'\\');
    if !names::may_end(text[..quoted].get(quoted.checked_sub(3)?..)?) {
        return None;
    }
    let mut start = run_back(text, quoted, floor, NAME, is_name_byte);
    // What an escape ends in, in JSON within JSON or in a URL, is no part of a name.
    match (&text[..start], &text[start..quoted]) {
        ([.., b'\\'], [b'n' | b'r' | b't', ..]) => start += 1,
        ([.., b'%'], [a, b, ..]) if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => start += 2,
        _ => {}
    }
    (start < quoted).then_some(Name { range: start..quoted, is_quoted: quoted < end, is_close: quoted == separator })
}

/// For a value that is called `value`: what names it, as in `name: API_KEY` on the line before, or `name="x" value="y"`.
fn label(text: &[u8], name: &Name, floor: usize) -> Option<Range<usize>> {
    if !text[name.range.clone()].eq_ignore_ascii_case(b"value") {
        return None;
    }
    let is_between = |byte: u8| !is_alnum(byte) && byte < 0x80;
    let floor = floor.max(name.range.start.saturating_sub(2 * NAME));
    let mut end = name.range.start;
    loop {
        end = run_back(text, end, floor, NAME, |byte| is_between(byte) && !matches!(byte, b'{' | b'}'));
        match &text[floor..end] {
            [.., b'\\', b'n' | b'r' | b't'] => end -= 1, // a line break in JSON within JSON
            _ => break,
        }
    }
    let start = run_back(text, end, floor, NAME, is_name_byte);
    let title_end =
        run_back(text, start, floor, 8, |byte| is_blank(byte) || is_quote(byte) || matches!(byte, b'\\' | b':' | b'='));
    let title = run_back(text, title_end, floor, NAME, is_alnum)..title_end;
    let is_title = ["name", "key"].iter().any(|known| text[title.clone()].eq_ignore_ascii_case(known.as_bytes()));
    (is_title && title_end < start).then_some(start..end)
}

/// Where a value begins, if this separator gives one.
fn value_after(text: &[u8], separator: usize, name: &Name) -> Option<usize> {
    let (sign, next) = (text[separator], text.get(separator + 1).copied());
    let before = name.range.start.checked_sub(1).map(|at| text[at]);
    let from = match (sign, next?) {
        (b'=', b'=' | b'~') | (b':', b':') => return None,
        (b'=', b'>') | (b':', b'=') => separator + 2,
        (b'>', _) if before != Some(b'<') || !name.is_close => return None,
        _ => separator + 1,
    };
    let from = skip(text, from, |byte| is_blank(byte) || byte == b'*', 32)?;
    typed(text, from).filter(|_| sign == b':').or(Some(from))
}

/// After `name: Type = `, where a string follows.
fn typed(text: &[u8], from: usize) -> Option<usize> {
    let is_type = |byte: u8| {
        is_word(byte) || matches!(byte, b'&' | b'\'' | b'<' | b'>' | b'[' | b']' | b':' | b'.' | b' ' | b'?' | b'|')
    };
    let end = skip(text, from, is_type, 48)?;
    let after = skip(text, end + 1, is_blank, 4)?;
    let is_given = text.get(end) == Some(&b'=') && end > from;
    let is_given = is_given && text.get(after).is_some_and(|byte| is_quote(*byte) || *byte == b'\\');
    is_given.then_some(after)
}

fn value(text: &[u8], separator: usize, from: usize, name: &Name) -> Option<(Range<usize>, Written)> {
    let sign = text[separator];
    let own = &text[name.range.clone()];
    let is_shouted = own.iter().any(u8::is_ascii_uppercase) && !own.iter().any(u8::is_ascii_lowercase);
    let is_assigned = sign == b'=' && name.is_close && from == separator + 1;
    let is_literal = is_shouted && is_assigned && !name.is_quoted;
    let prefix = usize::from(
        matches!(text.get(from), Some(b'r' | b'b' | b'u' | b'@'))
            && text.get(from + 1).is_some_and(|byte| is_quote(*byte)),
    );
    if let Some(range) = quoted(text, from + prefix) {
        let written = match () {
            () if is_literal => Written::Literal,
            () if name.is_quoted && sign == b':' => Written::Data,
            () => Written::Code,
        };
        let is_one = written != Written::Code || !text[range.clone()].contains(&b' ');
        return is_one.then_some((range, written));
    }
    if sign == b':' && name.is_quoted {
        return number(text, from);
    }
    if sign == b':' && matches!(text.get(from), Some(b'|' | b'>')) {
        return block(text, from);
    }
    if sign == b'>' {
        let end = skip(text, from, |byte| byte > b' ' && byte != b'<', VALUE)?;
        return (text[end..].starts_with(b"</")).then_some((from..end, Written::Data));
    }
    if is_assigned && is_parameter(text, name) {
        let ends = |byte: u8| {
            byte <= b' '
                || is_quote(byte)
                || matches!(byte, b'&' | b'#' | b';' | b'<' | b'>' | b')' | b']' | b',' | b'\\')
        };
        return Some((from..skip(text, from, |byte| !ends(byte), VALUE)?, Written::Url));
    }
    match is_literal {
        true => literal(text, from, &text[..name.range.start]),
        false => bare(text, from, is_assigned, name),
    }
}

/// Whether the name is that of a parameter in a URL.
fn is_parameter(text: &[u8], name: &Name) -> bool {
    let before = &text[..name.range.start];
    matches!(before.last(), Some(b'?' | b'&' | b'#')) || before.ends_with(b"&amp;") || before.ends_with(b"\\u0026")
}

/// The inside of a string, whatever level of escapes its quotes are on. One that the text ends in counts as well.
pub(super) fn quoted(text: &[u8], from: usize) -> Option<Range<usize>> {
    let level = skip(text, from, |byte| byte == b'\\', 8)? - from;
    let quote = text.get(from + level).copied().filter(|byte| is_quote(*byte))?;
    let start = from + level + 1;
    let limit = text.len().min(start + VALUE);
    let mut at = start;
    while let Some(offset) = memchr::memchr2(quote, b'\n', &text[at..limit]) {
        at += offset;
        let slashes = at - run_back(text, at, start, VALUE, |byte| byte == b'\\');
        match text[at] {
            b'\n' => return None,
            _ if level == 0 && slashes.is_multiple_of(2) => return Some(start..at),
            _ if level > 0 && slashes <= level => return Some(start..at - slashes),
            _ => at += 1,
        }
    }
    (limit == text.len()).then_some(start..limit)
}

/// A number in JSON.
fn number(text: &[u8], from: usize) -> Option<(Range<usize>, Written)> {
    let end = skip(text, from, |byte| byte.is_ascii_digit(), NAME)?;
    let ends = text.get(end).is_none_or(|byte| *byte <= b' ' || matches!(byte, b',' | b'}' | b']' | b'\\'));
    (ends && end > from).then_some((from..end, Written::Data))
}

/// A block scalar of YAML (`|`, `>-`): the lines that follow, as far as they are indented like the first.
fn block(text: &[u8], from: usize) -> Option<(Range<usize>, Written)> {
    // In JSON within JSON a line break is an escape.
    let newline = |at: usize| match text.get(at..)? {
        [b'\n', ..] => Some(at + 1),
        [b'\r', b'\n', ..] | [b'\\', b'n', ..] => Some(at + 2),
        _ => None,
    };
    let line_end = |at: usize| skip(text, at, |byte| byte >= b' ' && byte != b'\\' && byte != b'"', VALUE);
    let header = skip(text, from + 1, |byte| matches!(byte, b'-' | b'+') || byte.is_ascii_digit(), 2)?;
    let first = newline(header)?;
    let start = skip(text, first, |byte| byte == b' ', 64).filter(|start| *start > first)?;
    let indent = &text[first..start];
    let mut end = line_end(start)?;
    while let Some(next) = newline(end).filter(|next| text[*next..].starts_with(indent) && *next < from + VALUE) {
        end = line_end(next)?;
    }
    Some((start..end, Written::Data))
}

/// The value in an environment: to the end of its line, if the whole line is one; else to what ends a word of a shell.
fn literal(text: &[u8], from: usize, before: &[u8]) -> Option<(Range<usize>, Written)> {
    let end = skip(text, from, |byte| byte > b' ', VALUE)?;
    let begins_line = before.last().is_none_or(|byte| *byte == b'\n') || before.ends_with(b"\nexport ");
    let ends_line = text.get(end).is_none_or(|byte| matches!(byte, b'\n' | b'\r'));
    if begins_line && ends_line && !text[from..end].contains(&b'(') {
        return Some((from..end, Written::Literal));
    }
    let ends = |byte: u8| {
        byte <= b' ' || is_quote(byte) || matches!(byte, b',' | b';' | b'&' | b'|' | b'<' | b'>' | b'(' | b')' | b'\\')
    };
    let end = run(&text[..end], from, |byte| !ends(byte));
    (text.get(end) != Some(&b'(')).then_some((from..end, Written::Literal))
}

/// A value without quotes, where the text could as well be code: it has to end where no expression goes on.
fn bare(text: &[u8], from: usize, is_assigned: bool, name: &Name) -> Option<(Range<usize>, Written)> {
    if name.is_quoted {
        return None;
    }
    let mut end = skip(text, from, |byte| byte > b' ' && !is_quote(byte) && byte != b'\\', VALUE)?;
    let is_name = |text: &[u8]| text.iter().all(|byte| is_word(*byte));
    if let [value @ .., b',' | b';'] = &text[from..end] {
        let is_setting = text[name.range.start].is_ascii_uppercase() && is_assigned;
        if is_name(value) && !is_setting {
            return None;
        }
        end -= 1;
    } else if let Some(cut) = memchr::memchr2(b';', b'&', &text[from..end]).filter(|_| is_assigned) {
        end = from + cut; // one setting of several
    }
    let rest = skip(text, end, |byte| is_blank(byte) || matches!(byte, b',' | b';'), 64).unwrap_or(end);
    let ends = text.get(rest).is_none_or(|byte| matches!(byte, b'\n' | b'\r' | b'#' | b'\\') || is_quote(*byte));
    let is_code =
        text[from..end].iter().any(|byte| matches!(byte, b'(' | b')' | b'{' | b'}' | b'[' | b']' | b'<' | b'>'));
    let is_shouted = name.range.len() > 8 && text[name.range.clone()].iter().all(|byte| !byte.is_ascii_lowercase());
    let written = match is_shouted && text[name.range.clone()].contains(&b'_') && ends {
        true => Written::Data, // an environment in YAML
        false => Written::Bare,
    };
    ((ends || is_assigned || end < rest && text[end] == b';') && !is_code).then_some((from..end, written))
}

//! Small steps over bytes: where a run ends, which bytes a token consists of.

/// Where the run of such bytes that begins at `from` ends.
pub(super) fn run(text: &[u8], from: usize, fits: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.iter().position(|byte| !fits(*byte)).map_or(text.len().max(from), |length| from + length)
}

/// The same for at most so many bytes; `None` if there are more, or `from` is after the end.
pub(super) fn skip(text: &[u8], from: usize, fits: impl Fn(u8) -> bool, most: usize) -> Option<usize> {
    let window = text.get(from..)?;
    let length = run(&window[..window.len().min(most + 1)], 0, fits);
    (length <= most).then_some(from + length)
}

/// Where the run of such bytes that ends at `end` begins, not before `floor` and of at most so many bytes.
pub(super) fn run_back(text: &[u8], end: usize, floor: usize, most: usize, fits: impl Fn(u8) -> bool) -> usize {
    let floor = floor.max(end.saturating_sub(most));
    let before = text.get(floor..end).unwrap_or_default();
    end - before.iter().rev().take_while(|byte| fits(**byte)).count()
}

/// The place after a word that begins here, in whatever case.
pub(super) fn word(text: &[u8], at: usize, word: &str) -> Option<usize> {
    let end = at + word.len();
    text.get(at..end)?.eq_ignore_ascii_case(word.as_bytes()).then_some(end)
}

/// Whether a word begins here. An escape in JSON within JSON, or in a URL, ends in a letter or digit too.
pub(super) fn starts_word(text: &[u8], at: usize) -> bool {
    match &text[..at] {
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => true,
        [.., before] => !is_word(*before),
        [] => true,
    }
}

pub(super) fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window.eq_ignore_ascii_case(part.as_bytes()))
}

pub(super) fn is_alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

pub(super) fn is_url_safe(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

pub(super) fn is_dotted(byte: u8) -> bool {
    is_url_safe(byte) || byte == b'.'
}

pub(super) fn is_path(byte: u8) -> bool {
    is_url_safe(byte) || byte == b'/'
}

pub(super) fn is_base64(byte: u8) -> bool {
    is_alnum(byte) || matches!(byte, b'+' | b'/' | b'=')
}

pub(super) fn is_hex(byte: u8) -> bool {
    byte.is_ascii_hexdigit()
}

pub(super) fn is_lower_hex(byte: u8) -> bool {
    byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)
}

pub(super) fn is_base32(byte: u8) -> bool {
    byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte)
}

pub(super) fn is_upper_alnum(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit()
}

pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

pub(super) fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// How far into a list of cookies is looked.
pub(crate) const LINE: usize = 1 << 10;

/// How far a part of a web token or a key may reach.
pub(crate) const LONGEST: usize = 16 << 10;

//! What makes JSON fit to stand in a line: no line break, nothing that other readers take for one, and nowhere the bytes
//! that a line begins with. See `docs/FORMAT.md`.

use memchr::memmem::Finder;
use std::sync::LazyLock;

/// How an entry's line begins, and nothing else in a line does.
pub(crate) const ENTRY_START: &[u8] = b"{\"seq\":";

/// Makes serialised JSON that stands in `out` from `start` fit to stand in a line: joins it, escapes the line separators
/// that some readers split on, and breaks every `{"seq":`, so that a line quoted as raw JSON cannot pass for a line. Token
/// for token it stays the same.
pub(crate) fn make_fit(out: &mut Vec<u8>, start: usize) {
    let data = &mut out[start..];
    if memchr::memchr2(b'\n', b'\r', data).is_some() {
        // Inside a string they would be escaped: these stand between tokens.
        data.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    }
    escape_line_separators(out, start);
    static ENTRY: LazyLock<Finder<'_>> = LazyLock::new(|| Finder::new(ENTRY_START));
    let colons: Vec<_> =
        ENTRY.find_iter(&out[start..]).map(|at| (start + at + ENTRY_START.len() - 1, 0, &b" "[..])).collect();
    replace(out, colons.into_iter());
}

/// Escapes U+2028, U+2029 and U+0085. In valid JSON they stand only inside strings.
pub(crate) fn escape_line_separators(out: &mut Vec<u8>, start: usize) {
    /// How they begin. Nearly no text has any: to look for these alone is quicker than for each of their bytes.
    static BEGINNINGS: LazyLock<[Finder<'_>; 2]> = LazyLock::new(|| [b"\xE2\x80", b"\xC2\x85"].map(Finder::new));
    if out[start..].is_ascii() || BEGINNINGS.iter().all(|beginning| beginning.find(&out[start..]).is_none()) {
        return;
    }
    let separator = |at: usize| match &out[at..] {
        [0xE2, 0x80, 0xA8, ..] => Some((at, 3, &b"\\u2028"[..])),
        [0xE2, 0x80, 0xA9, ..] => Some((at, 3, &b"\\u2029"[..])),
        [0xC2, 0x85, ..] => Some((at, 2, &b"\\u0085"[..])),
        _ => None,
    };
    let places: Vec<_> =
        memchr::memchr2_iter(0xE2, 0xC2, &out[start..]).filter_map(|at| separator(start + at)).collect();
    replace(out, places.into_iter());
}

/// Puts something in the place of so many bytes at each of these places, which rise.
fn replace<'a>(out: &mut Vec<u8>, places: impl ExactSizeIterator<Item = (usize, usize, &'a [u8])>) {
    if places.len() == 0 {
        return;
    }
    let old = std::mem::take(out);
    out.reserve(old.len() + 8 * places.len());
    let mut rest = 0;
    for (at, length, new) in places {
        out.extend_from_slice(&old[rest..at]);
        out.extend_from_slice(new);
        rest = at + length;
    }
    out.extend_from_slice(&old[rest..]);
}

//! Recorded text made harmless: what a terminal would obey or hide is shown instead of done.
//!
//! An agent's output can hold escape sequences that clear the screen, retitle the window or turn text around, and it is
//! recorded as it came. Everything that is meant for people goes through here before it leaves the program.

use base64::Engine;
use std::borrow::Cow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The text on one line, every hidden character as a visible escape: `\n`, `\u{1b}`.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let shown = foldlog::reveal(text, |c, out| match c {
        '\r' => out.push_str("\\r"),
        c => out.extend(c.escape_unicode()),
    });
    match shown.contains(['\n', '\t']) {
        true => Cow::Owned(shown.replace('\n', "\\n").replace('\t', "\\t")),
        false => shown,
    }
}

/// The text on one line for a summary: white space of any kind is one blank, the rest as [`visible`] has it.
pub(crate) fn one_line(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for word in text.split([' ', '\t', '\n', '\r']).filter(|word| !word.is_empty()) {
        if !clean.is_empty() {
            clean.push(' ');
        }
        clean.push_str(&visible(word));
    }
    clean
}

/// The lines of a text, each harmless. Tabs become blanks, so that widths can be counted.
pub(crate) fn lines(text: &str) -> impl Iterator<Item = String> {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.split('\n').map(|line| {
        let line = line.strip_suffix('\r').unwrap_or(line).replace('\t', "    ");
        visible(&line).into_owned()
    })
}

/// JSON for a terminal: still the same JSON. Harmful characters stand only inside its strings, where an escape means
/// the same; C0 cannot, and its line breaks are the writer's own.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    foldlog::reveal(text, |c, out| match c {
        '\r' => out.push(c),
        c => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
    })
}

/// A path for JSON, which holds text alone: as text, and, where its bytes are not UTF-8, also as they are, in base64.
pub(crate) fn path(path: &Path) -> (String, Option<String>) {
    let bytes = path.as_os_str().as_bytes();
    let base64 = std::str::from_utf8(bytes).is_err().then(|| base64::engine::general_purpose::STANDARD.encode(bytes));
    (path.display().to_string(), base64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_shown() {
        assert_eq!(visible("a\u{1b}[2Jb\u{9b}c\u{7f}\n"), "a\\u{1b}[2Jb\\u{9b}c\\u{7f}\\n");
        assert_eq!(visible("gnp\u{202e}.exe\u{2066}\u{200f}"), "gnp\\u{202e}.exe\\u{2066}\\u{200f}");
        assert_eq!(visible("plain, naïve, 日本"), "plain, naïve, 日本");
        assert_eq!(visible("a\u{e0041}\u{200b}\r\t"), "a\\u{e0041}\\u{200b}\\r\\t");
    }

    #[test]
    fn a_summary_has_one_line() {
        assert_eq!(one_line(" a\n\n\tb\u{1b} c "), "a b\\u{1b} c");
    }

    #[test]
    fn lines_stay_lines() {
        let text: Vec<String> = lines("a\r\n\tb\u{7}\n").collect();
        assert_eq!(text, ["a", "    b\\u{7}"]);
    }

    #[test]
    fn json_for_a_terminal_means_the_same() {
        assert_eq!(json("{\"a\":\"\u{202e}\u{9b}\"}\n"), "{\"a\":\"\\u202e\\u009b\"}\n");
        assert_eq!(json("{\"a\":\"\u{e0041}\"}\r\n"), "{\"a\":\"\\udb40\\udc41\"}\r\n");
    }
}

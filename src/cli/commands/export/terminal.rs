//! An export on a terminal: what a terminal would obey is shown instead of done.

use crate::cli::term::sanitize;
use std::io::{self, Write};

/// Writes line by line, each made harmless. JSON stays the same JSON.
pub(crate) struct Harmless<W: Write> {
    inner: W,
    is_json: bool,
    line: Vec<u8>,
}

impl<W: Write> Harmless<W> {
    pub(crate) fn new(inner: W, is_json: bool) -> Harmless<W> {
        Harmless { inner, is_json, line: Vec::new() }
    }

    fn put(&mut self, line: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(line);
        let clean = match self.is_json {
            true => sanitize::json(&text).into_owned(),
            false => sanitize::lines(&text).next().unwrap_or_default(),
        };
        self.inner.write_all(clean.as_bytes())
    }
}

impl<W: Write> Write for Harmless<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(bytes);
        let Some(end) = memchr::memrchr(b'\n', &self.line) else { return Ok(bytes.len()) };
        let rest = self.line.split_off(end + 1);
        let whole = std::mem::replace(&mut self.line, rest);
        for line in whole[..end].split(|byte| *byte == b'\n') {
            self.put(line)?;
            self.inner.write_all(b"\n")?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let rest = std::mem::take(&mut self.line);
        self.put(&rest)?;
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_would_obey_gets_through() {
        for (is_json, text, expected) in [
            (false, "# a\u{1b}[2J\r\nb\u{202e}c\tend", "# a\\u{1b}[2J\nb\\u{202e}c    end"),
            (true, "{\"a\":\"\u{9b}\"}\n{\"b\":1}\n", "{\"a\":\"\\u009b\"}\n{\"b\":1}\n"),
        ] {
            let mut out = Vec::new();
            let mut terminal = Harmless::new(&mut out, is_json);
            for piece in text.as_bytes().chunks(3) {
                terminal.write_all(piece).expect("memory takes all");
            }
            terminal.flush().expect("memory takes all");
            drop(terminal);
            assert_eq!(String::from_utf8(out).expect("text"), expected);
        }
    }
}

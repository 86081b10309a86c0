//! Examining a file, line by line.

use crate::interop::doctor::chain::{Chain, Place};
use crate::interop::doctor::finding::{Finding, FindingKind};
use crate::interop::doctor::{links, repair};
use crate::interop::import::source::SourceFormat;
use crate::interop::jsonl::{Bad, Ending, Fault, Judged, Piece, RawLine, RawLines, judge};
use crate::json::members::Object;
use std::collections::HashSet;
use std::io::{self, BufRead};

/// How many ways in which records begin are remembered.
const MOST_FIRST_KEYS: usize = 32;

/// Examines a file of JSON lines.
///
/// ```
/// use foldlog::{Doctor, FindingKind};
/// let file = b"{\"a\":1}\n{\"a\":{\"b\":2}\n{\"a\":3}\n";
/// let mut doctor = Doctor::new(&file[..], None);
/// let mut found = Vec::new();
/// while let Some(line) = doctor.next()? {
///     found.extend(line.findings);
/// }
/// found.extend(doctor.finish());
/// assert_eq!((found[0].line, found[0].kind), (2, FindingKind::TornRecord));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Doctor<R> {
    lines: RawLines<R>,
    line: Option<RawLine>,
    line_count: u64,
    end: u64,
    file: File,
}

/// What is known of the file so far.
struct File {
    format: Option<SourceFormat>,
    chain: Option<Chain>,
    /// Make repaired lines, and give these records, by where they stand, a parent that is there.
    repair: Option<HashSet<u64>>,
    /// A torn record with a line break behind it: the end of the file, if nothing but blank lines follows.
    torn: Option<Finding>,
    /// The id of the last record that went into the copy.
    last_id: Option<String>,
    /// Where the format is not known: how records begin here, to tell them from what is nested in them.
    first_keys: Vec<String>,
    records: u64,
}

/// What a line came to.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Examined {
    /// The line, counted from 1.
    pub line: u64,
    /// What is wrong with it, and with lines before it of which that shows only now.
    pub findings: Vec<Finding>,
    /// What becomes of it in a repaired copy.
    pub mended: Mended,
}

/// What becomes of a line in a repaired copy.
#[derive(Debug, Default, PartialEq, Eq)]
pub enum Mended {
    /// It stays as it is: [`Doctor::bytes`].
    #[default]
    AsIs,
    /// It becomes this: lines, each with its line break, or nothing.
    Lines(Vec<u8>),
}

impl<R: BufRead> Doctor<R> {
    /// Reads `input` from its beginning. Where the format is known, it is also examined how records hang together.
    pub fn new(input: R, format: Option<SourceFormat>) -> Doctor<R> {
        let chain = format.map(Chain::new);
        let file = File { format, chain, repair: None, torn: None, last_id: None, first_keys: Vec::new(), records: 0 };
        Doctor { lines: RawLines::new(input), line: None, line_count: 0, end: 0, file }
    }

    /// Also makes repaired lines. `findings` are those of an earlier examination of the same file: what they say about
    /// parents cannot be known before the end.
    pub fn repairing(input: R, format: Option<SourceFormat>, findings: &[Finding]) -> Doctor<R> {
        let broken = findings.iter().filter(|finding| finding.kind == FindingKind::BrokenParent);
        let mut doctor = Doctor::new(input, format);
        doctor.file.repair = Some(broken.map(|finding| finding.byte).collect());
        doctor
    }

    /// Examines the next line; `None` at the end.
    ///
    /// # Errors
    /// If the input cannot be read.
    #[allow(clippy::should_implement_trait, reason = "it lends what it read, and can fail")]
    pub fn next(&mut self) -> io::Result<Option<Examined>> {
        let Some(line) = self.lines.next(true)? else { return Ok(None) };
        self.line = Some(line);
        self.end = line.offset + line.len as u64 + u64::from(line.ending == Ending::Newline);
        self.line_count = line.number;
        Ok(Some(self.file.examine(&line, self.lines.bytes(&line))))
    }

    /// What shows only at the end.
    pub fn finish(&mut self) -> Vec<Finding> {
        let mut found: Vec<Finding> = Vec::new();
        if self.end == 0 {
            found.push(Finding { line: 1, byte: 0, bytes: 0, kind: FindingKind::Empty });
        }
        found.extend(self.file.torn.take().map(|torn| Finding { kind: FindingKind::TornTail, ..torn }));
        found.extend(self.file.chain.as_mut().map(Chain::finish).unwrap_or_default());
        found
    }

    /// The bytes of the line that was examined last, without its line break.
    pub fn bytes(&self) -> &[u8] {
        self.line.as_ref().map_or(&[], |line| self.lines.bytes(line))
    }

    /// Whether the line that was examined last ends here: one that is too long comes in pieces.
    pub fn ends_line(&self) -> bool {
        self.line.as_ref().is_none_or(|line| line.ending != Ending::Continued)
    }

    /// How many bytes have been read.
    pub fn position(&self) -> u64 {
        self.end
    }

    /// How many lines there have been.
    pub fn lines(&self) -> u64 {
        self.line_count
    }

    /// How many good records there have been: whole ones, whose checksums hold if they have any.
    pub fn records(&self) -> u64 {
        self.file.records
    }
}

impl File {
    fn examine(&mut self, line: &RawLine, whole: &[u8]) -> Examined {
        let mut examined = Examined { line: line.number, ..Examined::default() };
        let found = &mut examined.findings;
        if !line.begins || line.ending == Ending::Continued {
            let only_nuls = whole.iter().all(|byte| *byte == 0);
            if line.begins {
                found.extend(self.torn.take());
                let kind = if only_nuls { FindingKind::NulRun } else { FindingKind::TooLong };
                found.push(finding(line, 0..line.len, kind));
            }
            if only_nuls && self.repair.is_some() {
                examined.mended = Mended::Lines(Vec::new());
            }
            return examined;
        }
        let mut bytes = whole;
        let mut cut = 0;
        if let Some(rest) = bytes.strip_prefix(b"\xEF\xBB\xBF").filter(|_| line.offset == 0) {
            found.push(finding(line, 0..3, FindingKind::Bom));
            (bytes, cut) = (rest, 3);
        }
        if bytes.ends_with(b"\r") && line.ending == Ending::Newline {
            found.push(finding(line, whole.len() - 1..whole.len() + 1, FindingKind::Crlf));
        }
        // All of them, and at the end of the file too: a copy puts a line break behind what is left.
        let ends_in_cr = bytes.ends_with(b"\r");
        while let Some(rest) = bytes.strip_suffix(b"\r") {
            bytes = rest;
        }
        let (format, first_keys) = (self.format, &self.first_keys);
        let is_record = |text: &str, in_doubt: bool| match (Object::parse(text), format) {
            (Some(record), Some(format)) => (format.row().is_record)(text, &record),
            (Some(_), None) if !in_doubt => true,
            (Some(record), None) => {
                let key = record.members().next().map(|(key, _)| key.to_owned());
                first_keys.is_empty() || first_keys.iter().any(|known| Some(known) == key.as_ref())
            }
            (None, _) => false,
        };
        let at_start = RawLine { offset: line.offset + cut, ..*line };
        match judge(bytes, line.ending, &is_record) {
            Judged::Blank => {
                if ends_in_cr && self.repair.is_some() {
                    examined.mended = Mended::Lines(b"\n".to_vec());
                }
            }
            Judged::Good(text) => {
                found.extend(self.torn.take());
                if line.ending == Ending::EndOfFile {
                    found.push(finding(line, whole.len()..whole.len(), FindingKind::MissingNewline));
                }
                let becomes = self.good_record(&at_start, text, 0, found);
                let same = becomes.as_deref() == Some(text);
                if self.repair.is_some() && !(same && whole.len() == text.len() && line.ending == Ending::Newline) {
                    examined.mended = Mended::Lines(lines_of(becomes));
                }
            }
            Judged::Bad(bad) => {
                let mended = self.bad_line(&at_start, bad, found);
                if self.repair.is_some() {
                    examined.mended = Mended::Lines(mended);
                }
            }
        }
        examined
    }

    fn bad_line(&mut self, line: &RawLine, bad: Bad<'_>, found: &mut Vec<Finding>) -> Vec<u8> {
        let saves_none = !bad.pieces.iter().any(|piece| matches!(piece, Piece::Record { .. }));
        let only_nuls = bad.faults.iter().all(|(fault, _)| *fault == Fault::Nul);
        if !(saves_none && only_nuls) {
            found.extend(self.torn.take());
        }
        for (fault, range) in &bad.faults {
            let kind = kind_of(*fault, line.ending);
            let one = finding(line, range.clone(), kind);
            match kind == FindingKind::TornRecord && saves_none {
                true => self.torn = Some(one),
                false => found.push(one),
            }
        }
        let mut mended = Vec::new();
        for piece in bad.pieces {
            if let Piece::Record { text, at, .. } = piece {
                let record = self.good_record(line, &text, at.start, found);
                mended.extend(lines_of(record));
            }
        }
        mended
    }

    /// Takes a whole record; what becomes of it in a copy.
    fn good_record(&mut self, line: &RawLine, text: &str, at: usize, found: &mut Vec<Finding>) -> Option<String> {
        let byte = line.offset + at as u64;
        let place = Place { line: line.number, byte, bytes: text.len() as u64 };
        let separator = repair::separator_in(text.as_bytes());
        if let Some(separator) = separator {
            let kind = FindingKind::LineSeparator;
            found.push(Finding { line: line.number, byte: byte + separator as u64, bytes: 2, kind });
        }
        let parsed = self.chain.is_some().then(|| Object::parse(text)).flatten();
        if let (Some(chain), Some(format), Some(record)) = (&mut self.chain, self.format, &parsed) {
            let look = u64::from(crc32fast::hash(text.as_bytes())) << 32 | text.len() as u64 & 0xFFFF_FFFF;
            let links = links::of(format, text, record);
            self.records += u64::from(!links.is_false);
            let again = chain.record(place, look, &links, found);
            if again {
                return None;
            }
        } else {
            self.records += 1;
        }
        if self.format.is_none() {
            self.learn_first_key(text);
        }
        let broken = self.repair.as_ref()?;
        let mut text = text.to_owned();
        if let (Some(format), true) = (self.format, broken.contains(&byte)) {
            text = repair::relink(format, &text, self.last_id.as_deref()).unwrap_or(text);
        }
        if repair::separator_in(text.as_bytes()).is_some() {
            text = repair::escape_separators(&text);
        }
        if let (Some(format), Some(record)) = (self.format, &parsed) {
            self.last_id = repair::id_of(format, record).or(self.last_id.take());
        }
        Some(text)
    }

    fn learn_first_key(&mut self, text: &str) {
        // From the text alone: to read all of a record for its first key would cost as much as judging it did.
        let key = text.split('"').nth(1).unwrap_or_default();
        let is_new = || self.first_keys.iter().all(|known| known != key);
        if self.first_keys.len() < MOST_FIRST_KEYS && !key.contains('\\') && is_new() {
            self.first_keys.push(key.to_owned());
        }
    }
}

fn finding(line: &RawLine, range: std::ops::Range<usize>, kind: FindingKind) -> Finding {
    Finding { line: line.number, byte: line.offset + range.start as u64, bytes: range.len() as u64, kind }
}

fn lines_of(record: Option<String>) -> Vec<u8> {
    record.map(|record| (record + "\n").into_bytes()).unwrap_or_default()
}

fn kind_of(fault: Fault, ending: Ending) -> FindingKind {
    match fault {
        Fault::Torn if ending == Ending::EndOfFile => FindingKind::TornTail,
        Fault::Torn => FindingKind::TornRecord,
        Fault::Glued => FindingKind::Glued,
        Fault::GluedAgain => FindingKind::GluedAgain,
        Fault::MissingNewline => FindingKind::MissingNewline,
        Fault::Nul => FindingKind::NulRun,
        Fault::InvalidUtf8 => FindingKind::InvalidUtf8,
        Fault::LoneSurrogate => FindingKind::LoneSurrogate,
        Fault::NotObject => FindingKind::NotObject,
        Fault::NotJson => FindingKind::NotJson,
        Fault::TooDeep => FindingKind::TooDeep,
    }
}

impl<R> std::fmt::Debug for Doctor<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Doctor").field("format", &self.file.format).finish_non_exhaustive()
    }
}

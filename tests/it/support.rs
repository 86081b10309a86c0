//! What the tests share: a journal to damage, a reader that knows nothing of the library, and child processes.

use crate::memory::Memory;
use foldlog::{
    Custom, Draft, Gap, Item, Journal, JournalOptions, Json, Reader, Store, TextDelta, ToolCallEnded, ToolCallStarted,
    TurnEnded, TurnStarted,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// The session most tests record.
pub const ID: &str = "s-1";
/// `,"crc":"9f3a61c2"}`
pub const SUFFIX: usize = 18;
/// Set for a test that is run again as a child process: where it shall work.
pub const CHILD: &str = "FOLDLOG_TEST_CHILD";

pub type Files = BTreeMap<String, Vec<u8>>;

/// CRC-32 (IEEE), bit by bit: our own, so that it agrees with the library only if the library is right.
pub fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut at = 0;
        while at < 256 {
            let (mut value, mut bit) = (at as u32, 0);
            while bit < 8 {
                value = if value & 1 == 1 { 0xEDB8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[at] = value;
            at += 1;
        }
        table
    };
    !bytes.iter().fold(!0u32, |crc, byte| TABLE[((crc ^ u32::from(*byte)) & 255) as usize] ^ (crc >> 8))
}

/// Whether a line, without its line break, bears its own checksum.
pub fn holds(line: &[u8]) -> bool {
    let Some(body) = line.len().checked_sub(SUFFIX).map(|at| &line[..at]) else { return false };
    line[body.len()..] == *format!(",\"crc\":\"{:08x}\"}}", crc32(body)).as_bytes()
}

/// A whole line, its line break included, from everything before the checksum.
pub fn seal(body: &str) -> Vec<u8> {
    format!("{body},\"crc\":\"{:08x}\"}}\n", crc32(body.as_bytes())).into_bytes()
}

/// The number of an entry's line; `None` for a header.
pub fn seq_of(line: &[u8]) -> Option<u64> {
    let digits = line.strip_prefix(b"{\"seq\":")?;
    let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
    std::str::from_utf8(&digits[..end]).unwrap().parse().ok()
}

/// The lines of a file, each with its offset, without line breaks; what follows the last one is no line.
pub fn lines(bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let (mut lines, mut start) = (Vec::new(), 0);
    while let Some(len) = bytes[start..].iter().position(|byte| *byte == b'\n') {
        lines.push((start, &bytes[start..start + len]));
        start += len + 1;
    }
    lines
}

/// Every entry's line in these segments, by number, found without the library.
pub fn entries_of(files: &Files) -> BTreeMap<u64, Vec<u8>> {
    let segments = files.iter().filter(|(name, _)| name.ends_with(".jsonl"));
    let lines = segments.flat_map(|(_, bytes)| lines(bytes));
    lines.filter(|(_, line)| holds(line)).filter_map(|(_, line)| Some((seq_of(line)?, line.to_vec()))).collect()
}

/// What a reader makes of a journal.
#[derive(Debug, Default)]
pub struct Reading {
    pub entries: BTreeMap<u64, Vec<u8>>,
    pub gaps: Vec<Gap>,
}

impl Reading {
    pub fn of(reader: &Reader) -> Reading {
        let mut reading = Reading::default();
        let mut items = reader.items().unwrap();
        while let Some(item) = items.next().unwrap() {
            match item {
                Item::Entry(entry) => {
                    let seq = entry.seq().get();
                    let last = reading.entries.last_key_value().map_or(0, |(last, _)| *last);
                    assert!(seq > last, "entry {seq} was given after entry {last}");
                    reading.entries.insert(seq, entry.line().as_bytes().to_vec());
                }
                Item::Gap(gap) => reading.gaps.push(gap),
                other => panic!("{other:?}"),
            }
        }
        reading
    }

    /// No gap that the log itself does not explain.
    pub fn is_clean(&self) -> bool {
        self.gaps.iter().all(|gap| gap.explained)
    }

    pub fn seqs(&self) -> Vec<u64> {
        self.entries.keys().copied().collect()
    }

    /// The kinds of its gaps, in order.
    pub fn kinds(&self) -> Vec<&'static str> {
        self.gaps.iter().map(|gap| gap.kind.as_str()).collect()
    }

    /// Every entry is one of these, byte for byte.
    pub fn assert_nothing_invented(&self, originals: &BTreeMap<u64, Vec<u8>>, what: &str) {
        for (seq, line) in &self.entries {
            if originals.get(seq) != Some(line) {
                panic!("{what}: this entry was never recorded: {}", String::from_utf8_lossy(line));
            }
        }
    }
}

/// One session on a disk in memory.
#[derive(Debug)]
pub struct Lab {
    pub disk: Memory,
    pub store: Store,
    pub dir: PathBuf,
}

impl Lab {
    pub fn new() -> Lab {
        let disk = Memory::default();
        let store = Store::open_on(disk.clone(), "/lab").unwrap();
        Lab { disk, store, dir: Path::new("/lab").join(ID) }
    }

    pub fn with(files: &Files) -> Lab {
        let lab = Lab::new();
        lab.put(files);
        lab
    }

    pub fn files(&self) -> Files {
        self.disk.files(&self.dir)
    }

    pub fn put(&self, files: &Files) {
        self.disk.restore(&self.dir, files);
    }

    pub fn read(&self) -> Reading {
        let reader = self.store.reader(ID).unwrap();
        let reading = Reading::of(&reader);
        if !reader.is_live().unwrap() {
            // Read at one go, it is the same.
            let report = reader.verify().unwrap();
            assert_eq!((report.entries, &report.gaps), (reading.entries.len() as u64, &reading.gaps));
        }
        reading
    }

    pub fn open(&self) -> Journal {
        self.store.journal(ID).unwrap()
    }

    /// Opens for writing, appends one event, closes. Returns the event's number.
    pub fn append_one(&self) -> u64 {
        let journal = self.open();
        let seq = journal.append(TextDelta::new("t-9", "afterwards")).unwrap().wait().unwrap();
        journal.close().wait().unwrap();
        seq.get()
    }
}

/// The events of the reference journal: multi-byte text, every awkward character, raw JSON.
pub fn reference_events() -> Vec<Draft> {
    let raw = |text: &str| Json::parse(text).unwrap();
    let mut drafts: Vec<Draft> = Vec::new();
    for turn in 1..=3 {
        let id = format!("t-{turn}");
        drafts.push(TurnStarted::new(&id, "Prüfe die Größe: 大きさ 🦀").into());
        for text in ["é", "日本語", "🦀🦀", "a\u{2028}b\u{0085}c", "\u{0000}\n\r\t\"\\", "plain"] {
            drafts.push(Draft::from(TextDelta::new(&id, text)).id(format!("{id}-é")));
        }
        drafts.push(ToolCallStarted::new(&id, "c-1", "bash").arguments(raw("{\"seq\":1, \"n\":1e400}")).into());
        drafts.push(ToolCallEnded::new(&id, "c-1").result(raw("[18446744073709551616,{\"seq\":2}]")).into());
        drafts.push(Custom::new("ü", raw("\"{\\\"seq\\\":7\"")).into());
        drafts.push(TurnEnded::success(&id).into());
    }
    drafts
}

/// A journal of some 40 lines in several segments, closed.
pub fn reference(segment_bytes: u64) -> Files {
    let lab = Lab::new();
    let options = JournalOptions::default().segment_bytes(segment_bytes);
    let journal = lab.store.journal_with(ID, options).unwrap();
    for draft in reference_events() {
        journal.append(draft).unwrap().wait().unwrap();
    }
    journal.close().wait().unwrap();
    drop(journal);
    lab.files()
}

/// The reference journal in one segment, as a killed process leaves it: not closed.
pub fn unclosed() -> Files {
    let lab = Lab::new();
    let journal = lab.open();
    for draft in reference_events() {
        journal.append(draft).unwrap().wait().unwrap();
    }
    drop(journal);
    lab.files()
}

/// The name of a segment's file.
pub fn segment(number: u64) -> String {
    format!("{number:08}.jsonl")
}

/// Adds to a file, without a moment in which it is shorter.
pub fn add(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// The same; makes the file if it is missing.
pub fn add_or_create(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    let mut file = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// The segments among these files, oldest first.
pub fn segments(files: &Files) -> Vec<String> {
    files.keys().filter(|name| name.ends_with(".jsonl")).cloned().collect()
}

/// Numbers that look random. Prints its seed, which `FOLDLOG_TEST_SEED` sets.
pub struct Dice(u64);

impl Dice {
    pub fn new(what: &str) -> Dice {
        let clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |time| time.as_nanos() as u64);
        let seed = std::env::var("FOLDLOG_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(clock);
        println!("{what}: FOLDLOG_TEST_SEED={seed}");
        Dice(seed | 1)
    }

    /// Dice that fall the same way for the same seed.
    pub fn seeded(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound.max(1)
    }
}

/// This test binary again, running one test alone as a child process that works in `place`.
pub fn child(test: &str, place: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    child_arguments(&mut command, test, place);
    command
}

/// Makes a command that ends in this binary's path run one test alone.
pub fn child_arguments(command: &mut Command, test: &str, place: &Path) {
    command.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, place);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
}

/// Where this process shall work, if it is a child.
pub fn child_place() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// What a run of the program printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

/// Runs the program on a root.
pub fn foldlog(root: &Path, args: &[&str]) -> Ran {
    // Not `env!`: the fuzz targets share this file, and have no program to run.
    let program = option_env!("CARGO_BIN_EXE_foldlog").unwrap_or("foldlog");
    let mut command = Command::new(program);
    Ran::of(command.arg("--root").arg(root).args(args).env_remove("COLUMNS").stdin(Stdio::null()))
}

impl Ran {
    pub fn of(command: &mut Command) -> Ran {
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// The lines of stdout, each as JSON.
    pub fn json(&self) -> Vec<serde_json::Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

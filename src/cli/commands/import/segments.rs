//! Files that are named like segments of foldlog's. Those of one journal are one input; other programs give their files
//! such names too (`20260401.jsonl`), and each of theirs is an input of its own.

use crate::cli::plain_file;
use foldlog::SourceFormat;
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// The longest first line that is looked at.
const MOST_HEADER: u64 = 1 << 20;
/// How much is looked at where that is no header.
const HEAD: u64 = 64 << 10;

/// Files that are imported as one.
pub(super) struct Group {
    /// By which it is known.
    pub(super) path: PathBuf,
    pub(super) files: Vec<PathBuf>,
    /// The files are the segments of a journal.
    pub(super) is_journal: bool,
}

impl Group {
    fn alone(path: PathBuf) -> Group {
        Group { files: vec![path.clone()], path, is_journal: false }
    }
}

/// Whose a file is.
enum Whose {
    Journal(String),
    /// Nobody's that we know: a segment whose header is lost may look so.
    Nobodys,
    /// Another program's.
    Others,
}

/// What is needed of a header; not whether its checksum holds.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "foldlog")]
    _version: IgnoredAny,
    journal: String,
}

/// The inputs that such files of one directory are. The first journal is named after the directory.
pub(super) fn grouped(paths: Vec<PathBuf>) -> Vec<Group> {
    let mut groups = Vec::new();
    let (mut journals, mut at_of): (Vec<Vec<PathBuf>>, HashMap<String, usize>) = Default::default();
    let (mut newest, mut nobodys) = (None, Vec::new());
    for path in paths {
        let at = match whose(&path) {
            Whose::Journal(journal) => Some(*at_of.entry(journal).or_insert(journals.len())),
            Whose::Nobodys => newest,
            Whose::Others => {
                groups.push(Group::alone(path));
                continue;
            }
        };
        match at {
            Some(at) if at == journals.len() => journals.push(vec![path]),
            Some(at) => journals[at].push(path),
            None => nobodys.push(path),
        }
        newest = at;
    }
    match journals.first_mut() {
        Some(first) => drop(first.splice(0..0, nobodys)),
        None => groups.extend(nobodys.into_iter().map(Group::alone)),
    }
    for (number, segments) in journals.into_iter().enumerate() {
        let path = if number == 0 { segments[0].parent() } else { Some(&*segments[0]) };
        let path = path.unwrap_or(Path::new("")).to_owned();
        groups.push(Group { path, files: segments, is_journal: true });
    }
    groups
}

fn whose(path: &Path) -> Whose {
    let mut head = Vec::new();
    let look = |head: &mut Vec<u8>| -> io::Result<Option<String>> {
        let mut file = BufReader::new(plain_file::open(path)?.take(MOST_HEADER));
        file.read_until(b'\n', head)?;
        let header = serde_json::from_slice::<Header>(head).ok();
        if header.is_none() {
            file.take(HEAD).read_to_end(head)?;
        }
        Ok(header.map(|header| header.journal))
    };
    match look(&mut head) {
        Ok(Some(journal)) => Whose::Journal(journal),
        // What cannot be read is told when it is imported.
        _ if SourceFormat::detect(&head).is_none_or(|format| format == SourceFormat::Foldlog) => Whose::Nobodys,
        _ => Whose::Others,
    }
}

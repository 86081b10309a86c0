//! Transcripts to import, to examine and to spoil: small files of our own in the shapes of other recorders.

use crate::support::Lab;
use foldlog::{
    Doctor, Draft, Finding, ImportCounts, Importer, Mended, SessionRecord, SessionSummary, Source, SourceFormat,
    SourceName, SummaryFold,
};

/// The transcripts, with their names and formats.
pub const ALL: [(&str, SourceFormat, &[u8]); 4] = [
    ("claude-code", SourceFormat::ClaudeCode, CLAUDE_CODE),
    ("codex", SourceFormat::Codex, CODEX),
    ("copilot", SourceFormat::Copilot, COPILOT),
    ("gemini", SourceFormat::Gemini, include_bytes!("golden/gemini.jsonl")),
];
pub const CLAUDE_CODE: &[u8] = include_bytes!("golden/claude-code.jsonl");
pub const CODEX: &[u8] = include_bytes!("golden/codex.jsonl");
pub const COPILOT: &[u8] = include_bytes!("golden/copilot.jsonl");
pub const CALUTE: &[u8] = include_bytes!("golden/calute.json");

/// The lines of a transcript, each with its line break.
pub fn lines(transcript: &[u8]) -> Vec<Vec<u8>> {
    transcript.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
}

/// What an import gave.
#[derive(Debug, Default)]
pub struct Imported {
    pub drafts: Vec<Draft>,
    pub counts: ImportCounts,
    /// The damaged lines, by number.
    pub damaged: Vec<u64>,
}

impl Imported {
    /// Type and data of every event.
    pub fn events(&self) -> Vec<(String, String)> {
        self.drafts.iter().map(|draft| (draft.type_name().to_owned(), draft.data().to_owned())).collect()
    }

    /// The events that carry what the records said: not those that keep what was not understood.
    pub fn mapped(&self) -> Vec<(String, String)> {
        self.events().into_iter().filter(|(name, _)| name != "custom" && name != "unparsed").collect()
    }

    pub fn add_up(&self) -> bool {
        let ImportCounts { lines, mapped, kept_raw, damaged, .. } = &self.counts;
        *lines == mapped + kept_raw + damaged
    }
}

pub fn source(file: &[u8], format: Option<SourceFormat>) -> Source {
    let name = SourceName { stem: "stem".into(), ..SourceName::default() };
    Source::identify(file, &name, format).expect("a format that is known")
}

/// Imports a file whole.
pub fn import(file: &[u8], format: SourceFormat) -> Imported {
    let source = source(file, Some(format));
    let mut importer = Importer::new(file, &source);
    let mut imported = Imported::default();
    while let Some(step) = importer.next(true).unwrap() {
        imported.damaged.extend(step.damage.map(|_| step.line));
        imported.drafts.extend(step.drafts);
    }
    imported.counts = importer.counts().clone();
    imported
}

/// What a file folds into, and its session in numbers.
pub fn folded(file: &str, format: SourceFormat) -> (SessionRecord, SessionSummary) {
    let lab = Lab::new();
    let id = source(file.as_bytes(), Some(format)).session_id;
    let journal = lab.store.journal(id.clone()).unwrap();
    let imported = import(file.as_bytes(), format);
    assert!(imported.add_up(), "{:?}", imported.counts);
    imported.drafts.into_iter().for_each(|draft| _ = journal.push(draft).unwrap());
    journal.close().wait().unwrap();
    let reader = lab.store.reader(id).unwrap();
    (reader.fold().unwrap(), reader.reduce(SummaryFold::default()).unwrap().0)
}

/// Prompt, answer and status of each turn.
pub fn turns(record: &SessionRecord) -> Vec<(&str, &str, &str)> {
    let turns = record.turns.iter();
    turns
        .map(|turn| (&*turn.prompt, turn.response_content.as_deref().unwrap_or_default(), turn.status.as_str()))
        .collect()
}

/// Examines a file.
pub fn examine(file: &[u8], format: Option<SourceFormat>) -> Vec<Finding> {
    let mut doctor = Doctor::new(file, format);
    let mut found = Vec::new();
    while let Some(line) = doctor.next().unwrap() {
        found.extend(line.findings);
    }
    found.extend(doctor.finish());
    found
}

/// Repairs a file.
pub fn repair(file: &[u8], format: Option<SourceFormat>) -> Vec<u8> {
    let mut doctor = Doctor::repairing(file, format, &examine(file, format));
    let mut copy = Vec::new();
    while let Some(line) = doctor.next().unwrap() {
        match line.mended {
            Mended::AsIs => {
                copy.extend_from_slice(doctor.bytes());
                copy.extend_from_slice(if doctor.ends_line() { b"\n" } else { b"" });
            }
            Mended::Lines(lines) => copy.extend(lines),
        }
    }
    copy
}

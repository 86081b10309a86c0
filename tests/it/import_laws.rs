//! What holds for any file, however damaged: every line is accounted for, what cannot be read is kept, nothing panics, a
//! repaired copy needs no second repair, and reading on gives what reading at once gives.

use crate::support::Lab;
use crate::transcripts::{ALL, examine, import, repair, source};
use base64::Engine;
use foldlog::{Draft, Event, FindingKind, Importer, SourceFormat};
use proptest::prelude::*;
use std::io::{self, BufRead, Read};

/// A way to spoil a file.
#[derive(Clone, Debug)]
enum Spoil {
    Overwrite(usize, Vec<u8>),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    CopyWithin(usize, usize, usize),
}

impl Spoil {
    fn apply(&self, file: &mut Vec<u8>) {
        let place = |at: usize, file: &[u8]| at % (file.len() + 1);
        match self {
            Spoil::Overwrite(at, bytes) => {
                let at = place(*at, file);
                for (old, new) in file[at..].iter_mut().zip(bytes) {
                    *old = *new;
                }
            }
            Spoil::Insert(at, bytes) => {
                let at = place(*at, file);
                file.splice(at..at, bytes.iter().copied());
            }
            Spoil::Remove(at, count) => {
                let at = place(*at, file);
                let end = (at + count).min(file.len());
                file.drain(at..end);
            }
            Spoil::CopyWithin(from, to, count) => {
                let (from, to) = (place(*from, file), place(*to, file));
                let piece = file[from..(from + count).min(file.len())].to_vec();
                file.splice(to..to, piece);
            }
        }
    }
}

/// Bytes of the kinds that damage brings.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        (1usize..600).prop_map(|count| vec![0; count]),
        Just(b"\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"}{".to_vec()),
        Just(b"\xEF\xBB\xBF".to_vec()),
        Just(b"\\ud83d".to_vec()),
        Just("\u{2028}\u{85}".as_bytes().to_vec()),
        Just(b"{\"type\":\"user\",\"message\":{\"role\":".to_vec()),
        prop::collection::vec(any::<u8>(), 1..40),
    ]
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let at = any::<u16>().prop_map(usize::from);
    prop_oneof![
        (at.clone(), bytes()).prop_map(|(at, bytes)| Spoil::Overwrite(at, bytes)),
        (at.clone(), bytes()).prop_map(|(at, bytes)| Spoil::Insert(at, bytes)),
        (at.clone(), 1usize..900).prop_map(|(at, count)| Spoil::Remove(at, count)),
        (at.clone(), at, 1usize..900).prop_map(|(from, to, count)| Spoil::CopyWithin(from, to, count)),
    ]
}

fn spoilt(transcript: usize, spoils: &[Spoil]) -> Vec<u8> {
    let mut file = ALL[transcript].2.to_vec();
    spoils.iter().for_each(|spoil| spoil.apply(&mut file));
    file
}

fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

/// The lines of a file as nobody else but this test cuts them.
fn physical_lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(file).split(|byte| *byte == b'\n')
}

/// What an event keeps of input that could not be read.
fn kept(type_name: &str, data: &str) -> Vec<u8> {
    match Event::decode(type_name, data) {
        Ok(Event::Unparsed(kept)) => match (kept.text, kept.text_base64) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (_, Some(text)) => base64::engine::general_purpose::STANDARD.decode(text.as_bytes()).unwrap(),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn in_words(draft: &Draft) -> String {
    format!("{draft:?}")
}

/// What an import brings into a session where an earlier one was killed when it had brought these.
fn brought_behind(brought: &[Draft], file: &[u8], format: SourceFormat) -> Vec<String> {
    let source = source(file, Some(format));
    let lab = Lab::new();
    let journal = lab.store.journal(source.session_id.clone()).unwrap();
    brought.iter().for_each(|draft| _ = journal.push(draft.clone()).unwrap());
    journal.close().wait().unwrap();
    let journal = lab.store.journal(source.session_id.clone()).unwrap();
    let mut importer = Importer::new(file, &source);
    assert!(importer.resume_behind(journal.last_id().unwrap()));
    let mut again = Vec::new();
    while let Some(step) = importer.next(true).unwrap() {
        again.extend(step.drafts.iter().map(in_words));
    }
    again
}

/// The last line's own event comes before the ends that it shows of what was held back.
#[test]
fn an_import_that_was_killed_within_a_line_brings_the_rest_of_it() {
    let file = br#"{"type":"user","sessionId":"c-1","uuid":"u-1","message":{"content":"Look."}}
{"type":"assistant","sessionId":"c-1","uuid":"a-1","message":{"id":"m-1","content":[],"stop_reason":"end_turn"}}
{"type":"user","sessionId":"c-1","uuid":"u-2","cwd":"/home/me","message":{"content":"Thanks."}}
"#;
    let drafts = import(file, SourceFormat::ClaudeCode).drafts;
    for killed in 1..drafts.len() {
        let (brought, rest) = drafts.split_at(killed);
        let again = brought_behind(brought, file, SourceFormat::ClaudeCode);
        assert_eq!(again, rest.iter().map(in_words).collect::<Vec<_>>(), "killed behind {:?}", brought.last());
    }
}

/// A line that no line feed ended, and was a record by itself, has grown: its rest is kept, and a line feed alone, or the
/// carriage return before it, brings nothing again.
#[test]
fn a_last_line_is_not_final_until_its_line_feed() {
    let asked = r#"{"type":"user","sessionId":"c-1","uuid":"u-1","message":{"content":"Look."}}"#;
    let note = r#"{"type":"mode","sessionId":"c-1","mode":"plan"}"#;
    for last in [asked, note] {
        let before = format!("{asked}\n{last}");
        let brought = import(before.as_bytes(), SourceFormat::ClaudeCode).drafts;
        for (more, is_new) in [("\n", false), ("\r\n", false), (" \n", false), ("}\n", true), ("{\"a\":1}\n", true)] {
            let again = brought_behind(&brought, format!("{before}{more}").as_bytes(), SourceFormat::ClaudeCode);
            assert_eq!(!again.is_empty(), is_new, "{more:?} after {last}: {again:?}");
            assert!(
                !is_new || again.iter().any(|draft| draft.contains("unparsed")),
                "{more:?} after {last}: {again:?}"
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_line_is_accounted_for_and_nothing_is_dropped(
        transcript in 0..ALL.len(),
        spoils in prop::collection::vec(spoil(), 0..6),
    ) {
        let file = spoilt(transcript, &spoils);
        let source = source(&file, Some(ALL[transcript].1));
        let mut importer = Importer::new(&file[..], &source);
        let lines: Vec<&[u8]> = physical_lines(&file).collect();
        let (mut salvaged, mut damaged, mut mapped, mut held) = (0, 0, 0, 0);
        while let Some(step) = importer.next(true).unwrap() {
            let counts = importer.counts();
            let is_in_events = counts.mapped == mapped || !step.drafts.is_empty() || counts.held > held;
            prop_assert!(is_in_events, "mapped, and in no event: line {}", step.line);
            (mapped, held) = (counts.mapped, counts.held);
            if step.damage.is_some() {
                damaged += 1;
                let kept: Vec<u8> = step.drafts.iter().flat_map(|draft| kept(draft.type_name(), draft.data())).collect();
                let line = lines[step.line as usize - 1];
                if counts.salvaged == salvaged {
                    let worth: Vec<u8> = line.to_vec();
                    prop_assert_eq!(kept, worth, "a damaged line of which nothing was saved is kept whole");
                }
            } else if let Some(line) = (step.line > 0).then(|| lines[step.line as usize - 1]).filter(|line| !is_blank(line)) {
                let whole = serde_json::from_slice::<serde::de::IgnoredAny>(line);
                prop_assert!(whole.is_ok(), "not told: {}", line.escape_ascii());
            }
            salvaged = counts.salvaged;
        }
        let counts = importer.counts();
        prop_assert_eq!(counts.lines, counts.mapped + counts.kept_raw + counts.damaged);
        prop_assert_eq!(counts.lines, lines.iter().filter(|line| !is_blank(line)).count() as u64);
        prop_assert_eq!(counts.damaged, damaged);
        prop_assert_eq!(counts.held, 0, "mapped, and in no event when the file ended");
    }

    #[test]
    fn every_event_can_be_recorded(transcript in 0..ALL.len(), spoils in prop::collection::vec(spoil(), 0..4)) {
        let imported = import(&spoilt(transcript, &spoils), ALL[transcript].1);
        for draft in &imported.drafts {
            prop_assert!(draft.event().is_ok(), "{draft:?}");
            prop_assert!(!Event::is_recorders_own(draft.type_name()));
        }
    }

    #[test]
    fn a_repaired_copy_needs_no_second_repair(transcript in 0..ALL.len(), spoils in prop::collection::vec(spoil(), 0..6)) {
        let (file, format) = (spoilt(transcript, &spoils), Some(ALL[transcript].1));
        let told = examine(&file, format);
        for (at, line) in physical_lines(&file).enumerate().filter(|(_, line)| !is_blank(line)) {
            let whole = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line).is_ok();
            let number = at as u64 + 1;
            prop_assert!(whole || told.iter().any(|one| one.line == number), "not told: {}", line.escape_ascii());
        }
        let once = repair(&file, format);
        for line in physical_lines(&once).filter(|line| !is_blank(line)) {
            let read = serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(line);
            prop_assert!(read.is_ok(), "not valid for an agent: {}", line.escape_ascii());
        }
        for finding in examine(&once, format) {
            let about_bytes = (FindingKind::TornTail..=FindingKind::TooDeep).contains(&finding.kind);
            prop_assert!(!about_bytes, "{finding:?} in {}", once.escape_ascii());
        }
        // Linking a record to another one may make it the same as a third: then that one goes.
        let twice = repair(&once, format);
        prop_assert!(twice.len() <= once.len(), "{}", once.escape_ascii());
        prop_assert!(physical_lines(&twice).all(|line| physical_lines(&once).any(|known| known == line)));
    }

    #[test]
    fn arbitrary_bytes_are_examined_and_imported_without_panic(file in prop::collection::vec(any::<u8>(), 0..400)) {
        for (_, format, _) in ALL {
            prop_assert!(import(&file, format).add_up());
            repair(&file, Some(format));
        }
        repair(&file, None);
        prop_assert!(foldlog::CaluteDocuments::of(&file).count() <= file.len());
    }

    /// A file that is imported, grows, and is imported again, a few times, brings everything that one import brings, and
    /// nothing of it once more.
    #[test]
    fn importing_again_brings_what_is_new(
        transcript in 0..ALL.len(),
        spoils in prop::collection::vec(spoil(), 0..3),
        cuts in prop::collection::vec(any::<u16>(), 1..4),
    ) {
        let (file, format) = (spoilt(transcript, &spoils), ALL[transcript].1);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) % (file.len() + 1)).collect();
        cuts.sort_unstable();
        let source = source(&file, Some(format));
        let lab = Lab::new();
        let run = |part: &[u8]| {
            let journal = lab.store.journal(source.session_id.clone()).unwrap();
            let mut importer = Importer::new(part, &source);
            if let Some(last) = journal.last_id() {
                assert!(importer.resume_behind(last));
            }
            let mut events = Vec::new();
            while let Some(step) = importer.next(true).unwrap() {
                for draft in step.drafts {
                    events.push((draft.type_name().to_owned(), draft.data().to_owned()));
                    journal.push(draft).unwrap();
                }
            }
            journal.close().wait().unwrap();
            events
        };
        let mut brought: Vec<_> = cuts.iter().flat_map(|cut| run(&file[..*cut])).collect();
        brought.extend(run(&file));
        prop_assert_eq!(run(&file), []);
        // What a bad line is called depends on whether anything follows it; what is kept of it does not.
        let named = |(name, data): (String, String)| {
            let torn = "{\"error\":\"a record that was cut short\"";
            (name, data.replacen(torn, "{\"error\":\"not JSON\"", 1))
        };
        let mut extra: Vec<_> = brought.iter().cloned().map(named).collect();
        for wanted in import(&file, format).events().into_iter().map(named) {
            let found = extra.iter().position(|event| *event == wanted);
            prop_assert!(found.is_some(), "missing: {wanted:?} of {brought:?}");
            extra.remove(found.unwrap());
        }
        // What a torn line gave, and ends that the end of the file brought too early, with the start that takes them back.
        let early = |(name, _): &&(String, String)| !matches!(&**name, "unparsed" | "model_call_ended" | "turn_ended" | "turn_started" | "turns_rewound");
        let ends_in_records = cuts.iter().all(|cut| file[..*cut].ends_with(b"\n"));
        prop_assert!(!ends_in_records || extra.iter().find(early).is_none(), "twice: {extra:?}");
    }

    /// An import that is killed behind any of its events brings the others when it is run again.
    #[test]
    fn a_killed_import_brings_the_rest(
        transcript in 0..ALL.len(),
        spoils in prop::collection::vec(spoil(), 0..3),
        cut in any::<u16>(),
        killed in any::<prop::sample::Index>(),
    ) {
        let (file, format) = (spoilt(transcript, &spoils), ALL[transcript].1);
        let file = &file[..usize::from(cut) % (file.len() + 1)];
        let drafts = import(file, format).drafts;
        let (brought, rest) = drafts.split_at(1 + killed.index(drafts.len()));
        prop_assert_eq!(brought_behind(brought, file, format), rest.iter().map(in_words).collect::<Vec<_>>());
    }

    /// A file that grows by pieces, cut anywhere, gives the same events as one that was there whole.
    #[test]
    fn reading_on_gives_what_reading_at_once_gives(
        transcript in 0..ALL.len(),
        spoils in prop::collection::vec(spoil(), 0..3),
        cuts in prop::collection::vec(any::<u16>(), 0..6),
    ) {
        let (file, format) = (spoilt(transcript, &spoils), ALL[transcript].1);
        let source = source(&file, Some(format));
        let mut growing = Importer::new(Growing::new(&file, &cuts), &source);
        let mut events = Vec::new();
        for _ in 0..=cuts.len() {
            while let Some(step) = growing.next(false).unwrap() {
                events.extend(step.drafts.iter().map(|draft| (draft.type_name().to_owned(), draft.data().to_owned())));
            }
        }
        while let Some(step) = growing.next(true).unwrap() {
            events.extend(step.drafts.iter().map(|draft| (draft.type_name().to_owned(), draft.data().to_owned())));
        }
        prop_assert_eq!(events, import(&file, format).events());
    }
}

/// A file that seems to end at each of its cuts, once.
struct Growing<'a> {
    file: &'a [u8],
    at: usize,
    cuts: Vec<usize>,
}

impl<'a> Growing<'a> {
    fn new(file: &'a [u8], cuts: &[u16]) -> Growing<'a> {
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| usize::from(*cut) % (file.len() + 1)).collect();
        cuts.sort_by(|a, b| b.cmp(a));
        Growing { file, at: 0, cuts }
    }
}

impl Read for Growing<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        unreachable!("read through its buffer")
    }
}

impl BufRead for Growing<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let end = self.cuts.last().copied().unwrap_or(self.file.len());
        if self.at >= end {
            self.cuts.pop();
            return Ok(&[]);
        }
        Ok(&self.file[self.at..end])
    }

    fn consume(&mut self, amount: usize) {
        self.at += amount;
    }
}

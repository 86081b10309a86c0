//! `record`'s input: however it is cut into reads, every line is recorded as the event it is, passed over as the
//! recorder's own, or kept so that its very bytes can be had back; and everything can be read again.

use super::input::Input;
use crate::support::{ID, Lab, reference, segment};
use base64::Engine;
use foldlog::{Draft, Event, Item};

// The files of the program that read standard input. They decide from bytes alone.
#[allow(dead_code, reason = "only what is said is needed here")]
#[path = "../../../../src/cli/commands/record/hints.rs"]
mod hints;
#[allow(dead_code, reason = "what reads the pipe itself is not needed here")]
#[path = "../../../../src/cli/commands/record/input.rs"]
mod input_lines;
#[allow(dead_code, reason = "only what makes events of lines is needed here")]
#[path = "../../../../src/cli/commands/record/parse.rs"]
mod parse;

use input_lines::{Line, Lines};
use parse::{Envelope, Parsed};

/// The first bytes say where the input is cut and how long a line may be; the others are the input.
pub fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (cut, limit) = (1 + input.below(64), [usize::MAX, 4_000, 60][input.below(3)]);
    let text = input.rest();
    let whole = cut_into_lines(text, text.len().max(1), limit);
    assert_eq!(cut_into_lines(text, cut, limit), whole, "how it is read changes what is read");
    let mut wanted: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    wanted.pop_if(|last| last.is_empty());
    assert_eq!(whole.len(), wanted.len());
    for (line, wanted) in whole.iter().zip(&wanted) {
        match line {
            Ok(line) => assert_eq!(line, wanted),
            Err(length) => assert!(*length == wanted.len() && *length > limit, "{length} bytes are not too many"),
        }
    }
    record(whole.iter().filter_map(|line| line.as_deref().ok()));
}

/// Records them as `record` does, and reads them again.
fn record<'a>(lines: impl Iterator<Item = &'a [u8]>) {
    let lab = Lab::new();
    let journal = lab.open();
    let mut recorded: Vec<(String, String, Vec<u8>)> = Vec::new();
    for line in lines {
        let parsed = match Envelope::read(line) {
            Ok(envelope) => {
                for hint in hints::hints(&envelope, line.len() % 2 == 0) {
                    for words in [hint.warning(), hint.refusal()] {
                        assert!(words.len() < 500 && words.contains("unknown"), "{words}");
                    }
                }
                envelope.parse(ID)
            }
            Err(why) => Parsed::Bad(why),
        };
        let (draft, kept) = match parsed {
            Parsed::Skipped | Parsed::Lookup(_) | Parsed::BadLookup(_) => continue,
            Parsed::Event(draft) => (draft, false),
            Parsed::Bad(why) => (parse::keep(line, &why), true),
        };
        let (draft, kept) = match journal.push(draft.clone()) {
            Ok(_) => (draft, kept),
            Err(refused) => {
                // Such as a `session_started` of another session: kept like a line that is no event.
                assert!(!kept && parse::is_about_the_event(refused.error()), "{refused}");
                let draft = parse::keep(line, &refused.to_string());
                journal.push(draft.clone()).unwrap();
                (draft, true)
            }
        };
        if kept {
            assert_eq!(kept_bytes(&draft), line, "the line cannot be had back");
        }
        recorded.push((draft.type_name().to_owned(), draft.data().to_owned(), line.to_vec()));
    }
    journal.close().wait().unwrap();
    let reader = match lab.store.reader(ID) {
        Ok(reader) => reader,
        Err(_) => return assert!(recorded.is_empty()),
    };
    let mut items = reader.items().unwrap();
    let mut read = Vec::new();
    while let Some(item) = items.next().unwrap() {
        match item {
            Item::Entry(entry) if entry.is_recorders_own() => {}
            Item::Entry(entry) => {
                assert!(entry.event().is_ok(), "what was taken cannot be decoded: {}", entry.line());
                read.push((entry.type_name().to_owned(), entry.data().to_owned()));
            }
            other => panic!("{other:?}"),
        }
    }
    let recorded: Vec<_> = recorded.into_iter().map(|(type_name, data, _)| (type_name, data)).collect();
    assert_eq!(read, recorded);
}

/// The lines of an input that comes in pieces of so many bytes; of those over the limit, their lengths.
fn cut_into_lines(text: &[u8], piece: usize, limit: usize) -> Vec<Result<Vec<u8>, usize>> {
    let keep = |line: Line<'_>| match line {
        Line::Whole(line) => Ok(line.to_vec()),
        Line::TooLong(length) => Err(length),
    };
    let (mut lines, mut all) = (Lines::new(limit), Vec::new());
    for mut chunk in text.chunks(piece) {
        while let Some(line) = lines.next(&mut chunk) {
            all.push(keep(line));
        }
    }
    all.extend(lines.last().map(keep));
    all
}

fn kept_bytes(draft: &Draft) -> Vec<u8> {
    match draft.event() {
        Ok(Event::Unparsed(kept)) => match (kept.text, kept.text_base64) {
            (Some(text), None) => text.as_bytes().to_vec(),
            (None, Some(text)) => base64::engine::general_purpose::STANDARD.decode(text.as_bytes()).unwrap(),
            neither => panic!("{neither:?}"),
        },
        other => panic!("{other:?}"),
    }
}

pub fn seeds() -> Vec<Vec<u8>> {
    let journal = reference(1 << 20)[&segment(1)].clone();
    let mut seeds: Vec<Vec<u8>> = journal.chunks(700).map(|chunk| [&[9, 0], chunk].concat()).collect();
    let by_hand: [&[u8]; 10] = [
        br#"{"lookup":"step-1","session":"s"}"#,
        br#"{"type":"turn_ended","data":{"turn_id":"t","status":"sucess","response":"x","time":"now"},"ts":"2026"}"#,
        br#"{"type":"turn_recorded","data":{"turn_id":"t","tool_calls":[{"call_id":"c","tool_name":"n","args":{}}]}}"#,
        br#"{"type":"turn_started","data":{"turn_id":"t"},"time":"2026-01-01T00:00:00+02:00","id":"i"}"#,
        br#"{"type":"session_started","data":{"session_id":"another"}}"#,
        br#"{"type":"session_started","data":{},"seq":1,"crc":"x"}"#,
        br#"{"type":"custom","data":{"name":"n","value":[1e400,"\ud800",{"seq":1}]},"extra":1}"#,
        b"\xff\xfe{\"type\":1}",
        b"{\"type\":\"x.y\",\"data\":{\"a\":1,\"a\":2}}\r",
        b"\xEF\xBB\xBF{\"type\":\"tool_cal\",\"data\":{ \t}}\n\n \n{}\n[]\nnull",
    ];
    seeds.extend(by_hand.iter().map(|line| [&[3, 0], *line, b"\n", *line, b"\n"].concat()));
    seeds
}

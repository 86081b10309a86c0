//! Importing: of any bytes, as any format, every line is accounted for, and every event can be recorded and read again.

use super::input::{Input, spoil};
use crate::support::{ID, Lab, reference, segment};
use crate::transcripts::{ALL, CALUTE, import};
use foldlog::{CaluteDocuments, Event, Source, SourceFormat, SourceName};

pub fn run(bytes: &[u8]) {
    let (format, file) = spoilt(&mut Input::new(bytes));
    let name = SourceName { stem: "stem".into(), ..SourceName::default() };
    let _ = (SourceFormat::detect(&file), Source::identify(&file, &name, None));
    assert!(CaluteDocuments::of(&file).count() <= file.len());
    let imported = import(&file, format);
    assert!(imported.add_up(), "{:?}", imported.counts);
    assert_eq!(imported.counts.damaged, imported.damaged.len() as u64);
    assert_eq!(imported.counts.held, 0, "mapped, and in no event");
    if format != SourceFormat::Calute {
        let lines = file.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&file).split(|byte| *byte == b'\n');
        assert_eq!(imported.counts.lines, lines.filter(|line| !is_blank(line)).count() as u64);
    }
    let lab = Lab::new();
    let journal = lab.open();
    for draft in imported.drafts {
        assert!(draft.event().is_ok() && !Event::is_recorders_own(draft.type_name()), "{draft:?}");
        if draft.type_name() != "session_started" {
            journal.push(draft).unwrap();
        }
    }
    journal.close().wait().unwrap();
    if let Ok(reader) = lab.store.reader(ID) {
        assert!(reader.verify().unwrap().clean);
        reader.fold().unwrap();
    }
}

/// A format, and a file of that format or of another one, after some damage.
pub fn spoilt(input: &mut Input<'_>) -> (SourceFormat, Vec<u8>) {
    let formats: Vec<SourceFormat> = SourceFormat::all().map(|(format, _)| format).collect();
    let format = *input.choose(&formats);
    let (base, spoils) = (input.below(7), input.below(6));
    let mut file = match base {
        0..4 => ALL[base].2.to_vec(),
        4 => CALUTE.to_vec(),
        5 => reference(1 << 20)[&segment(1)].clone(),
        _ => input.rest().to_vec(),
    };
    for _ in 0..spoils {
        spoil(&mut file, input);
    }
    (format, file)
}

pub fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

pub fn seeds() -> Vec<Vec<u8>> {
    let one =
        |format: u8, base: u8| vec![format, base, 2, 1, 200, format * 3, 9, 3, base * 30, 4, 17, 200, 255, 0, 10, 13];
    (0..6).flat_map(|format| (0..7).map(move |base| one(format, base))).collect()
}

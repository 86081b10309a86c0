//! An agent that records the reading of another foldlog journal: whole lines of it as strings and as raw JSON.
//!
//! One entry stays one entry. Whatever is cut from such a line, and whichever of its bytes changes, no reader may take
//! the quotation for an entry: it was recorded by somebody else.

use crate::support::{Files, ID, Lab, Reading, entries_of, lines, reference, seal, segment};
use foldlog::{Custom, Draft, Json, TextDelta, ToolCallEnded, ToolCallStarted};

/// Lines of another journal whose numbers would fit right behind `seq` in ours.
fn quotable(seq: u64) -> String {
    let body = |seq: u64| {
        format!("{{\"seq\":{seq},\"synced\":0,\"time\":\"2026-01-01T00:00:00.000000Z\",\"type\":\"a\",\"data\":{{}}")
    };
    let line = |seq: u64| String::from_utf8(seal(&body(seq))).unwrap();
    line(seq) + &line(seq + 1)
}

/// Every way in which an event can carry somebody else's lines.
fn quoting(lines: &str) -> Vec<Draft> {
    let first = lines.lines().next().unwrap();
    let raw = Json::parse(&format!("[{}]", lines.lines().collect::<Vec<_>>().join(","))).unwrap();
    let object = Json::parse(first).unwrap();
    vec![
        TextDelta::new("t", lines).into(),
        ToolCallStarted::new("t", "c", "cat").arguments(object.clone()).into(),
        ToolCallEnded::new("t", "c").result(raw.clone()).into(),
        ToolCallEnded::new("t", "c").result(Json::string(lines)).into(),
        Custom::new("quote", object).into(),
        Draft::from_json("acme.read", first).unwrap(),
        Draft::from_json("acme.read", &format!("{{\"lines\":{},\"again\":{first}}}", raw.as_str())).unwrap(),
        Draft::from(TextDelta::new("t", "x")).id(&first[..first.len().min(128)]),
    ]
}

/// A journal of three entries whose middle one quotes; the second file holds the middle entry in the second place of a
/// segment that nothing else follows.
fn quoted_in_the_middle(draft: Draft) -> Files {
    let lab = Lab::new();
    let journal = lab.open();
    journal.push(TextDelta::new("t", "before")).unwrap();
    journal.push(draft).unwrap();
    // When the middle line is damaged, its number is missing: just where the quoted one would fit.
    journal.push(TextDelta::new("t", "behind")).unwrap();
    drop(journal);
    lab.files()
}

#[test]
fn one_entry_stays_one_entry() {
    // Goal: quoting costs nothing and adds nothing. Method: whole journals quoted, in every way, read back.
    let other = reference(1 << 20);
    let text = String::from_utf8(other[&segment(1)].clone()).unwrap();
    let entries: String = text.lines().skip(1).map(|line| format!("{line}\n")).collect();
    for lines in [text.clone(), entries, quotable(3)] {
        let drafts = quoting(&lines);
        let lab = Lab::new();
        let journal = lab.open();
        let count = drafts.len() as u64;
        for draft in drafts {
            journal.append(draft).unwrap().wait().unwrap();
        }
        drop(journal);
        let reading = lab.read();
        assert_eq!(reading.seqs(), (1..=count).collect::<Vec<_>>());
        assert!(reading.gaps.is_empty());
        assert_eq!(reading.entries, entries_of(&lab.files()));
    }
}

#[test]
fn no_truncation_of_a_quoting_line_yields_the_quotation() {
    // Goal: a torn line that quotes is torn, and nothing of it is salvaged, with or without lines behind it. Method:
    // cut it at every byte; at the end of the file, with a line break, and with the next line glued to it.
    let lab = Lab::new();
    for draft in quoting(&quotable(2)) {
        let files = quoted_in_the_middle(draft);
        let originals = entries_of(&files);
        let whole = &files[&segment(1)];
        let stored = lines(whole);
        let ((start, line), behind) = (stored[2], stored[3].1);
        for len in 0..line.len() {
            let cut = &whole[..start + len];
            for (tail, what) in [
                (vec![], "at the end"),
                (b"\n".to_vec(), "with a line break"),
                ([b"\n", behind, b"\n"].concat(), "with a line behind it"),
                ([behind, b"\n"].concat(), "with a line glued to it"),
                ([&[0; 40][..], behind, b"\n"].concat(), "with NULs and a line glued to it"),
            ] {
                lab.put(&Files::from([(segment(1), [cut, &tail].concat())]));
                let reading = lab.read();
                reading.assert_nothing_invented(&originals, what);
                let wanted: &[u64] = if tail.len() > 1 { &[1, 3] } else { &[1] };
                assert_eq!(reading.seqs(), wanted, "cut to {len} {what}");
                assert!(!reading.is_clean() || (tail.is_empty() && len == 0), "cut to {len} {what}");
            }
        }
    }
}

#[test]
fn no_single_byte_change_of_a_quoting_line_yields_the_quotation() {
    // Goal: no byte, changed to any other, makes a reader see what was not recorded. Method: all 255 changes of every
    // byte of a line that quotes as a string, as raw JSON and as an id.
    let lab = Lab::new();
    let short = quotable(2);
    let first = short.lines().next().unwrap();
    let both = format!("{{\"s\":{},\"r\":{first}}}", Json::string(first).as_str());
    let files = quoted_in_the_middle(Draft::from_json("a", &both).unwrap());
    let originals = entries_of(&files);
    let whole = files[&segment(1)].clone();
    let (start, len) = (lines(&whole)[2].0, lines(&whole)[2].1.len());
    let path = lab.dir.join(segment(1));
    for at in start..=start + len {
        for change in 1..=255u8 {
            let mut changed = whole.clone();
            changed[at] ^= change;
            lab.disk.set(&path, &changed);
            let reading = Reading::of(&lab.store.reader(ID).unwrap());
            reading.assert_nothing_invented(&originals, "changed");
            assert!(!reading.is_clean(), "byte {at} ^ {change}");
            let glued = at == start + len; // no line break between it and the next: both are found, or the next alone
            assert!(reading.entries.len() == 2 || glued && reading.entries.len() == 3, "byte {at} ^ {change}");
        }
    }
}

#[test]
fn a_quoting_line_spoiled_by_two_line_breaks_yields_nothing_either() {
    // Goal: even a change that puts the quotation on a physical line of its own does not make it an entry. Method: line
    // breaks in place of the bytes right before and behind each quoted line.
    let lab = Lab::new();
    for draft in quoting(&quotable(2)) {
        let files = quoted_in_the_middle(draft);
        let originals = entries_of(&files);
        let whole = &files[&segment(1)];
        let (start, line) = lines(whole)[2];
        let text = String::from_utf8(line.to_vec()).unwrap();
        for (at, _) in text.match_indices("{\"seq\"").chain(text.match_indices("{\\\"seq\\\"")) {
            if at == 0 {
                continue;
            }
            let end = at + text[at..].find("\"}").map_or(1, |len| len + 2);
            let mut changed = whole.clone();
            changed[start + at - 1] = b'\n';
            changed[(start + end).min(start + line.len())] = b'\n';
            lab.put(&Files::from([(segment(1), changed)]));
            let reading = lab.read();
            reading.assert_nothing_invented(&originals, "split");
            assert_eq!(reading.seqs(), [1, 3]);
        }
    }
}

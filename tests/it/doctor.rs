//! The doctor: a corpus of damaged files, one for each way in which files are damaged in the field, made here from whole
//! transcripts. Each is named by line, byte and class; everything whole is saved; nothing else is changed.

use crate::support::reference;
use crate::transcripts::{ALL, CLAUDE_CODE, CODEX, COPILOT, examine, import, lines, repair};
use foldlog::{Finding, FindingKind, MAX_LINE, SourceFormat};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// A damaged file: what it is, and what must be found in it as (line, byte, class).
struct Case {
    name: &'static str,
    format: SourceFormat,
    file: Vec<u8>,
    expected: Vec<(u64, u64, &'static str)>,
    /// Whole records that a repaired copy must hold, byte for byte.
    kept: Vec<Vec<u8>>,
    /// A repaired copy shows no damage at all.
    heals: bool,
}

/// Where a line of a transcript begins.
fn at(lines: &[Vec<u8>], line: usize) -> u64 {
    lines[..line - 1].iter().map(|line| line.len() as u64).sum()
}

/// The transcript with another text in the place of one line.
fn with(lines: &[Vec<u8>], line: usize, text: &[u8]) -> Vec<u8> {
    [&lines[..line - 1].concat(), text, &lines[line..].concat()].concat()
}

fn replaced(line: &[u8], from: &str, to: &[u8]) -> Vec<u8> {
    let at = memchr::memmem::find(line, from.as_bytes()).expect("the text to replace");
    [&line[..at], to, &line[at + from.len()..]].concat()
}

fn find(line: &[u8], text: &[u8]) -> u64 {
    memchr::memmem::find(line, text).expect("the text to find") as u64
}

/// Damage to the bytes of a transcript of Claude Code.
fn damaged_bytes() -> Vec<Case> {
    let all = lines(CLAUDE_CODE);
    let end = CLAUDE_CODE.len() as u64;
    let half = |line: usize| all[line - 1][..all[line - 1].len() / 2].to_vec();
    let whole = |line: usize| all[line - 1].strip_suffix(b"\n").unwrap().to_vec();
    let mut cases = Vec::new();
    let mut add = |name, file: Vec<u8>, expected: Vec<(u64, u64, &'static str)>, lost: &[usize], heals| {
        let kept = all.iter().enumerate().filter(|(at, _)| !lost.contains(&(at + 1)));
        let kept = kept.map(|(_, line)| line.strip_suffix(b"\n").unwrap().to_vec()).collect();
        cases.push(Case { name, format: SourceFormat::ClaudeCode, file, expected, kept, heals });
    };
    let tail = |tail: &[u8]| [CLAUDE_CODE, tail].concat();
    add("torn tail", tail(&half(6)), vec![(23, end, "torn_tail")], &[], true);
    add(
        "torn tail in a character",
        tail(b"{\"type\":\"user\",\"x\":\"\xE2\x82"),
        vec![(23, end, "torn_tail")],
        &[],
        true,
    );
    let torn = [half(6), b"\n\n".to_vec()].concat();
    add("torn tail and a blank line", tail(&torn), vec![(23, end, "torn_tail")], &[], true);
    let torn = with(&all, 22, &[half(22), b"\n".to_vec(), all[21].clone()].concat());
    add("torn record", torn, vec![(22, at(&all, 22), "torn_record")], &[], true);
    let glued = with(&all, 6, &[half(6), all[5].clone()].concat());
    add("torn prefix, same record", glued, vec![(6, at(&all, 6), "glued_again")], &[], true);
    let glued = with(&all, 1, &[half(2), all[0].clone()].concat());
    add("torn prefix, other record", glued, vec![(1, 0, "glued")], &[], true);
    let second = at(&all, 3) + whole(3).len() as u64;
    let file = [&all[..2].concat()[..], &whole(3), &all[3..].concat()].concat();
    add("two records on a line", file, vec![(3, second, "missing_newline")], &[], true);
    add(
        "no line break at the end",
        CLAUDE_CODE[..CLAUDE_CODE.len() - 1].to_vec(),
        vec![(22, end - 1, "missing_newline")],
        &[],
        true,
    );
    add("NUL tail", tail(&[0; 1728]), vec![(23, end, "nul_run")], &[], true);
    let nuls = [&all[..5].concat()[..], &[0; 300], b"\n", &all[5..].concat()].concat();
    add("NUL line", nuls, vec![(6, at(&all, 6), "nul_run")], &[], true);
    let nuls = [&all[..5].concat()[..], &[0; 300], &all[5..].concat()].concat();
    add("NULs before a record", nuls, vec![(6, at(&all, 6), "nul_run")], &[], true);
    let inside = replaced(&all[12], "path is", b"path\0\0\0is");
    let byte = at(&all, 13) + find(&inside, b"\0");
    add("NULs in a record", with(&all, 13, &inside), vec![(13, byte, "nul_run")], &[13], true);
    add("byte-order mark", [b"\xEF\xBB\xBF", CLAUDE_CODE].concat(), vec![(1, 0, "bom")], &[], true);
    let crlf: Vec<u8> = [whole(1), b"\r\n".to_vec(), all[1..].concat()].concat();
    add("CR LF", crlf, vec![(1, whole(1).len() as u64, "crlf")], &[], true);
    for (name, text) in [("U+2028", "\u{2028}"), ("U+2029", "\u{2029}"), ("U+0085", "\u{85}")] {
        let raw = replaced(&all[12], "path is", format!("path{text}is").as_bytes());
        let byte = at(&all, 13) + find(&raw, text.as_bytes());
        add(name, with(&all, 13, &raw), vec![(13, byte, "line_separator")], &[13], true);
    }
    for (name, escape) in [("lone high surrogate", "\\ud83d"), ("lone low surrogate", "\\ude00 \\ud83d\\ude00")] {
        let lone = replaced(&all[12], "path is", escape.as_bytes());
        let byte = at(&all, 13) + find(&lone, b"\\ud");
        add(name, with(&all, 13, &lone), vec![(13, byte, "lone_surrogate")], &[13], true);
    }
    let invalid = replaced(&all[12], "path is", b"path \xFF is");
    let byte = at(&all, 13) + find(&invalid, b"\xFF");
    add("invalid UTF-8", with(&all, 13, &invalid), vec![(13, byte, "invalid_utf8")], &[13], true);
    let deep =
        [b"{\"sessionId\":\"c-1\",\"x\":".to_vec(), b"[".repeat(200), b"]".repeat(200), b"}\n".to_vec()].concat();
    add("deep nesting", tail(&deep), vec![(23, end, "too_deep")], &[], true);
    add("not an object", tail(b"[1,2]\n"), vec![(23, end, "not_object")], &[], true);
    add("not JSON", tail(b"Segmentation fault\n"), vec![(23, end, "not_json")], &[], true);
    let long = [b"{\"sessionId\":\"c-1\",\"x\":\"".to_vec(), b"x".repeat(MAX_LINE), b"\"}\n".to_vec()].concat();
    add("a line that is too long", tail(&long), vec![(23, end, "too_long")], &[], false);
    cases
}

/// Damage to how records hang together.
fn damaged_chains() -> Vec<Case> {
    let (claude, codex, copilot) = (lines(CLAUDE_CODE), lines(CODEX), lines(COPILOT));
    let end = |lines: &[Vec<u8>]| at(lines, lines.len() + 1);
    let mut cases = Vec::new();
    let mut add = |name, format, file: Vec<u8>, expected: Vec<(u64, u64, &'static str)>, heals| {
        cases.push(Case { name, format, file, expected, kept: Vec::new(), heals });
    };
    use SourceFormat::{ClaudeCode, Codex, Copilot};
    let again = with(&claude, 4, &[claude[3].clone(), claude[3].clone()].concat());
    add("the same record twice", ClaudeCode, again, vec![(5, at(&claude, 5), "duplicate_record")], true);
    let other = [CLAUDE_CODE, &replaced(&claude[20], "Go on.", b"Stop.")].concat();
    add(
        "an id twice",
        ClaudeCode,
        other,
        vec![(23, end(&claude), "duplicate_id"), (23, end(&claude), "clock_back")],
        false,
    );
    let nameless = with(&claude, 21, &replaced(&claude[20], "\"uuid\":\"u-9\",", b""));
    let expected = vec![(21, at(&claude, 21), "missing_id"), (22, at(&claude, 22) - 13, "broken_parent")];
    add("no id", ClaudeCode, nameless, expected, false);
    let gone = with(&claude, 5, b"");
    add("a parent that is gone", ClaudeCode, gone, vec![(5, at(&claude, 5), "broken_parent")], true);
    let own = with(&claude, 5, &replaced(&claude[4], "\"a-1\"", b"\"a-2\""));
    add("its own parent", ClaudeCode, own, vec![(5, at(&claude, 5), "broken_parent")], true);
    let swapped = [claude[..13].concat(), claude[14].clone(), claude[13].clone(), claude[15..].concat()].concat();
    let expected =
        vec![(15, at(&claude, 14) + claude[14].len() as u64, "clock_back"), (14, at(&claude, 14), "parent_later")];
    add("a parent that comes later", ClaudeCode, swapped, expected, true);
    let foreign = with(&claude, 21, &replaced(&claude[20], "\"c-1\"", b"\"c-2\""));
    add("another session's record", ClaudeCode, foreign, vec![(21, at(&claude, 21), "foreign_session")], false);
    let result = with(&codex, 8, b"");
    add("a result without its call", Codex, result, vec![(10, 0, "orphan_result"), (21, 0, "open_call")], false);
    let moved = [codex[..7].concat(), codex[10].clone(), codex[7].clone(), codex[8..10].concat(), codex[11..].concat()]
        .concat();
    let expected = vec![(9, 0, "clock_back"), (8, 0, "result_before_call"), (22, 0, "open_call")];
    add("a result before its call", Codex, moved, expected, false);
    let call = with(&codex, 13, b"");
    add("a call without its result", Codex, call, vec![(12, 0, "orphan_call"), (21, 0, "open_call")], false);
    let twice = with(&codex, 21, &[codex[20].clone(), codex[19].clone()].concat());
    add(
        "a turn that starts twice",
        Codex,
        twice,
        vec![(22, 0, "clock_back"), (22, 0, "turn_started_twice"), (23, 0, "open_call")],
        false,
    );
    let torn = with(&codex, 1, &[&codex[0][..40], b"\n"].concat());
    add(
        "a torn header",
        Codex,
        [&torn[..41], &codex[2..].concat()].concat(),
        vec![(1, 0, "torn_record"), (2, 41, "missing_header"), (21, 0, "open_call")],
        false,
    );
    let torn = with(&copilot, 1, &copilot[0][40..]);
    let expected = vec![(1, 0, "not_json"), (2, 0, "missing_header"), (2, 0, "broken_parent")];
    add("half a header", Copilot, torn, expected, false);
    let newer = with(&copilot, 1, &replaced(&copilot[0], "\"version\":1", b"\"version\":2"));
    add("a newer version", Copilot, newer, vec![(1, 0, "newer_version")], true);
    add(
        "numbers",
        Codex,
        numbered(&[1, 2, 3, 5, 6, 6, 2, 3, 7]),
        vec![(4, 0, "sequence_gap"), (6, 0, "sequence_again"), (7, 0, "sequence_again"), (8, 0, "sequence_again")],
        false,
    );
    cases
}

/// A rollout whose lines bear these numbers.
fn numbered(numbers: &[u64]) -> Vec<u8> {
    let line = |(at, number): (usize, &u64)| {
        let kind = if at == 0 { "session_meta" } else { "world_state" };
        format!(
            "{{\"timestamp\":\"2026-01-01T00:00:00Z\",\"ordinal\":{number},\"type\":\"{kind}\",\"payload\":{{\"at\":{at}}}}}\n"
        )
    };
    numbers.iter().enumerate().flat_map(|found| line(found).into_bytes()).collect()
}

/// Byte offsets are checked where the case gives one.
fn shape(found: &[Finding], expected: &[(u64, u64, &'static str)]) -> Vec<(u64, u64, &'static str)> {
    let wanted = |at: usize| expected.get(at).is_some_and(|(_, byte, _)| *byte > 0);
    found
        .iter()
        .enumerate()
        .map(|(at, one)| (one.line, if wanted(at) { one.byte } else { 0 }, one.kind.as_str()))
        .collect()
}

#[test]
fn every_signature_is_named_by_line_byte_and_class() {
    for case in damaged_bytes().into_iter().chain(damaged_chains()) {
        let found = examine(&case.file, Some(case.format));
        assert_eq!(shape(&found, &case.expected), case.expected, "{}", case.name);
        // Whoever knows no format finds what is wrong with the bytes all the same.
        let bytes_alone = examine(&case.file, None);
        assert!(bytes_alone.iter().all(|one| found.contains(one)), "{}: {bytes_alone:?}", case.name);
    }
}

#[test]
fn a_repaired_copy_holds_every_whole_record_and_no_damage() {
    for case in damaged_bytes().into_iter().chain(damaged_chains()) {
        let copy = repair(&case.file, Some(case.format));
        for record in &case.kept {
            let found = copy.split(|byte| *byte == b'\n').any(|line| line == record);
            assert!(found, "{}: lost {}", case.name, String::from_utf8_lossy(record));
        }
        let left = examine(&copy, Some(case.format));
        let damage: Vec<&Finding> = left.iter().filter(|one| one.kind.is_damage()).collect();
        assert!(!case.heals || damage.is_empty(), "{}: {damage:?}", case.name);
        assert!(left.iter().all(|one| one.kind != FindingKind::BrokenParent), "{}: {left:?}", case.name);
    }
}

#[test]
fn importing_the_damaged_file_saves_what_can_be_saved() {
    for case in damaged_bytes() {
        let (whole, damaged) = (import(CLAUDE_CODE, case.format), import(&case.file, case.format));
        assert!(damaged.add_up(), "{}: {:?}", case.name, damaged.counts);
        let harmless =
            ["bom", "crlf", "line_separator"].contains(&case.expected[0].2) || case.name == "no line break at the end";
        assert_eq!(damaged.damaged.is_empty(), harmless, "{}", case.name);
        let changed = ["NULs in a record", "invalid UTF-8"].contains(&case.name)
            || case.name.contains("surrogate")
            || case.name.starts_with("U+");
        let (before, after) = (whole.mapped(), damaged.mapped());
        assert_eq!(before.len(), after.len(), "{}", case.name);
        if !changed {
            assert_eq!(before, after, "{}", case.name);
        }
    }
}

#[test]
fn whole_files_are_clean_whatever_is_in_them() {
    for (name, format, file) in ALL {
        let found = examine(file, Some(format));
        assert!(found.iter().all(|one| !one.kind.is_damage()), "{name}: {found:?}");
        assert_eq!(SourceFormat::detect(file), Some(format));
        let copy = repair(file, Some(format));
        assert!(copy == file, "{name}: a whole file is changed by a repair");
    }
    // A type, members and a float that no reader knows, an optional member that is not there, equal times.
    let odd = b"{\"timestamp\":\"2026-01-01T00:00:00Z\",\"type\":\"session_meta\",\"payload\":{\"id\":\"x\"}}\n\
        {\"timestamp\":\"2026-01-01T00:00:00Z\",\"type\":\"event_msg\",\"payload\":{\"type\":\"token_count\",\"info\":null,\"rate_limits\":{\"primary\":{\"used_percent\":12.5}}}}\n\
        {\"timestamp\":\"2026-01-01T00:00:00Z\",\"type\":\"tomorrow\",\"new\":[1e400],\"payload\":{\"type\":\"x\"}}\n";
    assert_eq!(examine(odd, SourceFormat::detect(odd)), []);
    let imported = import(odd, SourceFormat::Codex);
    assert_eq!((imported.counts.lines, imported.counts.damaged, imported.counts.unknown["tomorrow"]), (3, 0, 1));
}

#[test]
fn empty_files_and_files_of_nuls_are_damage() {
    let found = |file: &[u8]| examine(file, None).iter().map(|one| (one.line, one.byte, one.kind)).collect::<Vec<_>>();
    assert_eq!(found(b""), [(1, 0, FindingKind::Empty)]);
    assert_eq!(found(&[0; 413]), [(1, 0, FindingKind::NulRun)]);
    assert_eq!(repair(&[0; 413], None), b"");
}

#[test]
fn a_nested_object_of_a_torn_record_is_no_record() {
    let torn = br#"{"type":"user","sessionId":"c","message":{"role":"user"},"uu"#;
    let next = br#"{"type":"user","sessionId":"c","uuid":"u-2","message":{"role":"user","content":"hi"}}"#;
    let file = [&torn[..], next, b"\n"].concat();
    for format in [None, Some(SourceFormat::ClaudeCode)] {
        assert_eq!(repair(&file, format), [&next[..], b"\n"].concat());
    }
    // All but its last brace is there: what is nested in it ends the line.
    let torn = b"{\"k\":1,\"v\":{\"x\":2}}\n{\"k\":2,\"v\":{\"x\":3}\n{\"k\":3}\n";
    let found = examine(torn, None);
    assert_eq!((found.len(), found[0].kind, found[0].line), (1, FindingKind::TornRecord, 2));
    // Torn at the very place where a nested object would begin.
    let torn = br#"{"type":"user","sessionId":"c","message":"#;
    assert_eq!(repair(&[&torn[..], next, b"\n"].concat(), None), [&next[..], b"\n"].concat());
}

#[test]
fn segments_of_foldlog_are_judged_by_their_checksums() {
    let mut segment = reference(1 << 20).remove("00000001.jsonl").unwrap();
    assert_eq!(examine(&segment, SourceFormat::detect(&segment)), []);
    let at = memchr::memmem::find(&segment, b"plain").unwrap();
    segment[at] = b'P';
    let found = examine(&segment, Some(SourceFormat::Foldlog));
    let line = memchr::memchr_iter(b'\n', &segment[..at]).count() as u64 + 1;
    let kinds: Vec<_> = found.iter().map(|one| (one.line, one.kind.as_str())).collect();
    assert_eq!(kinds, [(line, "bad_checksum"), (line + 1, "sequence_gap")]);
}

fn doctor(args: &[&str], paths: &[&Path]) -> (Option<i32>, Vec<Value>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
    let ran = command.arg("doctor").arg("--json").args(args).args(paths).output().unwrap();
    let out = String::from_utf8(ran.stdout).unwrap();
    let json = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (ran.status.code(), json, String::from_utf8(ran.stderr).unwrap())
}

#[test]
fn the_command_tells_every_finding_and_every_change_and_never_writes_in_place() {
    let dir = tempfile::tempdir().unwrap();
    let (logs, copies) = (dir.path().join("logs/deep"), dir.path().join("copies"));
    std::fs::create_dir_all(&logs).unwrap();
    let all = lines(CLAUDE_CODE);
    let glued = with(&all, 6, &[&all[6][..50], &all[5]].concat());
    std::fs::write(logs.join("glued.jsonl"), &glued).unwrap();
    std::fs::write(logs.join("whole.jsonl"), CLAUDE_CODE).unwrap();
    std::fs::write(logs.join("notes.txt"), "no log").unwrap();
    let root = dir.path().join("logs");
    let (code, json, _) = doctor(&[], &[&root]);
    assert_eq!((code, json.len()), (Some(3), 3), "{json:?}");
    let (finding, file, clean) = (&json[0], &json[1], &json[2]);
    let keys: Vec<&String> = finding.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["byte", "bytes", "class", "damage", "file", "line", "lost", "saved", "v", "what"]);
    assert_eq!(
        (&finding["line"], &finding["byte"], &finding["class"]),
        (&6.into(), &at(&all, 6).into(), &"glued".into())
    );
    assert_eq!(
        (&file["damage"], &file["classes"]["glued"], &file["format"]),
        (&1.into(), &1.into(), &"claude-code".into())
    );
    assert_eq!((&clean["clean"], &clean["lines"]), (&true.into(), &22.into()));

    let output = copies.to_str().unwrap();
    let (code, json, _) = doctor(&["--fix", "--output", output], &[&root]);
    assert_eq!(code, Some(3));
    assert_eq!((&json[1]["change"], &json[1]["output_line"]), (&"rewritten".into(), &6.into()));
    assert!(!copies.join("deep/whole.jsonl").exists(), "only damaged files are copied");
    assert_eq!(std::fs::read(copies.join("deep/glued.jsonl")).unwrap(), CLAUDE_CODE);
    assert_eq!(std::fs::read(logs.join("glued.jsonl")).unwrap(), glued, "the original stays as it is");
    assert_eq!(doctor(&[], &[&copies]).0, Some(0));
    let (code, _, words) = doctor(&["--fix", "--output", output], &[&root]);
    assert_eq!(code, Some(7), "nothing is overwritten: {words}");
    assert_eq!(doctor(&[], &[Path::new("/nowhere.jsonl")]).0, Some(7));
}

#[test]
fn the_page_on_imports_names_every_class_and_every_format() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/IMPORT.md")).unwrap();
    for kind in FindingKind::ALL {
        assert!(page.contains(&format!("`{kind}`")), "docs/IMPORT.md says nothing of {kind}");
    }
    for (_, name) in SourceFormat::all() {
        assert!(page.to_lowercase().contains(&name.replace('-', " ")), "docs/IMPORT.md says nothing of {name}");
    }
}

/// Goal: numbers that the log itself accounts for are no damage. Method: a compacted journal, and one that was
/// recovered.
#[test]
fn numbers_that_are_missing_on_purpose_are_no_damage() {
    use crate::support::{ID, Lab, segments};
    let check = |what: &str, files: &crate::support::Files| {
        let dir = tempfile::tempdir().unwrap();
        for name in segments(files) {
            let path = dir.path().join(&name);
            std::fs::write(&path, &files[&name]).unwrap();
            let ran =
                std::process::Command::new(env!("CARGO_BIN_EXE_foldlog")).arg("doctor").arg(&path).output().unwrap();
            let said = String::from_utf8_lossy(&ran.stdout);
            assert!(!said.contains("sequence_gap") && ran.status.code() == Some(0), "{what}: {said}");
        }
    };
    let lab = Lab::new();
    let journal = lab.open();
    journal.push(foldlog::TurnStarted::new("t", "go on")).unwrap();
    journal.push(foldlog::TextDelta::new("t", "one ")).unwrap();
    journal.push(foldlog::TextDelta::new("t", "two")).unwrap();
    journal.append(foldlog::TurnEnded::success("t").response_content("one two")).unwrap().wait().unwrap();
    journal.close().wait().unwrap();
    lab.store.compact(ID).unwrap();
    assert_eq!(lab.read().seqs(), [1, 4, 5]);
    check("compacted", &lab.files());

    let lab = Lab::with(&crate::support::unclosed());
    let mut files = lab.files();
    files.get_mut(&crate::support::segment(1)).unwrap().extend_from_slice(&[b'x'; 500]);
    let lab = Lab::with(&files);
    lab.append_one();
    check("recovered", &lab.files());
}

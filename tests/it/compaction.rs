//! Compaction: what may go, what must stay, and what becomes of the files.

use crate::memory::Memory;
use crate::support::{Files, ID, Lab, entries_of, lines, segment, segments, seq_of};
use foldlog::{
    CompactOptions, CompactReport, Custom, Draft, ErrorKind, JournalOptions, Json, ModelCallEnded, ModelCallStarted,
    ReasoningDelta, Seq, Session, SessionEnded, SessionFold, Store, TextDelta, TimelineFold, TimelineKind,
    ToolCallEnded, ToolCallOutput, ToolCallStarted, TurnEnded, TurnStarted, TurnsRewound,
};
use std::collections::BTreeMap;

/// Records these events in segments of this size, and closes the journal.
pub fn recorded(events: impl IntoIterator<Item = Draft>, segment_bytes: u64) -> Lab {
    let lab = Lab::new();
    let options = JournalOptions::default().segment_bytes(segment_bytes);
    let journal = lab.store.journal_with(ID, options).unwrap();
    for event in events {
        journal.push(event).unwrap();
        journal.sync().unwrap().wait().unwrap();
    }
    journal.close().wait().unwrap();
    lab
}

pub fn session(store: &Store) -> Session {
    store.reader(ID).unwrap().session().unwrap()
}

/// The text of every turn, as the timeline tells it.
pub fn texts(store: &Store) -> BTreeMap<String, String> {
    let (timeline, _) = store.reader(ID).unwrap().reduce(TimelineFold::default()).unwrap();
    let mut texts = BTreeMap::new();
    for item in timeline.items.into_iter().filter(|item| item.kind == TimelineKind::Text) {
        texts.entry(item.turn_id.unwrap()).or_insert_with(String::new).push_str(&item.title);
    }
    texts
}

/// The numbers that are left after a compaction, which must fold into the same.
fn left(events: Vec<Draft>) -> Vec<u64> {
    let lab = recorded(events, 64 << 20);
    let (before, said) = (session(&lab.store), texts(&lab.store));
    lab.store.compact(ID).unwrap();
    assert_eq!(session(&lab.store), before);
    assert_eq!(texts(&lab.store), said);
    lab.read().seqs()
}

fn delta(turn: &str, text: &str, call: &str) -> Draft {
    match call {
        "" => TextDelta::new(turn, text).into(),
        call => TextDelta::new(turn, text).model_call_id(call).into(),
    }
}

fn start(turn: &str) -> Draft {
    TurnStarted::new(turn, "do it").into()
}

fn end(turn: &str, said: &str) -> Draft {
    TurnEnded::success(turn).response_content(said).into()
}

fn call(turn: &str, id: &str) -> Draft {
    ModelCallStarted::new(turn, id).into()
}

fn answer(turn: &str, id: &str, text: &str) -> Draft {
    ModelCallEnded::new(turn, id).text(text).into()
}

fn output(turn: &str, id: &str, text: &str) -> Draft {
    ToolCallOutput::new(turn, id, text).into()
}

fn tool(turn: &str, id: &str) -> Draft {
    ToolCallStarted::new(turn, id, "bash").into()
}

fn result(turn: &str, id: &str, text: &str) -> Draft {
    ToolCallEnded::new(turn, id).result(Json::string(text)).into()
}

#[test]
fn what_an_ending_event_repeats_goes() {
    let reasoning = |text: &str| Draft::from(ReasoningDelta::new("t", text).model_call_id("m"));
    let thought = ModelCallEnded::new("t", "m").text("Füße 🦀\n").reasoning("hm so");
    let events = vec![
        start("t"),
        call("t", "m"),
        reasoning("hm "),
        delta("t", "Füße ", "m"),
        reasoning("so"),
        delta("t", "🦀\n", "m"),
        thought.into(),
        tool("t", "c"),
        output("t", "c", "1\n"),
        output("t", "c", ""),
        output("t", "c", "2"),
        result("t", "c", "1\n2"),
        end("t", "done"),
        start("u"),
        delta("u", "go", ""),
        tool("u", "c"),
        delta("u", "ne", ""),
        result("u", "c", "nothing"),
        end("u", "gone"),
    ];
    assert_eq!(left(events), [1, 2, 7, 8, 12, 13, 14, 16, 18, 19, 20]);
}

#[test]
fn what_no_ending_event_repeats_stays() {
    // Only the last of several messages, another text, no text, no end at all.
    let several = vec![start("t"), delta("t", "first. ", ""), delta("t", "last.", ""), end("t", "last.")];
    assert_eq!(left(several).len(), 5);
    let other = vec![start("t"), call("t", "m"), delta("t", "a", "m"), answer("t", "m", "A"), end("t", "a")];
    assert_eq!(left(other).len(), 6);
    let none = vec![start("t"), call("t", "m"), delta("t", "a", "m"), ModelCallEnded::new("t", "m").into()];
    assert_eq!(left(none).len(), 5);
    let raw = ToolCallEnded::new("t", "c").result(Json::parse("12").unwrap());
    assert_eq!(left(vec![start("t"), tool("t", "c"), output("t", "c", "12"), raw.into()]).len(), 5);
    assert_eq!(left(vec![start("t"), tool("t", "c"), output("t", "c", "12")]).len(), 4);
    let late = vec![start("t"), call("t", "m"), answer("t", "m", "ab"), delta("t", "ab", "m"), end("t", "x")];
    assert_eq!(left(late).len(), 6);
    let unbound = vec![start("t"), Draft::from(ReasoningDelta::new("t", "hm")), end("t", "hm")];
    assert_eq!(left(unbound).len(), 4);
}

#[test]
fn what_a_model_call_said_around_other_text_stays_where_it_is() {
    let events = vec![
        start("t"),
        call("t", "m"),
        delta("t", "before ", "m"),
        delta("t", "between", ""),
        delta("t", "after", "m"),
        answer("t", "m", "before after"),
        end("t", "between"),
    ];
    assert_eq!(left(events), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn text_beside_the_text_of_a_model_call_stays_where_it_is() {
    let before = vec![start("t"), delta("t", "x", ""), call("t", "m"), answer("t", "m", "a"), end("t", "x")];
    assert_eq!(left(before).len(), 6);
    let after = vec![start("t"), call("t", "m"), answer("t", "m", "x"), delta("t", "x", ""), end("t", "x")];
    assert_eq!(left(after).len(), 6);
}

/// A compaction moves what was streamed to the end of its model call: two that spoke side by side change places.
#[test]
fn an_answer_that_repeats_a_model_call_is_no_other_text_after_a_compaction() {
    let side_by_side = |first: &str, second: &str| {
        let said = |call: &str| if call == "m" { "one" } else { "two" };
        vec![
            start("t"),
            call("t", "m"),
            call("t", "n"),
            delta("t", "one", "m"),
            delta("t", "two", "n"),
            answer("t", first, said(first)),
            answer("t", second, said(second)),
            end("t", "one"),
        ]
    };
    for events in [side_by_side("n", "m"), side_by_side("m", "n")] {
        let lab = recorded(events, 64 << 20);
        let words = |lab: &Lab| texts(&lab.store)["t"].len();
        let before = words(&lab);
        let report = lab.store.compact(ID).unwrap();
        assert_eq!(report.before.lines - report.after.lines, 2);
        assert_eq!(words(&lab), before);
    }
}

#[test]
fn streams_without_a_start_stay() {
    // The first of these lines makes the turn, or the call, and gives it its place.
    assert_eq!(left(vec![delta("t", "a", "m"), answer("t", "m", "a")]).len(), 3);
    assert_eq!(left(vec![delta("t", "a", ""), end("t", "a")]).len(), 3);
    assert_eq!(left(vec![start("t"), output("t", "c", "1"), result("t", "c", "1")]).len(), 4);
    assert_eq!(left(vec![start("t"), delta("t", "a", "m"), delta("t", "b", ""), answer("t", "m", "a")]).len(), 5);
}

#[test]
fn incarnations_are_not_mixed() {
    let retried = vec![
        start("t"),
        tool("t", "c"),
        output("t", "c", "1"),
        Draft::from(ToolCallEnded::new("t", "c").error("broken")),
        tool("t", "c"),
        output("t", "c", "2"),
        result("t", "c", "12"),
    ];
    assert_eq!(left(retried).len(), 8);
    let started_twice = vec![start("t"), tool("t", "c"), output("t", "c", "1"), tool("t", "c"), output("t", "c", "2")];
    assert_eq!(left([started_twice, vec![result("t", "c", "2")]].concat()).len(), 7);
    let rewound = vec![start("t"), delta("t", "a", ""), Draft::from(TurnsRewound::new("t")), delta("t", "b", "")];
    assert_eq!(left([rewound, vec![end("t", "ab")]].concat()).len(), 6);
    let ended = vec![start("t"), call("t", "m"), delta("t", "a", "m"), Draft::from(SessionEnded::new())];
    assert_eq!(left([ended, vec![answer("t", "m", "a")]].concat()).len(), 6);
    let early = vec![start("t"), delta("t", "x", "m"), call("t", "m"), delta("t", "a", "m"), answer("t", "m", "a")];
    assert_eq!(left(early).len(), 6);
    let twice = vec![start("t"), call("t", "m"), delta("t", "x", "m"), call("t", "m"), call("t", "m")];
    assert_eq!(left([twice, vec![delta("t", "a", "m"), answer("t", "m", "a")]].concat()).len(), 8);
    let again = vec![start("t"), delta("t", "a", ""), end("t", "a"), start("t"), delta("t", "b", ""), end("t", "b")];
    assert_eq!(left(again), [1, 3, 4, 6, 7]);
}

#[test]
fn a_failed_model_call_keeps_its_text_in_its_end() {
    let failed = ModelCallEnded::new("t", "m").text("ab").error("cut off");
    let events = vec![
        start("t"),
        call("t", "m"),
        delta("t", "ab", "m"),
        failed.into(),
        call("t", "m"),
        delta("t", "abc", "m"),
        answer("t", "m", "abc"),
    ];
    assert_eq!(left(events), [1, 2, 4, 5, 7, 8]);
}

#[test]
fn a_line_with_an_id_goes_only_before_a_later_id() {
    let with_id = |draft: Draft, id: &str| draft.id(id);
    let events = |end_id: Option<&str>| {
        let answer = answer("t", "m", "ab");
        let answer = end_id.map_or(answer.clone(), |id| answer.id(id));
        vec![
            start("t"),
            call("t", "m"),
            with_id(delta("t", "a", "m"), "k-1"),
            with_id(delta("t", "b", "m"), "k-2"),
            answer,
        ]
    };
    assert_eq!(left(events(None)).len(), 6);
    assert_eq!(left(events(Some("k-3"))), [1, 2, 5, 6]);
    let lab = recorded(events(Some("k-3")), 64 << 20);
    lab.store.compact(ID).unwrap();
    assert_eq!(lab.open().last_id(), Some("k-3"));
}

#[test]
fn a_line_with_members_of_a_newer_version_stays() {
    let odd = Draft::from_json("text_delta", r#"{"turn_id":"t","text":"a","model_call_id":"m","index":0}"#).unwrap();
    assert_eq!(left(vec![start("t"), call("t", "m"), odd, answer("t", "m", "a")]).len(), 5);
    // The same in the envelope, which only a newer version would write.
    let lab = recorded([start("t"), call("t", "m"), delta("t", "a", "m"), answer("t", "m", "a")], 64 << 20);
    let mut files = lab.files();
    let text = String::from_utf8(files[&segment(1)].clone()).unwrap();
    let line = text.lines().nth(3).unwrap();
    let body = line.replace(",\"data\":", ",\"mood\":\"\\\"type\\\":\\\"text_delta\\\"\",\"data\":");
    let newer = crate::support::seal(&body[..body.len() - 18]);
    files.insert(segment(1), text.replace(&format!("{line}\n"), &String::from_utf8(newer).unwrap()).into_bytes());
    let lab = Lab::with(&files);
    assert_eq!(lab.read().seqs(), [1, 2, 3, 4, 5]);
    lab.store.compact(ID).unwrap();
    assert_eq!(lab.read().seqs(), [1, 2, 3, 4, 5]);
}

/// Some turns with everything in them; each ends.
pub fn turns(count: usize) -> Vec<Draft> {
    let mut events = Vec::new();
    for number in 0..count {
        let (turn, text) = (format!("t-{number}"), format!("an answer in so many words {number} "));
        events.extend([start(&turn), call(&turn, "m")]);
        events.extend(text.split_inclusive(' ').map(|word| delta(&turn, word, "m")));
        events.extend([answer(&turn, "m", &text), tool(&turn, "c"), output(&turn, "c", "x"), result(&turn, "c", "x")]);
        events.push(Custom::new("note", Json::parse("{\"seq\":1, \"n\":1e400}").unwrap()).into());
        let own = foldlog::Unknown::new("acme.map_shown", Json::parse("{\"z\":1,  \"a\":[1.0]}").unwrap()).unwrap();
        events.extend([Draft::from(own), end(&turn, "done")]);
    }
    events
}

/// Every line that is left stood there before, and they are in the same order.
pub fn assert_only_whole_lines_went(before: &Files, after: &Files) {
    let (was, is) = (entries_of(before), entries_of(after));
    assert!(is.iter().all(|(seq, line)| was.get(seq) == Some(line)));
    for (seq, line) in was.iter().filter(|(seq, _)| !is.contains_key(seq)) {
        let text = String::from_utf8_lossy(line);
        let streaming = ["text_delta", "reasoning_delta", "tool_call_output"];
        assert!(streaming.iter().any(|kind| text.contains(&format!("\"type\":\"{kind}\""))), "{seq}: {text}");
    }
    for name in segments(after) {
        let seqs: Vec<u64> = lines(&after[&name]).into_iter().filter_map(|(_, line)| seq_of(line)).collect();
        assert!(seqs.is_sorted_by(|a, b| a < b), "{name}: {seqs:?}");
    }
}

fn small(bytes: u64) -> CompactOptions {
    CompactOptions::default().segment_bytes(bytes)
}

fn compact(lab: &Lab, bytes: u64) -> CompactReport {
    lab.store.compact_with(ID, &small(bytes), &mut |_| {}).unwrap()
}

#[test]
fn a_journal_of_many_segments_gets_smaller_and_folds_into_the_same() {
    let lab = recorded(turns(40), 3_000);
    let (before, session_before, said) = (lab.files(), session(&lab.store), texts(&lab.store));
    let dry = lab.store.compact_with(ID, &small(9_000).dry_run(true), &mut |_| {}).unwrap();
    assert_eq!(lab.files(), before, "a dry run changes nothing");
    let report = compact(&lab, 9_000);
    let after = lab.files();
    assert_only_whole_lines_went(&before, &after);
    assert_eq!(session(&lab.store), session_before);
    assert_eq!(texts(&lab.store), said);
    let reading = lab.read();
    assert!(reading.gaps.is_empty(), "{:?}", reading.gaps);
    let bytes =
        |files: &Files| files.iter().filter(|(name, _)| name.ends_with("jsonl")).map(|(_, b)| b.len() as u64).sum();
    assert_eq!((report.before.bytes, report.after.bytes), (bytes(&before), bytes(&after)));
    assert_eq!(report.before.segments, segments(&before).len() as u64);
    assert_eq!(report.after.segments, segments(&after).len() as u64);
    assert_eq!(report.before.lines, entries_of(&before).len() as u64);
    assert_eq!(report.after.lines, reading.entries.len() as u64);
    assert!(report.after.lines < report.before.lines * 7 / 10, "{report:?}");
    assert!(report.after.segments < report.before.segments / 2 && !report.merged.is_empty(), "{report:?}");
    assert_eq!(report.dropped.values().map(|d| d.lines).sum::<u64>(), report.before.lines - report.after.lines);
    assert_eq!(dry.before, report.before);
    assert!(dry.after.bytes >= report.after.bytes && dry.after.bytes < dry.before.bytes);
    let verdict = lab.store.reader(ID).unwrap().verify().unwrap();
    assert!(verdict.clean && verdict.gaps.is_empty());

    let again = compact(&lab, 9_000);
    assert_eq!(lab.files(), with_locks_of(&after, &lab.files()), "compacting twice changes nothing");
    assert_eq!(again.before, again.after);
}

/// These files with the notes in the lock files of others.
fn with_locks_of(files: &Files, others: &Files) -> Files {
    let mut files = files.clone();
    files.extend(others.iter().filter(|(name, _)| name.ends_with("LOCK")).map(|(n, b)| (n.clone(), b.clone())));
    files
}

#[test]
fn recording_goes_on_behind_a_merged_journal() {
    // Goal: numbers of segments that were merged are never given again. Method: compact everything into one, go on.
    let lab = recorded(turns(10), 2_000);
    let newest = segments(&lab.files()).len() as u64;
    let last = *lab.read().seqs().last().unwrap();
    compact(&lab, 64 << 20);
    assert_eq!(segments(&lab.files()), [segment(1)]);
    let before = session(&lab.store);
    let journal = lab.open();
    assert!(journal.recovered().clean && journal.open_turns().is_empty());
    assert_eq!(journal.epoch(), newest + 1);
    drop(journal);
    assert_eq!(session(&lab.store), before);
    assert_eq!(lab.append_one(), last + 1);
    let header = String::from_utf8(lab.files()[&segment(newest + 1)].clone()).unwrap();
    assert!(header.contains(&format!("\"prev\":{{\"segment\":{newest},\"last_seq\":{last},\"bytes\":")), "{header}");
    let reading = lab.read();
    assert!(reading.gaps.is_empty() && reading.seqs().last() > Some(&last), "{:?}", reading.gaps);
    // And again: what is merged may be merged with more.
    compact(&lab, 64 << 20);
    assert_eq!(segments(&lab.files()), [segment(1)]);
    assert_eq!(lab.append_one(), last + 3);
    assert!(lab.read().gaps.is_empty());
    assert_eq!(segments(&lab.files()).last(), Some(&segment(newest + 2)));
}

#[test]
fn a_journal_that_a_killed_process_left_is_compacted_and_opened_again() {
    let lab = Lab::new();
    let journal = lab.open();
    for event in [start("t"), call("t", "m"), delta("t", "ab", "m"), answer("t", "m", "ab"), tool("t", "c")] {
        journal.append(event).unwrap().wait().unwrap();
    }
    drop(journal);
    let before = session(&lab.store);
    lab.store.compact(ID).unwrap();
    assert_eq!(lab.read().seqs(), [1, 2, 4, 5]);
    assert_eq!(session(&lab.store), before);
    let journal = lab.open();
    assert_eq!(journal.open_turns().len(), 1);
    assert_eq!((journal.recovered().clean, journal.recovered().last_seq), (false, Seq::new(5)));
    assert!(journal.recovered().holes.is_empty() && journal.recovered().gaps.is_empty(), "{:?}", journal.recovered());
    drop(journal);
    lab.append_one();
    assert!(lab.read().is_clean());
}

#[test]
fn the_rotten_end_of_a_compacted_segment_is_never_cut() {
    // Goal: what compaction wrote was on disk: bad bytes at its end are damage, not a torn write.
    let lab = recorded(turns(4), 64 << 20);
    lab.store.compact(ID).unwrap();
    let mut files = lab.files();
    let bytes = files.get_mut(&segment(1)).unwrap();
    let at = bytes.len() - 30;
    bytes[at] ^= 1;
    lab.put(&files);
    let reading = lab.read();
    assert_eq!(reading.kinds(), ["corrupt"]);
    assert_eq!(reading.gaps[0].acknowledged, Some(true));
    lab.append_one();
    assert_eq!(lab.files()[&segment(1)], files[&segment(1)]);
    assert!(!lab.files().keys().any(|name| name.ends_with(".torn")));
    assert_eq!(lab.read().kinds(), ["corrupt"]);
}

#[test]
fn a_damaged_segment_is_left_as_it_is() {
    // Goal: a segment with anything wrong in it is not rewritten, whatever is wrong, and its neighbours are.
    let good = recorded(turns(12), 2_000).files();
    let names = segments(&good);
    let target = &names[2];
    let all = lines(&good[target]).into_iter().map(|(_, line)| [line, b"\n"].concat()).collect::<Vec<_>>();
    let mut flipped = all.clone();
    flipped[2][60] ^= 1;
    let mut missing = all.clone();
    missing.remove(2);
    let mut twice = all.clone();
    twice.insert(3, all[2].clone());
    let mut foreign = all.clone();
    foreign.insert(3, b"what is this\n".to_vec());
    let mut behind = all.clone();
    behind.push(b"{\"seq\":9".to_vec());
    let short = all[..all.len() - 1].to_vec();
    let mut header = all.clone();
    header[0][20] ^= 1;
    for (what, spoiled) in [
        ("flipped", flipped),
        ("missing", missing),
        ("twice", twice),
        ("foreign", foreign),
        ("behind", behind),
        ("short", short),
        ("header", header),
    ] {
        let mut files = good.clone();
        files.insert(target.clone(), spoiled.concat());
        let lab = Lab::with(&files);
        let (before, gaps) = (session(&lab.store), lab.read().gaps);
        assert!(!gaps.is_empty() || what == "twice", "{what}");
        let report = compact(&lab, 64 << 20);
        assert!(report.met_damage(), "{what}: {report:?}");
        assert_eq!(lab.files()[target], files[target], "{what}: the damaged segment was touched");
        assert!(report.after.bytes < report.before.bytes, "{what}: nothing was done: {report:?}");
        assert_eq!(session(&lab.store), before, "{what}");
        let kinds = |gaps: &[foldlog::Gap]| gaps.iter().map(|gap| (gap.kind, gap.explained)).collect::<Vec<_>>();
        assert_eq!(kinds(&lab.read().gaps), kinds(&gaps), "{what}");
    }
}

#[test]
fn a_journal_that_is_being_written_is_compacted_up_to_its_newest_segment() {
    let lab = Lab::new();
    let journal = lab.store.journal_with(ID, JournalOptions::default().segment_bytes(2_000)).unwrap();
    for event in turns(12) {
        journal.append(event).unwrap().wait().unwrap();
    }
    let (newest, before) = (segments(&lab.files()).pop().unwrap(), session(&lab.store));
    let newest_bytes = lab.files()[&newest].clone();
    let report = compact(&lab, 64 << 20);
    assert_eq!(segments(&lab.files()), [segment(1), newest.clone()]);
    assert_eq!(lab.files()[&newest], newest_bytes);
    assert_eq!(report.left_alone.len(), 1, "{report:?}");
    assert!(!report.met_damage());
    assert_eq!(session(&lab.store), before);
    for event in turns(3) {
        journal.append(event).unwrap().wait().unwrap();
    }
    journal.close().wait().unwrap();
    assert!(lab.read().gaps.is_empty());
}

#[test]
fn only_one_compaction_runs_at_a_time() {
    let lab = recorded(turns(2), 2_000);
    let folder = foldlog::Storage::open_dir(&lab.disk, &lab.dir).unwrap();
    let holder = folder.open("COMPACT.LOCK", foldlog::Access::Lock).unwrap();
    assert!(holder.try_lock(true).unwrap());
    assert_eq!(lab.store.compact(ID).unwrap_err().kind(), ErrorKind::Locked);
    drop(holder);
    lab.store.compact(ID).unwrap();
    assert!(lab.files().contains_key("COMPACT.LOCK"), "it is never unlinked");
}

#[test]
fn what_a_killed_compaction_left_is_removed_and_nothing_else() {
    let lab = recorded(turns(6), 2_000);
    let whole = lab.files();
    compact(&lab, 64 << 20);
    let mut files = whole.clone();
    files.extend(lab.files());
    files.insert("00000003.jsonl.tmp".to_owned(), b"half".to_vec());
    files.insert("notes.jsonl.tmp".to_owned(), b"mine".to_vec());
    files.insert("00000001.7.torn.part".to_owned(), b"recovery's".to_vec());
    let lab = Lab::with(&files);
    let before = session(&lab.store);
    assert!(lab.read().gaps.is_empty());
    compact(&lab, 64 << 20);
    let left: Vec<String> = lab.files().into_keys().collect();
    assert_eq!(left, ["00000001.7.torn.part", "00000001.jsonl", "COMPACT.LOCK", "LOCK", "notes.jsonl.tmp"]);
    assert_eq!(session(&lab.store), before);
}

#[test]
fn a_torn_end_is_reported_before_it_may_be_rewritten() {
    // Goal: numbers that torn bytes may have borne stay skipped. Method: a killed writer, a half line, a compaction.
    let lab = Lab::new();
    let journal = lab.open();
    for event in turns(2) {
        journal.append(event).unwrap().wait().unwrap();
    }
    drop(journal);
    let mut files = lab.files();
    files.get_mut(&segment(1)).unwrap().extend_from_slice(b"{\"seq\":99,\"synced\":1,\"ti");
    lab.put(&files);
    let report = lab.store.compact(ID).unwrap();
    assert!(report.met_damage());
    assert_eq!(lab.files()[&segment(1)], files[&segment(1)]);
    drop(lab.open()); // recovers, and writes nothing
    let torn = lab.files();
    assert!(torn.keys().any(|name| name.ends_with(".torn")));
    let report = lab.store.compact(ID).unwrap();
    assert!(!report.met_damage() && report.left_alone.len() == 1, "{report:?}");
    assert_eq!(lab.files()[&segment(1)], torn[&segment(1)]);
    lab.append_one();
    lab.store.compact(ID).unwrap();
    assert!(lab.read().is_clean());
    assert_eq!(segments(&lab.files()), [segment(1)]);
}

#[test]
fn a_writer_merges_many_small_segments_by_itself() {
    // Goal: a session opened once an event, as hooks do, does not end up in thousands of files. Nothing is dropped.
    let disk = Memory::default();
    let events = turns(14);
    for event in &events {
        let store = Store::open_on(disk.clone(), "/lab").unwrap();
        let journal = store.journal(ID).unwrap();
        journal.append(event.clone()).unwrap().wait().unwrap();
        journal.close().wait().unwrap();
    }
    let lab = Lab { store: Store::open_on(disk.clone(), "/lab").unwrap(), disk, dir: Lab::new().dir };
    let count = segments(&lab.files()).len();
    assert!(count <= 102, "{count} segments after {} openings", events.len());
    let reading = lab.read();
    assert!(reading.gaps.is_empty(), "{:?}", reading.gaps);
    assert_eq!(reading.entries.len(), events.len() * 2, "nothing was dropped");
}

#[test]
fn full_segments_are_compacted_in_the_background_if_asked_for() {
    let lab = Lab::new();
    let options = JournalOptions::default().segment_bytes(4_000).compact_in_background(1 << 30);
    let journal = lab.store.journal_with(ID, options).unwrap();
    for event in turns(60) {
        journal.append(event).unwrap().wait().unwrap();
    }
    let is_compacted = |bytes: &Vec<u8>| memchr::memmem::find(bytes, b"\"compacted\":{").is_some();
    let compacted = || lab.files().values().filter(|bytes| is_compacted(bytes)).count();
    // Neighbours are merged by sixteen, so that there may be few.
    crate::patience::until("full segments are compacted", || compacted() > 0);
    journal.close().wait().unwrap();
    drop(lab.store.compact(ID)); // waits for the one in the background, or does its work
    assert!(lab.read().gaps.is_empty());
    let plain = recorded(turns(60), 4_000);
    let strip =
        |session: Session| session.record.turns.into_iter().map(|t| (t.turn_id, t.response_content, t.tool_calls));
    assert!(strip(session(&lab.store)).eq(strip(session(&plain.store))));
}

#[test]
fn a_fold_stored_anywhere_goes_on_over_a_compacted_journal() {
    let lab = recorded(turns(6), 3_000);
    let original = lab.files();
    let whole = session(&lab.store);
    let compacted = Lab::with(&original);
    compact(&compacted, 5_000);
    for at in entries_of(&original).into_keys() {
        let mut fold = Stored { fold: SessionFold::default(), upto: at };
        let stored = lab.store.reader(ID).unwrap().reduce(fold.clone()).unwrap().0;
        fold = Stored { fold: stored, upto: u64::MAX };
        let (fold, _) = compacted.store.reader(ID).unwrap().reduce(fold).unwrap();
        assert_eq!(foldlog::Reducer::finish(fold), whole, "stored at {at}");
    }
}

/// A fold that sees entries up to a number and gives itself back.
#[derive(Clone)]
pub struct Stored {
    pub fold: SessionFold,
    pub upto: u64,
}

impl foldlog::Reducer for Stored {
    type Output = SessionFold;

    fn begin(&mut self, origin: &foldlog::Origin) {
        self.fold.begin(origin);
    }

    fn entry(&mut self, entry: &foldlog::Entry<'_>) {
        if entry.seq().get() <= self.upto {
            self.fold.entry(entry);
        }
    }

    fn finish(self) -> SessionFold {
        self.fold
    }
}

#[test]
fn an_unknown_session_cannot_be_compacted() {
    assert_eq!(Lab::new().store.compact("nobody").unwrap_err().kind(), ErrorKind::NotFound);
}

/// The header of a segment.
fn header(files: &Files, number: u64) -> serde_json::Value {
    let bytes = &files[&segment(number)];
    serde_json::from_slice(bytes.split(|byte| *byte == b'\n').next().unwrap()).unwrap()
}

/// Goal: which opening wrote an entry is known after merging, and after merging again. Method: five openings, two of them
/// merged, then all; the header names each epoch after the first, once, with what its own first header said.
#[test]
fn a_merged_segment_names_the_epochs_that_begin_inside_it() {
    let lab = Lab::new();
    let record = |turns: std::ops::Range<u64>| {
        let journal = lab.store.journal_with(ID, JournalOptions::default().segment_bytes(1)).unwrap();
        for turn in turns {
            journal.append(start(&format!("t-{turn}"))).unwrap().wait().unwrap();
        }
        let id = journal.epoch_id().to_owned();
        journal.close().wait().unwrap();
        id
    };
    let mut ids = vec![record(0..2), record(2..4)];
    let firsts: Vec<serde_json::Value> = (1..=6).map(|number| header(&lab.files(), number)).collect();
    for first in &firsts {
        assert_eq!(first["epoch_id"], ids[if first["epoch"] == 1 { 0 } else { 1 }].as_str());
    }
    lab.store.compact(ID).unwrap();
    ids.extend([record(4..5), record(5..6)]);
    lab.store.compact(ID).unwrap();
    let merged = header(&lab.files(), 1);
    assert_eq!(merged["epoch_id"], ids[0].as_str());
    let epochs = merged["compacted"]["epochs"].as_array().unwrap();
    let found: Vec<_> = epochs.iter().map(|epoch| epoch["epoch_id"].as_str().unwrap()).collect();
    assert_eq!(found, ids[1..].iter().map(String::as_str).collect::<Vec<_>>());
    let second = firsts.iter().find(|first| first["epoch"] != 1).unwrap();
    let expected = serde_json::json!({
        "epoch_id": ids[1], "epoch": second["epoch"], "first_seq": second["first_seq"],
        "prev_last_seq": second["prev"]["last_seq"],
    });
    assert_eq!(epochs[0], expected);
    assert!(lab.read().is_clean());
}

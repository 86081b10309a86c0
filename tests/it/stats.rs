//! Sessions in numbers: the same as code that shares nothing with the library counts, and the same as the record.

use foldlog::{Draft, Durations, Journal, JournalOptions, ModelCallEnded, ModelCallStarted, Reducer, Store};
use foldlog::{
    SummaryFold, TextDelta, Timestamp, ToolCallEnded, ToolCallStarted, Totals, TurnEnded, TurnStarted, Usage,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// 2026-11-22T23:59:00Z: the days of the run below meet a minute later.
const START: i64 = 1_795_391_940_000_000;

struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

fn run(root: &Path, args: &[&str]) -> Ran {
    let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
    command.arg("--root").arg(root).args(args).env("TZ", "UTC").env_remove("COLUMNS").stdin(Stdio::null());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

impl Ran {
    fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Writes events a second apart.
struct Clock<'a> {
    journal: &'a Journal,
    seconds: i64,
}

impl Clock<'_> {
    fn tick(&mut self, event: impl Into<Draft>) {
        let time = Timestamp::from_micros(START + self.seconds * 1_000_000);
        self.journal.push(event.into().time(time)).unwrap();
        self.seconds += 1;
    }
}

/// Several turns with calls of every kind, on two days, with two models, and one turn left open.
fn varied(store: &Store, id: &str, seed: u64) {
    let journal = store.journal_with(id, JournalOptions::default().segment_bytes(4_000)).unwrap();
    let mut clock = Clock { journal: &journal, seconds: 0 };
    for turn in 0..6 + seed {
        let turn_id = format!("t-{turn}");
        clock.tick(TurnStarted::new(&turn_id, "Fix the build"));
        let model = if turn % 2 == 0 { "small" } else { "large" };
        clock.tick(ModelCallStarted::new(&turn_id, "m").model(model));
        clock.tick(TextDelta::new(&turn_id, "Looking at it"));
        let usage = Usage { input_tokens: Some(100 + turn), output_tokens: Some(7), ..Usage::default() };
        clock.tick(ModelCallEnded::new(&turn_id, "m").usage(usage).cost_usd_micros(1_500));
        for call in 0..3 {
            let call_id = format!("c-{call}");
            let tool = if call == 0 { "read" } else { "bash" };
            clock.tick(ToolCallStarted::new(&turn_id, &call_id, tool));
            let ended = ToolCallEnded::new(&turn_id, &call_id);
            match (turn + call) % 4 {
                0 => clock.tick(ended.error("exit 1").duration_ms(Some(12.5 * (turn + 1) as f64))),
                1 => clock.tick(ended.status(foldlog::ToolCallStatus::Timeout)),
                2 => clock.tick(ended.duration_ms(Some(0.25))),
                _ => {}
            }
        }
        match turn % 3 {
            0 => clock.tick(TurnEnded::success(&turn_id)),
            1 => clock.tick(TurnEnded::new(&turn_id).error("it broke")),
            _ => {}
        }
    }
    drop(journal);
}

/// The entries of a session, parsed by nothing but a JSON parser.
fn entries(root: &Path, id: &str) -> Vec<(usize, Value)> {
    let mut files: Vec<_> = std::fs::read_dir(root.join(id)).unwrap().map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    let lines = files.iter().flat_map(|path| {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().filter(|line| line.starts_with("{\"seq\":")).map(str::to_owned).collect::<Vec<_>>()
    });
    lines.map(|line| (line.len() + 1, serde_json::from_str(&line).unwrap())).collect()
}

/// What `stats --json` should say of tools, models, days, types and turns.
fn counted(entries: &[(usize, Value)]) -> Value {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap().to_owned();
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut add = |key: String, more: u64| *counts.entry(key).or_default() += more;
    let (mut tools, mut open) = (BTreeMap::new(), BTreeMap::new());
    let mut turns: BTreeMap<String, &str> = BTreeMap::new();
    for (bytes, entry) in entries {
        let (kind, data, day) = (text(entry, "type"), &entry["data"], &text(entry, "time")[..10]);
        add(format!("type {kind} count"), 1);
        add(format!("type {kind} bytes"), *bytes as u64);
        if !kind.starts_with("journal_") {
            add(format!("day {day} events"), 1);
        }
        let turn = data["turn_id"].as_str().unwrap_or_default().to_owned();
        let has_error = data["error"].is_string();
        match kind.as_str() {
            "turn_started" => drop(turns.insert(turn, "interrupted")),
            "turn_ended" => drop(turns.insert(turn, if has_error { "failed" } else { "succeeded" })),
            "model_call_ended" => {
                let model = if data["usage"]["input_tokens"].as_u64().unwrap() % 2 == 0 { "small" } else { "large" };
                for key in [format!("model {model}"), format!("day {day}")] {
                    add(format!("{key} input"), data["usage"]["input_tokens"].as_u64().unwrap());
                    add(format!("{key} cost"), data["cost_usd_micros"].as_u64().unwrap());
                }
            }
            "tool_call_started" => {
                let tool = text(data, "tool_name");
                add(format!("tool {tool} count"), 1);
                open.insert((turn.clone(), text(data, "call_id")), tool.clone());
                tools.insert((turn, text(data, "call_id")), tool);
            }
            "tool_call_ended" => {
                let tool = &tools[&(turn.clone(), text(data, "call_id"))];
                open.remove(&(turn, text(data, "call_id")));
                let timeout = data["status"] == "timeout";
                add(format!("tool {tool} errors"), u64::from(has_error || timeout));
                add(format!("tool {tool} timeouts"), u64::from(timeout));
                // Those without a duration of their own took a second.
                let micros = (data["duration_ms"].as_f64().unwrap_or(1000.0) * 1000.0) as u64;
                add(format!("tool {tool} micros"), micros);
            }
            _ => {}
        }
    }
    open.values().for_each(|tool| add(format!("tool {tool} interrupted"), 1));
    turns.values().for_each(|state| add(format!("turns {state}"), 1));
    counts.retain(|_, count| *count > 0);
    json!(counts)
}

/// The same from what `stats --json` says.
fn told(line: &Value) -> Value {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let members = |value: &Value| value.as_object().unwrap().clone();
    for (tool, stats) in members(&line["tool_calls"]) {
        for key in ["count", "errors", "timeouts", "interrupted"] {
            counts.insert(format!("tool {tool} {key}"), stats[key].as_u64().unwrap());
        }
        let micros = stats["durations"]["total_ms"].as_f64().unwrap() * 1000.0;
        counts.insert(format!("tool {tool} micros"), micros.round() as u64);
    }
    for (kind, key, member) in [("model", "model_calls", false), ("day", "days", true)] {
        for (name, stats) in members(&line[key]) {
            counts.insert(format!("{kind} {name} input"), stats["spent"]["input_tokens"].as_u64().unwrap());
            counts.insert(format!("{kind} {name} cost"), stats["spent"]["cost_usd_micros"].as_u64().unwrap());
            if member {
                counts.insert(format!("{kind} {name} events"), stats["events"].as_u64().unwrap());
            }
        }
    }
    for (name, stats) in members(&line["types"]) {
        for key in ["count", "bytes"] {
            counts.insert(format!("type {name} {key}"), stats[key].as_u64().unwrap());
        }
    }
    for state in ["succeeded", "failed", "interrupted"] {
        counts.insert(format!("turns {state}"), line["turns"][state].as_u64().unwrap());
    }
    counts.retain(|_, count| *count > 0);
    json!(counts)
}

#[test]
fn stats_say_what_an_independent_count_says() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    varied(&store, "s-1", 0);
    varied(&store, "s-2", 5);
    let ran = run(root.path(), &["stats", "--all", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    let lines = ran.json();
    let names: Vec<_> = lines.iter().map(|line| (&line["v"], &line["kind"], &line["session_id"])).collect();
    let (one, session) = (&json!(1), &json!("session"));
    assert_eq!(
        names,
        [(one, session, &json!("s-1")), (one, session, &json!("s-2")), (one, &json!("total"), &Value::Null)]
    );
    let (first, second) = (entries(root.path(), "s-1"), entries(root.path(), "s-2"));
    assert_eq!(told(&lines[0]), counted(&first));
    assert_eq!(told(&lines[1]), counted(&second));
    assert_eq!(lines[2]["sessions"], 2);
    // The sum is that of both, member by member; the turns of both have the same names.
    let (mut sum, more) = (counted(&first), counted(&second));
    for (key, count) in more.as_object().unwrap() {
        let total = sum[key].as_u64().unwrap_or(0) + count.as_u64().unwrap();
        sum[key] = total.into();
    }
    assert_eq!(told(&lines[2]), sum);
    assert_eq!(lines[1]["days"].as_object().unwrap().len(), 2, "it goes over midnight");
    assert_eq!(lines[0]["first_activity"], "2026-11-22T23:59:00.000000Z");
}

#[test]
fn stats_agree_with_fold_and_show() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    varied(&store, "s-1", 3);
    let line = &run(root.path(), &["stats", "--json"]).json()[0];
    let fold = &run(root.path(), &["fold"]).json()[0];
    let turns = fold["turns"].as_array().unwrap();
    let number = |status: &str| turns.iter().filter(|turn| turn["status"] == status).count() as u64;
    assert_eq!(line["turns"]["started"], turns.len());
    assert_eq!(
        (&line["turns"]["succeeded"], &line["turns"]["failed"]),
        (&number("success").into(), &number("error").into())
    );
    let calls = turns.iter().flat_map(|turn| turn["tool_calls"].as_array().unwrap());
    let failed = calls.clone().filter(|call| call["status"] == "error" || call["status"] == "timeout").count() as u64;
    let tools = line["tool_calls"].as_object().unwrap();
    let sum = |key: &str| tools.values().map(|stats| stats[key].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("count"), sum("errors")), (calls.count() as u64, failed));
    let verdict = &run(root.path(), &["show", "--json"]).json()[0];
    assert_eq!((&verdict["turns"], &verdict["calls"]), (&line["turns"]["started"], &sum("count").into()));
    assert_eq!(verdict["last_activity"], line["last_activity"]);
}

#[test]
fn what_runs_without_a_writer_was_interrupted_and_with_one_it_runs() {
    let root = tempfile::tempdir().unwrap();
    let journal = Store::open(root.path()).unwrap().journal("s-1").unwrap();
    journal.push(TurnStarted::new("t-1", "Go on")).unwrap();
    journal.append(ToolCallStarted::new("t-1", "c-1", "bash")).unwrap().wait().unwrap();
    let standing = || {
        let line = &run(root.path(), &["stats", "--json"]).json()[0];
        let of = |value: &Value| (value["running"].clone(), value["interrupted"].clone());
        (line["state"].clone(), of(&line["turns"]), of(&line["tool_calls"]["bash"]))
    };
    assert_eq!(standing(), (json!("live"), (json!(1), json!(0)), (json!(1), json!(0))));
    drop(journal);
    assert_eq!(standing(), (json!("interrupted"), (json!(0), json!(1)), (json!(0), json!(1))));
}

#[test]
fn damage_is_counted_named_and_hides_no_other_session() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    varied(&store, "s-1", 0);
    varied(&store, "s-2", 0);
    let path = root.path().join("s-1/00000001.jsonl");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replacen("Looking", "Cooking", 1)).unwrap();
    let ran = run(root.path(), &["stats", "s-1", "nope", "s-2", "s-2", "--json"]);
    assert_eq!(ran.code, Some(4), "{}", ran.err);
    assert!(ran.err.contains("damage in session \"s-1\"") && ran.err.contains("\"nope\""), "{}", ran.err);
    let lines = ran.json();
    assert_eq!(lines.len(), 3, "a session that is named twice counts once");
    assert_eq!((&lines[0]["gaps"]["damaged"], &lines[2]["gaps"]["damaged"]), (&json!(1), &json!(1)));
    assert_eq!(run(root.path(), &["stats", "s-1"]).code, Some(3));
}

#[test]
fn for_people_it_is_a_few_lines_and_tables_that_line_up() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    assert_eq!(run(root.path(), &["stats"]).code, Some(4));
    assert_eq!(run(root.path(), &["stats", "--all"]).code, Some(0));
    varied(&store, "s-1", 0);
    let journal = store.journal("s-1").unwrap();
    journal.push(ToolCallEnded::new("t-0\u{1b}[2J", "c\n")).unwrap();
    journal.push(ToolCallStarted::new("t-0", "c-9", "evil\u{1b}[2J")).unwrap();
    journal.close().wait().unwrap();
    let ran = run(root.path(), &["stats"]);
    assert!(ran.out.starts_with("s-1  interrupted\n"), "{}", ran.out);
    assert!(ran.out.contains("anomalies: 1 unknown turn, 1 call ended without start"), "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}') && ran.out.contains("evil\\u{1b}"), "{}", ran.out);
    let table = ran.out.lines().skip_while(|line| !line.starts_with("MODEL")).take(3);
    let costs: Vec<Option<usize>> =
        table.map(|line| line.find("COST").map_or(line.find("$0.00"), |at| Some(at - 3))).collect();
    assert_eq!(costs.len(), 3);
    assert!(costs.iter().all(|at| *at == costs[0] && at.is_some()), "{costs:?}\n{}", ran.out);
}

/// Goal: costs that come to nearly nothing have no sign.
#[test]
fn a_cost_that_is_shown_as_nothing_has_no_sign() {
    let root = tempfile::tempdir().unwrap();
    let journal = Store::open(root.path()).unwrap().journal("s-1").unwrap();
    journal.push(TurnStarted::new("t-1", "Hi")).unwrap();
    journal.push(ModelCallStarted::new("t-1", "m-1").model("m")).unwrap();
    journal.push(ModelCallEnded::new("t-1", "m-1").cost_usd_micros(-3)).unwrap();
    journal.close().wait().unwrap();
    let ran = run(root.path(), &["stats"]);
    assert!(ran.out.contains(" $0.0000") && !ran.out.contains("$-"), "{}", ran.out);
}

/// Goal: percentiles within the bound the page states, and sums of summaries that depend on no order.
#[test]
fn percentiles_keep_their_bound_and_totals_add_up() {
    let mut durations = Durations::default();
    let mut all: Vec<f64> = (0..5_000u64).map(|at| (at * at * 37 % 1_000_003) as f64 / 7.0).collect();
    all.iter().for_each(|ms| assert!(durations.add_ms(*ms)));
    all.sort_by(f64::total_cmp);
    for percent in [1, 50, 90, 95, 99, 100] {
        let exact = all[(all.len() * percent).div_ceil(100) - 1];
        let found = durations.percentile_ms(percent as u8).unwrap();
        assert!((found - exact).abs() <= exact * 0.008 + 0.001, "p{percent}: {found} for {exact}");
    }
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let parts: Vec<Totals> = (0..3)
        .map(|seed| {
            let id = format!("s-{seed}");
            varied(&store, &id, seed);
            store.reader(id).unwrap().reduce(SummaryFold::default()).unwrap().0.totals
        })
        .collect();
    let sum = |order: [usize; 3]| {
        let mut sum = Totals::default();
        order.iter().for_each(|at| sum.merge(&parts[*at]));
        sum
    };
    let expected = sum([0, 1, 2]);
    assert_eq!((sum([2, 0, 1]), expected.sessions), (expected.clone(), 3));
    assert_eq!(expected.tool_calls["bash"].count, parts.iter().map(|part| part.tool_calls["bash"].count).sum::<u64>());
    assert_eq!(SummaryFold::new().finish().totals.entries, 0);
}

//! Prices that the user gives: what calls cost whose log does not say it, exactly, and "at least" where something is not
//! known.

use foldlog::{Cost, ErrorKind, Json, ModelCallEnded, Prices, Store, TurnStarted, Usage};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

const TABLE: &str = r#"{
  "note": "of June",
  "usd_per_million_tokens": {
    "m-1": {"input": 1.25, "output": 10, "cache_read": 0.125, "cache_write": 1.5},
    "m-1-mini": {"input": 0.000001, "output": 0},
    "m-*": {"input": 3},
    "m-2*": {"input": 7, "output": 70.5}
  }
}"#;

fn usage(input: u64, read: u64, write: u64, output: u64) -> Usage {
    Usage {
        input_tokens: Some(input),
        output_tokens: Some(output),
        cache_read_input_tokens: Some(read),
        cache_write_input_tokens: Some(write),
        ..Usage::default()
    }
}

#[test]
fn costs_are_exact_and_say_when_they_are_not_whole() {
    let prices = Prices::parse(TABLE).unwrap();
    let cost = |model: &str, usage: &Usage| {
        let Cost { usd_micros, is_whole, .. } = prices.cost(model, usage);
        (usd_micros, is_whole)
    };
    // 100 fresh at 1.25, 800 read at 0.125, 100 written at 1.5, 10 out at 10.
    assert_eq!(cost("m-1", &usage(1000, 800, 100, 10)), (475, true));
    assert_eq!(cost("m-1", &usage(0, 0, 0, 0)), (0, true));
    // Rounded to the nearest, once a call.
    assert_eq!(cost("m-1", &usage(1, 0, 0, 0)), (1, true));
    assert_eq!(cost("m-1-mini", &usage(400_000, 0, 0, 9)), (0, true));
    assert_eq!(cost("m-1-mini", &usage(500_000, 0, 0, 9)), (1, true));
    // The exact name, else the longest beginning.
    assert_eq!(cost("m-2-large", &usage(10, 0, 0, 2)), (211, true));
    assert_eq!(cost("m-9", &usage(10, 0, 0, 0)), (30, true));
    // Not whole: no price for the output, none for the cache, no model, no number.
    assert_eq!(cost("m-9", &usage(10, 0, 0, 2)), (30, false));
    assert_eq!(cost("m-2", &usage(10, 4, 0, 0)), (42, false));
    assert_eq!(cost("x-1", &usage(10, 0, 0, 2)), (0, false));
    assert_eq!(cost("m-1", &Usage { output_tokens: Some(3), ..Usage::default() }), (30, false));
    assert_eq!(cost("m-1", &Usage::default()), (0, false));
    // No sum is too large to be one.
    assert_eq!(cost("m-1", &usage(u64::MAX, 0, 0, u64::MAX)), (i64::MAX, true));
}

#[test]
fn a_bad_table_is_refused_with_the_place_and_the_reason() {
    let entry = |price: &str| format!(r#"{{"usd_per_million_tokens":{{"m-1":{price}}}}}"#);
    for (table, words) in [
        ("{".to_owned(), "not JSON"),
        ("[]".to_owned(), "`usd_per_million_tokens`"),
        (r#"{"models":{}}"#.to_owned(), "`usd_per_million_tokens`"),
        (r#"{"usd_per_million_tokens":{}}"#.to_owned(), "names no model"),
        (entry("3"), "`m-1` is not an object"),
        (entry(r#"{"cached":1}"#), "unknown member `cached`"),
        (entry(r#"{"input":"1"}"#), "`input` of `m-1` is `\"1\"`"),
        (entry(r#"{"input":-1}"#), "is `-1`"),
        (entry(r#"{"input":1e-3}"#), "is `1e-3`"),
        (entry(r#"{"input":0.0000001}"#), "at most 6 decimals"),
        (entry(r#"{"input":1000001}"#), "from 0 to 1000000"),
        (entry(r#"{"input":null}"#), "is `null`"),
    ] {
        let error = Prices::parse(&table).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(error.to_string().contains(words), "{table}: {error}");
    }
    assert!(Prices::parse("\u{feff}{\"usd_per_million_tokens\":{\"m\":{}}}").is_ok());
}

struct Root(tempfile::TempDir);

impl Root {
    /// A session of three calls: one whose cost is in the log, one whose price is in the table, one of neither.
    fn new() -> Root {
        let root = Root(tempfile::tempdir().unwrap());
        let journal = Store::open(root.0.path()).unwrap().journal("s-1").unwrap();
        journal.push(TurnStarted::new("t-1", "Go")).unwrap();
        let call = |id: &str, model: &str| ModelCallEnded::new("t-1", id.to_owned()).model(model.to_owned());
        let used = usage(1000, 800, 100, 10);
        journal.push(call("c-1", "m-1").usage(used).cost_usd_micros(7)).unwrap();
        journal.push(call("c-2", "m-1").usage(used)).unwrap();
        journal.push(call("c-3", "x-1").usage(used)).unwrap();
        journal.close().wait().unwrap();
        root
    }

    fn stats(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_foldlog"));
        command.arg("--root").arg(self.0.path()).arg("stats").args(args).output().unwrap()
    }

    fn write(&self, table: &str) -> String {
        let path = self.0.path().join(".prices.json");
        std::fs::write(&path, table).unwrap();
        Path::to_str(&path).unwrap().to_owned()
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn stats_price_the_calls_whose_cost_is_not_in_the_log() {
    let root = Root::new();
    let costs = |output: &Output| {
        let line: Value = serde_json::from_slice(&output.stdout).unwrap();
        let of =
            |spent: &Value| (spent["cost_usd_micros"].as_i64().unwrap(), spent["unpriced_calls"].as_u64().unwrap());
        let days: Vec<_> = line["days"].as_object().unwrap().values().map(|day| of(&day["spent"])).collect();
        (of(&line["spent"]), of(&line["model_calls"]["m-1"]["spent"]), days)
    };
    // What the log says, and how many calls it says nothing of.
    let without = root.stats(&["--json"]);
    assert_eq!(costs(&without), ((7, 2), (7, 1), vec![(7, 2)]));
    let path = root.write(TABLE);
    let priced = root.stats(&["--json", "--prices", &path]);
    assert_eq!(costs(&priced), ((482, 1), (482, 0), vec![(482, 1)]));
    assert!(text(&priced.stderr).contains("no price for 1 call of `x-1`"), "{}", text(&priced.stderr));
    let shown = root.stats(&["--prices", &path]);
    let lines: Vec<&str> = text(&shown.stdout).lines().collect();
    let line = |start: &str| *lines.iter().find(|line| line.starts_with(start)).unwrap();
    assert!(line("m-1").contains("$0.0005") && !line("m-1").contains("at least"), "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("at least $0.0005")), "{lines:?}");
    assert!(Json::parse(TABLE).is_ok());
}

#[test]
fn a_table_that_cannot_be_read_is_named() {
    let root = Root::new();
    let missing = root.stats(&["--prices", "/nowhere/prices.json"]);
    assert_eq!(missing.status.code(), Some(7), "{}", text(&missing.stderr));
    assert!(text(&missing.stderr).contains("/nowhere/prices.json"));
    let bad = root.stats(&["--prices", &root.write("{\"usd_per_million_tokens\":3}")]);
    assert_eq!((bad.status.code(), bad.stdout.len()), (Some(2), 0));
    assert!(text(&bad.stderr).contains(".prices.json") && text(&bad.stderr).contains("usd_per_million_tokens"));
}

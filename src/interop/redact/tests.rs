//! What counts as a secret, what does not, and that everything around one stays as it is.

use super::{PiecesFold, Redactor, secrets};
use crate::fold::Reducer;
use crate::format::line::{Decoded, Tail, decode};
use crate::model::time::Timestamp;
use std::collections::HashMap;

fn text(text: &str) -> String {
    Redactor::new(HashMap::new()).text(text).unwrap_or_else(|| text.to_owned())
}

/// Letters and digits that look random, put together here so that no scanner takes this file for a leak.
fn noise(length: usize) -> String {
    "a1B2c3D4e5F6g7H8i9J0".chars().cycle().take(length).collect()
}

fn upper(length: usize) -> String {
    "ABCDEFGH234567".chars().cycle().take(length).collect()
}

#[test]
fn every_kind_is_found_and_what_is_around_it_stays() {
    let part = noise(40);
    let cases = [
        (format!("sk-ant-api03-{part}"), "anthropic_key"),
        (format!("sk-proj-{part}"), "openai_key"),
        (format!("sk-{part}"), "openai_key"),
        (format!("AKIA{}", upper(16)), "aws_access_key"),
        (format!("ghp_{part}"), "github_token"),
        (format!("github_pat_{part}_{part}"), "github_token"),
        (format!("glpat-{part}"), "gitlab_token"),
        (format!("xoxb-12345-{part}"), "slack_token"),
        (format!("AIza{}", noise(35)), "google_key"),
        (format!("npm_{part}"), "npm_token"),
        (format!("hf_{part}"), "huggingface_token"),
        (format!("eyJ{part}.eyJ{part}.{part}"), "jwt"),
    ];
    for (secret, kind) in cases {
        for (before, after) in [("", ""), ("KEY=", "\n"), ("say \"", "\"."), ("é", "é"), ("a\\n", " b"), ("x%3D", "&y")]
        {
            let expected = format!("{before}[REDACTED:{kind}]{after}");
            assert_eq!(text(&format!("{before}{secret}{after}")), expected, "{secret}");
        }
    }
}

#[test]
fn words_around_a_secret_stay() {
    let part = noise(40);
    assert_eq!(
        text(&format!("curl -H 'Authorization: Bearer {part}' x")),
        "curl -H 'Authorization: Bearer [REDACTED:authorization]' x"
    );
    assert_eq!(
        text("{\"authorization\": \"Basic dXNlcjpwYXNz\"}"),
        "{\"authorization\": \"Basic [REDACTED:authorization]\"}"
    );
    assert_eq!(text("postgres://app:hunter2@db:5432/x"), "postgres://app:[REDACTED:url_password]@db:5432/x");
    assert_eq!(text("redis://:p@ss@host"), "redis://:[REDACTED:url_password]@host");
    assert_eq!(
        text(&format!("AWS_SECRET_ACCESS_KEY = \"{part}\"")),
        "AWS_SECRET_ACCESS_KEY = \"[REDACTED:aws_secret_key]\""
    );
    let key = format!("-----BEGIN RSA PRIVATE KEY-----\n{0}\n{0}\n-----END RSA PRIVATE KEY-----", noise(64));
    assert_eq!(text(&format!("a\n{key}\nb")), "a\n[REDACTED:private_key]\nb");
    let cut = key.split("\n-----END").next().unwrap_or_default().replace('\n', "\\n");
    assert_eq!(text(&format!("a {cut}\" b")), "a [REDACTED:private_key]\" b");
}

/// Members of JSON: what one is called shows what it is, in lists and beside a name as well. JSON stays JSON.
#[test]
fn the_name_of_a_member_tells() {
    let cases = [
        (r#"{"a":1,"password" : "hunter2","n":2}"#, r#"{"a":1,"password" : "[REDACTED:password]","n":2}"#),
        (r#"[{"name":"DB_PASSWORD","value":"hunter2"}]"#, r#"[{"name":"DB_PASSWORD","value":"[REDACTED:password]"}]"#),
        (r#"["--password","hunter2","hunter3"]"#, r#"["--password","[REDACTED:password]","hunter3"]"#),
        (r#"{"x":"{\"password\":\"hunter2\"}"}"#, r#"{"x":"{\"password\":\"[REDACTED:password]\"}"}"#),
        (r#"{"x":"\ud800 password=hunter2"}"#, r#"{"x":"\ud800 password=[REDACTED:password]"}"#),
        (r#"{"x":"\ud800 DB_PASSWORD=hunter2\u0041"}"#, r#"{"x":"\ud800 DB_PASSWORD=[REDACTED:password]\u0041"}"#),
        (r#"{"db_password": 48392011,"n":1}"#, r#"{"db_password": "[REDACTED:password]","n":1}"#),
        (r#"{"password":"correct horse battery 9"}"#, r#"{"password":"[REDACTED:password]"}"#),
        (r#"{"password":1.5e300,"password":12,"password":"must be at least 8 characters"}"#, ""),
        (r#"{"password":null,"token":17,"secret":{"a":"hunter2"},"b":"hunter2"}"#, ""),
    ];
    for (json, expected) in cases {
        let clean = Redactor::new(HashMap::new()).json(json, Vec::new()).unwrap_or_default();
        assert_eq!(clean, expected, "{json}");
    }
}

#[test]
fn what_only_looks_like_a_secret_stays() {
    let part = noise(40);
    let harmless = [
        "the risk-analysis-of-long-hyphenated-words-in-a-text-2024".to_owned(),
        format!("task-{part}"),
        "sk-ant-colony-optimization-algorithms-explained".to_owned(),
        format!("commit {}", "0123456789abcdef".repeat(2)),
        format!("sha256:{}", noise(64)),
        "AKIAIOSFODNN7".to_owned(),
        format!("MAKIA{}", upper(16)),
        format!("AKIA{}", upper(30)),
        "Authorization: Bearer $TOKEN and Authorization: Basic authentication".to_owned(),
        "http://localhost:8080/a@b https://user@host mailto:a:b@c http://a:1@, x".to_owned(),
        "https://u:$PASSWORD@h https://u:{password}@h https://u:***@h https://u:[REDACTED:url_password]@h".to_owned(),
        "if line.startswith(\"-----BEGIN PRIVATE KEY-----\"): end = \"-----END PRIVATE KEY-----\"".to_owned(),
        format!("eyJ{part}.{part}"),
        "ghp_ gho_short sk- hf_hub_download npm_config_registry".to_owned(),
        "password: string\ntoken: &str,\n  password: str = None\n  secret: Option<String>".to_owned(),
        "api_key = os.environ[\"API_KEY\"]; password = get_password(); token = m.group(1)".to_owned(),
        "password=$PASSWORD API_KEY=${API_KEY} TOKEN=$(gh auth token) PASS=%DB_PASS% KEY=<your key>".to_owned(),
        "password: ${{ secrets.DB_PASSWORD }}\npassword: process.env.PASSWORD2\ntoken: next_token".to_owned(),
        "PWD=/srv/x1 PASS=12 FAIL=0 PASSWORD=/run/secrets/db max_tokens: 4096 PASSWORD=".to_owned(),
        "\"password\": \"string\", \"password\": \"required\", 'secret': 'V1SecretVolumeSource'".to_owned(),
        format!("\"next_page_token\": \"{part}\", public_key: \"{part}\", CACHE_KEY={part}"),
        "the login and password portion2 of a URL; --password is required; --user name: x".to_owned(),
        "docker run -u 1000:1000 x; curl -u $USER:$PASSWORD x; Cookie: theme=dark".to_owned(),
        "gcc -I/usr/include/mysql x.c -pthread; openssl req -keyout key.pem; curl -k -sS https://h; set -x; set -e DB_PASSWORD".to_owned(),
        "at 10:54:32: x; 2001:5432:ab:cd:ef:1; https://user@host $1$ $2a$ {SHA} Private-Lines: 0".to_owned(),
        "password: |\nnext: x; {\"password\": \"Enter your 2 words\"} https://u:${PASS}@h https://u:{pw2}@h".to_owned(),
        "DB_PASSWORD=$DbPassword1 curl -b jar.txt x; openssl rsa -passin pass:$PASS; sshpass -p $PASS".to_owned(),
        "assert token == \"a1B2c3D4e5F6g7H8\" and password != \"hunter2\"".to_owned(),
    ];
    for harmless in harmless {
        assert_eq!(secrets::find(harmless.as_bytes()), [], "{harmless}");
    }
}

#[test]
fn json_stays_token_for_token_around_a_secret() {
    let secret = format!("ghp_{}", noise(36));
    let mut redactor = Redactor::new(HashMap::new());
    let json = format!(
        r#"{{ "n" : 1e400,"big":18446744073709551616, "{secret}":[ "é", "a\"{secret}" ],"n":1.0,"s":"\ud800 {secret}"}}"#
    );
    let clean = redactor.json(&json, Vec::new()).unwrap_or_default();
    assert_eq!(
        clean,
        r#"{ "n" : 1e400,"big":18446744073709551616, "[REDACTED:github_token]":[ "é", "a\"[REDACTED:github_token]" ],"n":1.0,"s":"\ud800 [REDACTED:github_token]"}"#
    );
    assert_eq!(redactor.json(&clean, Vec::new()), None);
    assert_eq!(redactor.into_counts(), [("github_token", 3)].into());
}

/// Lines with these types and data, numbered from 1.
fn lines(events: &[(&str, String)]) -> Vec<Vec<u8>> {
    let line = |(at, (type_name, data)): (usize, &(&str, String))| {
        let mut line = Vec::new();
        let tail = Tail::new(type_name, None, None, data.as_bytes());
        tail.write_line(&mut line, at as u64 + 1, 0, &Timestamp::from_micros(0).to_bytes());
        line.pop();
        line
    };
    events.iter().enumerate().map(line).collect()
}

/// The text of each event after redaction, and how often something was replaced.
fn stream(events: &[(&str, String)]) -> (Vec<String>, u64) {
    let lines = lines(events);
    let mut pieces = PiecesFold::default();
    let entries = || {
        lines.iter().filter_map(|line| match decode(line) {
            Decoded::Entry(entry) => Some(entry),
            _ => None,
        })
    };
    entries().for_each(|entry| pieces.entry(&entry));
    let mut redactor = Redactor::new(pieces.finish());
    let text = |data: &str| -> String {
        let data: serde_json::Value = serde_json::from_str(data).expect("JSON");
        data["text"].as_str().unwrap_or_default().to_owned()
    };
    let texts = entries().map(|entry| text(redactor.entry(&entry).data())).collect();
    (texts, redactor.into_counts().into_values().sum())
}

#[test]
fn a_secret_that_streamed_in_pieces_is_found() {
    let secret = format!("sk-ant-api03-{}", noise(60));
    let delta = |text: &str| ("text_delta", format!(r#"{{"turn_id":"t","text":"{text}"}}"#));
    let other = |text: &str| ("tool_call_output", format!(r#"{{"turn_id":"t","call_id":"c","text":"{text}"}}"#));
    let mut events: Vec<(&str, String)> = vec![delta("the key is s")];
    for (at, piece) in secret.as_bytes()[1..].chunks(5).enumerate() {
        events.push(delta(std::str::from_utf8(piece).expect("ASCII")));
        events.push(other(if at == 0 { "k" } else { "x" })); // another stream in between
    }
    events.push(delta(" and no more"));
    let (texts, count) = stream(&events);
    let joined: String = texts.iter().step_by(2).take(1).chain(texts.iter().skip(1).step_by(2)).cloned().collect();
    assert_eq!(count, 1);
    assert!(joined.starts_with("the key is [REDACTED:anthropic_key]"), "{joined}");
    assert!(joined.ends_with(" and no more") && !joined.contains("a1B2"), "{joined}");
}

/// A name in one piece and its value, whole, in another.
#[test]
fn a_name_in_an_earlier_piece_tells() {
    let delta = |text: &str| ("text_delta", format!(r#"{{"turn_id":"t","text":"{text}"}}"#));
    let (texts, count) = stream(&[delta("x\\nDB_PASSWORD="), delta("hunter2"), delta("\\nand on")]);
    assert_eq!((texts.concat().as_str(), count), ("x\nDB_PASSWORD=[REDACTED:password]\nand on", 1));
}

#[test]
fn a_long_stream_is_settled_in_passing() {
    let secret = format!("ghp_{}", noise(36));
    let delta = |text: &str| ("text_delta", format!(r#"{{"turn_id":"t","text":"{text}"}}"#));
    let mut events = Vec::new();
    for at in 0..400 {
        events.push(delta(&"word ".repeat(100)));
        if at % 100 == 50 {
            let (a, b) = secret.split_at(10);
            events.extend([delta(a), delta(b), delta(" ")]);
        }
    }
    let (texts, count) = stream(&events);
    assert_eq!(count, 4);
    let joined = texts.concat();
    assert_eq!(joined.matches("[REDACTED:github_token]").count(), 4);
    assert!(!joined.contains("ghp_") && !joined.contains("a1B2"));
    assert_eq!(joined.matches("word ").count(), 40_000);
}

/// Where a stream is settled, half a secret may stand at its end, or one that goes on. Tried at every place around it.
#[test]
fn no_secret_falls_between_two_looks() {
    let secret = format!("ghp_{}", noise(60));
    let delta = |text: &str| ("text_delta", format!(r#"{{"turn_id":"t","text":"{text}"}}"#));
    for filler in ((64 << 10) - 80..(64 << 10) + 5).step_by(4) {
        let mut events = vec![delta(&"-".repeat(filler))];
        events.extend(secret.as_bytes().chunks(9).map(|piece| delta(std::str::from_utf8(piece).expect("ASCII"))));
        events.push(delta(" end"));
        let (texts, count) = stream(&events);
        let joined = texts.concat();
        assert_eq!((count, joined.len()), (1, filler + "[REDACTED:github_token] end".len()), "{filler}");
        assert!(joined.ends_with("-[REDACTED:github_token] end"), "{filler}");
    }
}

/// By size and not by time: with a look at all streams at each end of a turn, this took minutes.
#[test]
fn the_end_of_a_turn_looks_at_its_own_streams_only() {
    const STREAMS: usize = 60_000;
    let delta = |at: usize| ("text_delta", format!(r#"{{"turn_id":"open{at}","text":"a"}}"#));
    let end = |at: usize| ("turn_ended", format!(r#"{{"turn_id":"other{at}","status":"completed"}}"#));
    let events: Vec<_> = (0..STREAMS).map(delta).chain((0..STREAMS).map(end)).collect();
    assert_eq!(stream(&events).1, 0);
}

/// Nor does a secret without an end, in small pieces, cost a look at all of it for each piece.
#[test]
fn a_long_secret_in_small_pieces_is_looked_at_seldom() {
    let delta = |text: &str| ("text_delta", format!(r#"{{"turn_id":"t","text":"{text}"}}"#));
    let mut events = vec![delta("ghp_")];
    events.extend((0..60_000).map(|_| delta("a1B2c3D4e5F6g7H8")));
    let (texts, count) = stream(&events);
    assert_eq!((texts.concat().as_str(), count), ("[REDACTED:github_token]", 1));
}

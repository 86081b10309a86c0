//! Secrets on command lines: a flag gives one where its command is on the line.

use super::bytes::{is_alnum, is_blank, is_quote, is_url_safe, is_word, run, run_back, skip, starts_word, word};
use super::found::Found;
use super::values::{self, Written};
use super::{headers, named, names};
use memchr::memmem;
use std::ops::Range;

/// How far back on its line a command is looked for, and how long an argument may be.
const LINE: usize = 1 << 10;

/// Where the line of a flag begins, if one of these commands is on it. `mysqldump` counts as `mysql`, `mysql.h>` does not.
fn line_of(text: &[u8], flag: usize, commands: &[&[u8]]) -> Option<usize> {
    let from = flag.saturating_sub(LINE);
    let line = &text[from..flag];
    let begin = memchr::memrchr_iter(b'\n', line).find(|at| !line[..*at].ends_with(b"\\")).map_or(0, |at| at + 1);
    let line = &line[begin..];
    let is_command = |at: usize, command: &[u8]| {
        let end = run(line, at + command.len(), |byte| is_alnum(byte) || matches!(byte, b'.' | b'-'));
        let ends = line.get(end).is_none_or(|byte| is_blank(*byte) || is_quote(*byte) || matches!(byte, b'\\' | b'\n'));
        ends && starts_word(line, at)
    };
    commands
        .iter()
        .any(|command| memmem::find_iter(line, command).any(|at| is_command(at, command)))
        .then_some(from + begin)
}

/// Whether a flag may begin here.
fn starts_flag(text: &[u8], at: usize) -> bool {
    text[..at].last().is_none_or(|byte| is_blank(*byte) || is_quote(*byte) || *byte == b'\n')
}

/// `-ux`, `--user=x`, `-u='x y'`
fn attached(text: &[u8], flag: usize) -> Option<Range<usize>> {
    let from = skip(text, flag, |byte| byte == b'=', 1)?;
    if let Some(range) = named::quoted(text, from) {
        return (!range.is_empty()).then_some(range);
    }
    let from = skip(text, from, |byte| is_quote(byte) || byte == b'\\', 8)?;
    let end = skip(text, from, |byte| byte > b' ' && !is_quote(byte) && byte != b'\\', LINE)?;
    (from < end).then_some(from..end)
}

/// A value that can only be a password where it is, unless it is a variable or a word about passwords.
fn is_given(value: &[u8], least: usize) -> bool {
    value.len() >= least
        && !value.starts_with(b"-")
        && !values::is_placeholder(value)
        && !values::says_password(value)
        && !values::is_stop_word(value)
}

/// `curl -u user:password`, `http -a user:password`
pub(super) fn user_flag(text: &[u8], at: usize, _: usize) -> Option<Found> {
    if text[..at].last().is_some_and(|byte| is_word(*byte) || *byte == b'-') {
        return None;
    }
    let flags = ["--user", "--proxy-user", "--auth", "-u", "-U", "-a"];
    let end = flags.iter().find_map(|flag| text[at..].starts_with(flag.as_bytes()).then_some(at + flag.len()))?;
    login(text, at, end)
}

/// The password of the login after a flag that ends here.
fn login(text: &[u8], at: usize, end: usize) -> Option<Found> {
    let range = named::argument(text, end).or_else(|| attached(text, end))?;
    let colon = range.start + memchr::memchr(b':', &text[range.clone()])?;
    let password = colon + 1..range.end;
    let value = &text[password.clone()];
    let is_number = value.len() < 6 && value.iter().all(u8::is_ascii_digit);
    let is_secret = !is_number && is_given(value, 3) && !value.starts_with(b"//");
    let begin = line_of(text, at, &[b"curl", b"wget", b"http", b"https", b"xh"]).filter(|_| is_secret)?;
    Some(Found { begin, range: password, kind: "password" })
}

/// `curl -sSu user:password`, `curl -sb name=value`: several short options in one, found at the last of them.
pub(super) fn combined_flag(text: &[u8], at: usize, floor: usize) -> Option<Found> {
    let letters = run_back(text, at, floor, 8, |byte| byte.is_ascii_alphabetic());
    let dash = letters.checked_sub(1).filter(|dash| letters < at && text[*dash] == b'-')?;
    if !starts_flag(text, dash) {
        return None;
    }
    match text[at] {
        b'b' => cookie(text, dash, at + 1),
        _ => login(text, dash, at + 1),
    }
}

/// `curl -b name=value`
pub(super) fn cookie_flag(text: &[u8], at: usize, _: usize) -> Option<Found> {
    cookie(text, at, at + 2).filter(|_| starts_flag(text, at))
}

fn cookie(text: &[u8], at: usize, end: usize) -> Option<Found> {
    let range = named::argument(text, end).or_else(|| attached(text, end))?;
    let begin = headers::holds_session(&text[range.clone()]).then(|| line_of(text, at, &[b"curl"]))??;
    Some(Found { begin, range, kind: "cookie" })
}

/// `mysql -psecret`, `sshpass -p secret`, `docker login -p secret`, `redis-cli -a secret`, `openssl -k secret`
pub(super) fn short_flag(text: &[u8], at: usize, _: usize) -> Option<Found> {
    if !starts_flag(text, at) {
        return None;
    }
    let argument = named::argument(text, at + 2);
    let is_next = argument.is_some();
    let range = argument.or_else(|| attached(text, at + 2))?;
    let value = &text[range.clone()];
    let commands: &[&[u8]] = match text[at + 1] {
        b'p' if is_next => &[b"sshpass"],
        b'p' if value.starts_with(b"thread") => return None, // a compiler's `-pthread`
        b'p' => &[b"sshpass", b"mysql", b"mariadb"],
        b'a' if is_next => &[b"redis-cli"],
        b'k' if is_next => &[b"openssl"], // and not `-keyout`
        _ => return None,
    };
    let given = || line_of(text, at, commands).filter(|_| is_given(value, 4));
    let login = || {
        let is_one = text[at + 1] == b'p' && value.len() >= 4 && values::is_password(value, Written::Url);
        line_of(text, at, &[b"docker login", b"podman login", b"az login"]).filter(|_| is_one && is_next)
    };
    Some(Found { begin: given().or_else(login)?, range, kind: "password" })
}

/// `set -gx NAME value` of fish, `setenv NAME value` of csh, `ENV NAME value` of a Dockerfile
pub(super) fn environment(text: &[u8], at: usize, _: usize) -> Option<Found> {
    let blanks = |from: usize| skip(text, from, is_blank, 16).filter(|after| *after > from);
    if !starts_word(text, at) {
        return None;
    }
    let mut from =
        blanks(word(text, at, "setenv").or_else(|| word(text, at, "set")).or_else(|| word(text, at, "env"))?)?;
    let mut exports = !text[at..].starts_with(b"set ");
    while text.get(from) == Some(&b'-') && from < at + 64 {
        let end = skip(text, from, is_url_safe, 16)?;
        exports |= text[from..end].contains(&b'x'); // `-x`, `-gx`, `--export`
        from = blanks(end)?;
    }
    let name = from..skip(text, from, is_word, 64)?;
    let is_shouted = !text[name.clone()].iter().any(u8::is_ascii_lowercase);
    let meaning = names::meaning(&text[name.clone()]).filter(|_| exports && is_shouted)?;
    let from = blanks(name.end)?;
    let range = named::quoted(text, from).or_else(|| {
        let ends = |byte: u8| byte <= b' ' || is_quote(byte) || matches!(byte, b';' | b'\\' | b'&' | b'|');
        Some(from..skip(text, from, |byte| !ends(byte), LINE)?)
    })?;
    let kind = named::kind_of(&text[range.clone()], meaning, Written::Literal)?;
    Some(Found { begin: at, range, kind })
}

/// `openssl rsa -passin pass:secret`
pub(super) fn pass_source(text: &[u8], at: usize, floor: usize) -> Option<Found> {
    let from = word(text, at, "pass:")?;
    let gap = run_back(text, at, floor, 8, |byte| is_blank(byte) || is_quote(byte) || matches!(byte, b'\\' | b','));
    let flag = run_back(text, gap, floor, 12, is_url_safe);
    let is_flag = gap < at && ["-pass", "-passin", "-passout"].iter().any(|known| &text[flag..gap] == known.as_bytes());
    let end = skip(text, from, |byte| byte > b' ' && !is_quote(byte) && byte != b'\\', LINE)?;
    (is_flag && is_given(&text[from..end], 4)).then_some(Found { begin: flag, range: from..end, kind: "password" })
}

/// `[sudo] password for user: secret`, where a terminal showed what was typed
pub(super) fn sudo_prompt(text: &[u8], at: usize, floor: usize) -> Option<Found> {
    let name = word(text, at, "password for ")?;
    let colon = skip(text, name, is_url_safe, 32).filter(|end| *end > name)?;
    let from = text[colon..].starts_with(b": ").then_some(colon + 2)?;
    let begin = run_back(text, at, floor, 8, |byte| byte > b'\n');
    memmem::find(&text[begin..at], b"sudo")?;
    let end = skip(text, from, |byte| byte > b' ' && !is_quote(byte) && byte != b'\\', LINE)?;
    values::is_password(&text[from..end], Written::Code).then_some(Found { begin, range: from..end, kind: "password" })
}

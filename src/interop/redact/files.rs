//! Secrets in files with a syntax of their own: netrc, pgpass, cookies, password hashes, PuTTY's keys; and in URLs.

use super::bytes::{is_alnum, is_base64, is_dotted, is_quote, run, run_back, skip, starts_word, word};
use super::found::Found;
use super::values;
use memchr::memmem;

const LINE: usize = 1 << 10;
/// How far a login in a URL may reach.
const LONGEST: usize = 16 << 10;

/// The password of `scheme://user:password@host`, or the token that is its user. The rest stays. Variables and what is
/// masked already are no secrets.
pub(super) fn url_login(text: &[u8], at: usize, _: usize) -> Option<Found> {
    if !text[at..].starts_with(b"://") || !text[..at].last().is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let ends =
        |byte: u8| byte <= b' ' || matches!(byte, b'/' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\' | b'?' | b'#');
    let user = at + 3;
    let end = run(&text[..text.len().min(user + LONGEST)], user, |byte| !ends(byte));
    let host = user + memchr::memrchr(b'@', &text[user..end])?;
    let names_a_host = text.get(host + 1).is_some_and(|byte| is_alnum(*byte) || *byte == b'[');
    if !names_a_host {
        return None;
    }
    let colon = memchr::memchr(b':', &text[user..host]).map_or(host, |offset| user + offset);
    let password = text.get(colon + 1..host).unwrap_or_default();
    let is_password = password.len() >= 4
        && password != b"x-oauth-basic" // as the password says, the user is the token
        && !values::is_placeholder(password)
        && !password.starts_with(b"*")
        && !values::says_password(password);
    if is_password {
        return Some(Found { begin: user, range: colon + 1..host, kind: "url_password" });
    }
    let name = &text[user..colon];
    let is_token = (20..=256).contains(&name.len()) && name.iter().all(|byte| is_dotted(*byte));
    (is_token && values::is_random(name)).then(|| Found::alone(user..colon, "url_token"))
}

/// `machine h login u password p`
pub(super) fn netrc(text: &[u8], at: usize, floor: usize) -> Option<Found> {
    let after = word(text, at, "password").filter(|_| starts_word(text, at))?;
    let from = skip(text, after, |byte| byte.is_ascii_whitespace(), 16).filter(|from| *from > after)?;
    let back = |end: usize, fits: fn(u8) -> bool| {
        let begin = run_back(text, end, floor, 128, fits);
        (begin < end).then_some(begin)
    };
    let is_space = |byte: u8| byte.is_ascii_whitespace();
    let user = back(back(at, is_space)?, |byte| !byte.is_ascii_whitespace())?;
    let login = back(user, is_space)?;
    let begin = floor.max(login.saturating_sub(256));
    let before = &text[begin..login];
    let is_netrc = ["machine", "default"].iter().any(|word| memmem::find(before, word.as_bytes()).is_some());
    if !is_netrc || !before.ends_with(b"login") {
        return None; // words of a text
    }
    let end = skip(text, from, |byte| byte > b' ' && !is_quote(byte) && byte != b'\\', LINE)?;
    let value = &text[from..end];
    let is_one = value.len() >= 3 && !values::is_placeholder(value) && !values::says_password(value);
    is_one.then_some(Found { begin, range: from..end, kind: "password" })
}

/// A line of `.pgpass`: `host:port:database:user:password`. Found at the colon before its port.
pub(super) fn pgpass(text: &[u8], at: usize, floor: usize) -> Option<Found> {
    const PORTS: &[&[u8]] = &[b":5432:", b":5433:", b":5434:", b":6432:", b":*:"];
    let port = PORTS.iter().find(|port| text[at..].starts_with(port))?;
    let is_host = |byte: u8| is_dotted(byte) || matches!(byte, b'*' | b'/');
    let mut host = run_back(text, at, floor, 255, is_host);
    if text[..host].ends_with(b"\\") && matches!(text[host], b'n' | b'r' | b't') {
        host += 1; // an escape of JSON within JSON
    }
    let is_first = text[..host].last().is_none_or(|byte| *byte <= b' ' || is_quote(*byte)) || starts_word(text, host);
    let field = |from: usize| {
        let end = skip(text, from, |byte| is_dotted(byte) || byte == b'*', 63)?;
        (end > from && text.get(end) == Some(&b':')).then_some(end + 1)
    };
    let from = field(field(at + port.len())?)?;
    let end = skip(text, from, |byte| byte > b' ' && !is_quote(byte) && !matches!(byte, b'\\' | b':'), LINE)?;
    let value = &text[from..end];
    let is_one = host < at && is_first && value.len() >= 4 && text.get(end) != Some(&b':');
    (is_one && !values::is_placeholder(value) && !values::says_password(value)).then_some(Found {
        begin: host,
        range: from..end,
        kind: "password",
    })
}

/// `$6$salt$...` and its like in `shadow` and `htpasswd`: what a password can be guessed from at leisure.
pub(super) fn crypt_hash(text: &[u8], at: usize, _: usize) -> Option<Found> {
    const SCHEMES: &[&str] = &[
        "$apr1$",
        "$1$",
        "$2a$",
        "$2b$",
        "$2y$",
        "$5$",
        "$6$",
        "$7$",
        "$y$",
        "$gy$",
        "$argon2i$",
        "$argon2d$",
        "$argon2id$",
    ];
    let scheme = SCHEMES.iter().find(|scheme| text[at..].starts_with(scheme.as_bytes()))?;
    let from = at + scheme.len();
    let is_body = |byte: u8| is_alnum(byte) || matches!(byte, b'.' | b'/' | b'$' | b'=' | b',' | b'+');
    let end = skip(text, from, is_body, 512)?;
    let last = memchr::memrchr(b'$', &text[from..end])? + 1;
    (end - from - last >= 22).then(|| Found::alone(at..end, "password_hash"))
}

/// `{SHA}...`, `{SSHA}...` of `htpasswd` and LDAP
pub(super) fn ldap_hash(text: &[u8], at: usize, _: usize) -> Option<Found> {
    let scheme = word(text, at, "{SHA").or_else(|| word(text, at, "{SSHA"))?;
    let close = skip(text, scheme, |byte| byte.is_ascii_digit(), 3)?;
    let from = (text.get(close) == Some(&b'}')).then_some(close + 1)?;
    let end = skip(text, from, is_base64, 256)?;
    (end - from >= 27).then(|| Found::alone(at..end, "password_hash"))
}

/// The private lines of a key of PuTTY's.
pub(super) fn putty_key(text: &[u8], at: usize, _: usize) -> Option<Found> {
    // In JSON within JSON a line break is an escape.
    let newline = |at: usize| match text.get(at..)? {
        [b'\r', b'\n', ..] => Some(at + 2),
        [b'\n', ..] => Some(at + 1),
        [b'\\', b'r', b'\\', b'n', ..] => Some(at + 4),
        [b'\\', b'n', ..] => Some(at + 2),
        _ => None,
    };
    let number = word(text, at, "Private-Lines: ").filter(|_| starts_word(text, at))?;
    let after = skip(text, number, |byte| byte.is_ascii_digit(), 3)?;
    let lines: usize = std::str::from_utf8(&text[number..after]).ok()?.parse().ok()?;
    let from = newline(after)?;
    let mut end = skip(text, from, is_base64, 128)?;
    for _ in 1..lines {
        let Some(next) = newline(end).and_then(|next| skip(text, next, is_base64, 128).filter(|end| *end > next))
        else {
            break;
        };
        end = next;
    }
    (end - from >= 24).then_some(Found { begin: at, range: from..end, kind: "private_key" })
}

/// A line of a file of cookies: seven fields with tabs between, the value last.
pub(super) fn cookie_file(text: &[u8], at: usize, _: usize) -> Option<Found> {
    // In JSON within JSON a tab is an escape.
    let tab = |at: usize| match text.get(at..)? {
        [b'\t', ..] => Some(at + 1),
        [b'\\', b't', ..] => Some(at + 2),
        _ => None,
    };
    let field = |from: usize, most: usize, fits: fn(u8) -> bool| {
        tab(skip(text, from, fits, most)?).filter(|after| *after > from + 1)
    };
    if !text[..at].ends_with(b"\t") && !text[..at].ends_with(b"\\t") {
        return None;
    }
    let secure = tab(word(text, at, "TRUE").or_else(|| word(text, at, "FALSE"))?)?;
    let from = field(field(secure, 16, |byte| byte.is_ascii_digit())?, 128, |byte| byte > b' ' && byte != b'\\')?;
    let end = skip(text, from, |byte| byte > b' ' && !is_quote(byte) && byte != b'\\', 4 * LINE)?;
    let is_one = end - from >= 12 && values::is_random(&text[from..end]);
    is_one.then_some(Found { begin: at, range: from..end, kind: "cookie" })
}

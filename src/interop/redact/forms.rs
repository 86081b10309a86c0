//! Secrets that have a shape rather than a prefix: keys in armour, web tokens, headers. The table of
//! shapes is here, those of command lines in `commands`, those of files and URLs in `files`.

use super::bytes::{
    is_alnum, is_base64, is_blank, is_dotted, is_hex, is_lower_hex, is_quote, is_url_safe, run, run_back, skip,
    starts_word, word,
};
use super::found::{Form, Found};
use super::{commands, files, named, values};
use crate::interop::redact::bytes::LONGEST;
use crate::interop::redact::headers::is_credential;
use base64::Engine;
use memchr::memmem;

/// By what each begins with, or by bytes in its midst: two or three. To add one, write its function and its row.
pub(super) const FORMS: &[(&[&str], Form)] = &[
    (&["--B"], private_key),
    (&["LS0"], encoded_private_key),
    (&[".ey"], jwt),
    (&["bea", "Bea", "BEA"], bearer),
    (&["aws", "AWS"], aws_secret),
    (&["://"], files::url_login),
    (&["--"], named::flag),
    (&["--u", "--p", "--a", "-u", "-U", "-a"], commands::user_flag),
    (&["-p", "-a", "-k"], commands::short_flag),
    (&["-b"], commands::cookie_flag),
    (&["u ", "U ", "b ", "u\"", "U\"", "b\""], commands::combined_flag),
    (&["set", "ENV"], commands::environment),
    (&["pas"], commands::pass_source),
    (&["pas"], commands::sudo_prompt),
    (&["pas"], files::netrc),
    (&[":54", ":64", ":*:"], files::pgpass),
    (&["$ap", "$1$", "$2a", "$2b", "$2y", "$5$", "$6$", "$7$", "$y$", "$gy", "$ar"], files::crypt_hash),
    (&["{SH", "{SS"], files::ldap_hash),
    (&["Pri"], files::putty_key),
    (&[":AA"], telegram),
    (&["MT", "Mj", "Mz", "ND", "NT", "Nj", "Nz", "OD", "OT"], discord),
    (&["Q~"], azure_secret),
    (&[".at"], terraform),
    (&["-us"], mailchimp),
    (&["TRU", "FAL"], files::cookie_file),
];

/// `-----BEGIN ... PRIVATE KEY-----` to its end, or as far as it looks like one if the end was cut off.
fn private_key(text: &[u8], at: usize, floor: usize) -> Option<Found> {
    const DASHES: &[u8] = b"-----";
    let at = at.checked_sub(3)?; // found by the end of its dashes
    let label = word(text, at, "-----BEGIN ").filter(|_| at >= floor)?;
    let label_end = label + memmem::find(&text[label..text.len().min(label + 48)], DASHES)?;
    memmem::find(&text[label..label_end], b"PRIVATE KEY")?;
    let body = label_end + DASHES.len();
    let limit = text.len().min(body + LONGEST);
    let next = memmem::find(&text[body..limit], DASHES).map(|offset| body + offset);
    let closing = next.filter(|next| text[*next..].starts_with(b"-----END "));
    let end = match closing {
        Some(end) => end,
        None => run(&text[..next.unwrap_or(limit)], body, is_key_text),
    };
    let is_code = text[body..end].iter().any(|byte| matches!(byte, b'{' | b'}' | b'$' | b';' | b'<'));
    let keyed = text[body..end].iter().filter(|byte| is_alnum(**byte)).count();
    if keyed < 40 || is_code {
        return None; // code that speaks of keys
    }
    let end = match closing.and_then(|end| memmem::find(&text[end + 9..text.len().min(end + 64)], DASHES)) {
        Some(label) => end + 9 + label + DASHES.len(),
        None => end,
    };
    Some(Found::alone(at..end, "private_key"))
}

/// The content of an armoured key, its line breaks escaped or not.
fn is_key_text(byte: u8) -> bool {
    is_base64(byte) || byte.is_ascii_whitespace() || matches!(byte, b'\\' | b':' | b',' | b'-')
}

/// A key in armour, and the whole in base64 once more, as Kubernetes keeps it.
fn encoded_private_key(text: &[u8], at: usize, _: usize) -> Option<Found> {
    if !text[at..].starts_with(b"LS0tLS1CRUdJTi") || !starts_word(text, at) {
        return None;
    }
    let head = base64::engine::general_purpose::STANDARD.decode(text.get(at..at + 64)?).ok()?;
    memmem::find(&head, b"PRIVATE KEY")?;
    let limit = text.len().min(at + 2 * LONGEST);
    Some(Found::alone(at..run(&text[..limit], at, is_base64), "private_key"))
}

/// Three parts of base64, the first two of which are JSON objects. Found at the point between these.
fn jwt(text: &[u8], at: usize, floor: usize) -> Option<Found> {
    if !text[at..].starts_with(b".eyJ") {
        return None;
    }
    let start = run_back(text, at, floor, LONGEST, is_url_safe);
    let start = start + memmem::find(&text[start..at], b"eyJ")?;
    let second = skip(text, at + 1, is_url_safe, LONGEST)?;
    if text.get(second) != Some(&b'.') || at - start < 10 || second - at < 10 || !starts_word(text, start) {
        return None;
    }
    let end = run(&text[..text.len().min(second + 1 + LONGEST)], second + 1, is_url_safe);
    (end - second > 10).then(|| Found::alone(start..end, "jwt"))
}

/// `Bearer ...` wherever it stands. The word stays.
fn bearer(text: &[u8], at: usize, _: usize) -> Option<Found> {
    let from = word(text, at, "bearer").filter(|_| starts_word(text, at))?;
    let from = skip(text, from, is_blank, 4).filter(|after| *after > from)?;
    let end = run(&text[..text.len().min(from + LONGEST)], from, is_credential);
    let is_one = end - from >= 20 && values::is_random(&text[from..end.min(from + 128)]);
    is_one.then_some(Found { begin: at, range: from..end, kind: "authorization" })
}

/// The 40 characters after `aws_secret_access_key`, blanks between. The name stays.
fn aws_secret(text: &[u8], at: usize, _: usize) -> Option<Found> {
    let from = word(text, at, "aws_secret_access_key").or_else(|| word(text, at, "aws_secret_key"))?;
    let from =
        skip(text, from, |byte| is_blank(byte) || is_quote(byte) || matches!(byte, b'\\' | b':' | b'=' | b','), 12)?;
    let end = skip(text, from, |byte| is_alnum(byte) || matches!(byte, b'/' | b'+'), 40)?;
    (end - from == 40).then_some(Found { begin: at, range: from..end, kind: "aws_secret_key" })
}

/// `123456789:AA...`
fn telegram(text: &[u8], at: usize, floor: usize) -> Option<Found> {
    let start = run_back(text, at, floor, 11, |byte| byte.is_ascii_digit());
    let end = skip(text, at + 1, is_url_safe, 35)?;
    ((8..=10).contains(&(at - start)) && end - at == 36).then(|| Found::alone(start..end, "telegram_token"))
}

/// The number of an account in base64, a time, a signature.
fn discord(text: &[u8], at: usize, _: usize) -> Option<Found> {
    let part =
        |from: usize, least: usize, most: usize| skip(text, from, is_url_safe, most).filter(|end| end - from >= least);
    let dot = |at: usize| (text.get(at) == Some(&b'.')).then_some(at + 1);
    let end = part(dot(part(dot(part(at, 23, 28)?)?, 6, 7)?)?, 27, 45)?;
    starts_word(text, at).then(|| Found::alone(at..end, "discord_token"))
}

/// `abc8Q~...`, of an application in Azure
fn azure_secret(text: &[u8], at: usize, floor: usize) -> Option<Found> {
    let is_body = |byte: u8| is_dotted(byte) || byte == b'~';
    let start = at.checked_sub(4).filter(|start| *start >= floor)?;
    let end = skip(text, at + 2, is_body, 34)?;
    let is_one = end - at >= 33 && text[at - 1].is_ascii_digit() && text[start..at].iter().all(|byte| is_body(*byte));
    (is_one && (start == 0 || !is_body(text[start - 1]))).then(|| Found::alone(start..end, "azure_secret"))
}

/// `....atlasv1....`
fn terraform(text: &[u8], at: usize, floor: usize) -> Option<Found> {
    let body = word(text, at, ".atlasv1.")?;
    let start = run_back(text, at, floor, 15, is_alnum);
    let end = run(&text[..text.len().min(body + 100)], body, is_url_safe);
    (at - start == 14 && end - body >= 50).then(|| Found::alone(start..end, "terraform_token"))
}

/// 32 hexadecimal digits and `-us12`
fn mailchimp(text: &[u8], at: usize, floor: usize) -> Option<Found> {
    let digits = text[at..].starts_with(b"-us").then_some(at + 3)?;
    let end = skip(text, digits, |byte| byte.is_ascii_digit(), 2).filter(|end| *end > digits)?;
    let start = run_back(text, at, floor, 33, is_lower_hex);
    (at - start == 32 && !text.get(end).is_some_and(|byte| is_hex(*byte)))
        .then(|| Found::alone(start..end, "mailchimp_key"))
}

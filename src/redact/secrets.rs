//! What a secret looks like: one table of tokens with a prefix of their own, and a few forms that need a look around.
//!
//! Precision goes first: whatever stands here is hardly ever anything but a secret. A word list or a measure of
//! randomness would take hashes and ids out of the story as well.

use std::ops::Range;

/// A secret in a text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) range: Range<usize>,
    pub(super) kind: &'static str,
}

/// A token that begins with a prefix that its issuer gives to nothing else.
struct Token {
    kind: &'static str,
    prefix: &'static str,
    /// What follows the prefix: which bytes, and how many of them at least and at most.
    body: fn(u8) -> bool,
    least: usize,
    most: usize,
    /// A word of a text could look like it, but hardly one with a digit.
    needs_digit: bool,
}

const ANY: usize = usize::MAX;

const fn token(kind: &'static str, prefix: &'static str, body: fn(u8) -> bool, least: usize, most: usize) -> Token {
    Token { kind, prefix, body, least, most, needs_digit: false }
}

/// One in whose body dashes stand, as they do in words.
const fn dashed(kind: &'static str, prefix: &'static str, least: usize) -> Token {
    Token { kind, prefix, body: is_url_safe, least, most: ANY, needs_digit: true }
}

/// Longer prefixes before shorter ones that they begin with.
const TOKENS: &[Token] = &[
    dashed("anthropic_key", "sk-ant-", 20),
    dashed("openai_key", "sk-proj-", 20),
    dashed("openai_key", "sk-svcacct-", 20),
    dashed("openai_key", "sk-admin-", 20),
    token("openrouter_key", "sk-or-v1-", is_alnum, 32, ANY),
    token("openai_key", "sk-", is_alnum, 32, ANY),
    token("aws_access_key", "AKIA", is_base32, 16, 16),
    token("aws_access_key", "ASIA", is_base32, 16, 16),
    token("github_token", "ghp_", is_alnum, 30, ANY),
    token("github_token", "gho_", is_alnum, 30, ANY),
    token("github_token", "ghu_", is_alnum, 30, ANY),
    token("github_token", "ghs_", is_alnum, 30, ANY),
    token("github_token", "ghr_", is_alnum, 30, ANY),
    token("github_token", "github_pat_", is_word, 40, ANY),
    token("gitlab_token", "glpat-", is_url_safe, 20, ANY),
    token("gitlab_token", "gldt-", is_url_safe, 20, ANY),
    token("gitlab_token", "glrt-", is_url_safe, 20, ANY),
    token("gitlab_token", "glptt-", is_alnum, 40, ANY),
    dashed("slack_token", "xoxb-", 10),
    dashed("slack_token", "xoxp-", 10),
    dashed("slack_token", "xoxa-", 10),
    dashed("slack_token", "xoxr-", 10),
    dashed("slack_token", "xoxs-", 10),
    dashed("slack_token", "xapp-", 10),
    token("slack_webhook", "hooks.slack.com/services/", is_path, 30, ANY),
    token("google_key", "AIza", is_url_safe, 35, 35),
    token("google_key", "GOCSPX-", is_url_safe, 20, ANY),
    dashed("google_token", "ya29.", 20),
    token("stripe_key", "sk_live_", is_alnum, 16, ANY),
    token("stripe_key", "sk_test_", is_alnum, 16, ANY),
    token("stripe_key", "rk_live_", is_alnum, 16, ANY),
    token("npm_token", "npm_", is_alnum, 36, ANY),
    token("pypi_token", "pypi-AgE", is_url_safe, 50, ANY),
    token("crates_token", "cio", is_alnum, 32, 32),
    token("huggingface_token", "hf_", is_alnum, 30, ANY),
    token("groq_key", "gsk_", is_alnum, 40, ANY),
    token("xai_key", "xai-", is_alnum, 60, ANY),
    token("perplexity_key", "pplx-", is_alnum, 40, ANY),
    token("replicate_token", "r8_", is_alnum, 36, ANY),
    token("sendgrid_key", "SG.", is_dotted, 60, ANY),
    token("digitalocean_token", "dop_v1_", is_alnum, 60, ANY),
];

/// A form that needs a look around: what is secret in it, if it begins at this place.
type Form = fn(&str, usize) -> Option<Found>;

/// By what each begins with: two letters, in whatever case.
const FORMS: &[(&[u8; 2], Form)] =
    &[(b"--", private_key), (b"ey", jwt), (b"au", authorization), (b"aw", aws_secret), (b":/", url_password)];

/// Whether a secret may begin with these two bytes: most never do, and a log has many.
static LEADS: [bool; 1 << 16] = {
    let mut leads = [false; 1 << 16];
    let mut at = 0;
    while at < TOKENS.len() {
        let prefix = TOKENS[at].prefix.as_bytes();
        leads[pair(prefix[0], prefix[1])] = true;
        at += 1;
    }
    let mut at = 0;
    while at < FORMS.len() {
        let [first, second] = *FORMS[at].0;
        leads[pair(first, second)] = true;
        leads[pair(first.to_ascii_uppercase(), second)] = true;
        leads[pair(first, second.to_ascii_uppercase())] = true;
        leads[pair(first.to_ascii_uppercase(), second.to_ascii_uppercase())] = true;
        at += 1;
    }
    leads
};

const fn pair(first: u8, second: u8) -> usize {
    (first as usize) << 8 | second as usize
}

/// Every secret in a text, in order; none reaches into another.
pub(super) fn find(text: &str) -> Vec<Found> {
    let bytes = text.as_bytes();
    let (mut found, mut at) = (Vec::new(), 0);
    let may_begin = |two: &[u8]| LEADS[pair(two[0], two[1])];
    while let Some(offset) = bytes.get(at..).and_then(|rest| rest.windows(2).position(may_begin)) {
        at += offset;
        match find_at(text, at) {
            Some(secret) => {
                at = secret.range.end;
                found.push(secret);
            }
            None => at += 1,
        }
    }
    found
}

fn find_at(text: &str, at: usize) -> Option<Found> {
    let bytes = text.as_bytes();
    let forms = FORMS.iter().filter(|(lead, _)| bytes[at..at + 2].eq_ignore_ascii_case(*lead));
    if let Some(found) = forms.filter_map(|(_, form)| form(text, at)).next() {
        return Some(found);
    }
    let begins = |token: &&Token| bytes[at..].starts_with(token.prefix.as_bytes()) && starts_word(bytes, at);
    TOKENS.iter().filter(begins).find_map(|token| {
        let body = at + token.prefix.len();
        let end = run(bytes, body, token.body);
        let fits = (token.least..=token.most).contains(&(end - body));
        let is_one = fits && (!token.needs_digit || bytes[body..end].iter().any(u8::is_ascii_digit));
        is_one.then_some(Found { range: at..end, kind: token.kind })
    })
}

/// `-----BEGIN ... PRIVATE KEY-----` to its end, or as far as it looks like one if the end was cut off.
fn private_key(text: &str, at: usize) -> Option<Found> {
    const END: &str = "-----END ";
    let rest = text[at..].strip_prefix("-----BEGIN ")?;
    let label = rest.split("-----").next().filter(|label| label.len() < 40 && label.contains("PRIVATE KEY"))?;
    let body = at + "-----BEGIN ".len() + label.len() + "-----".len();
    let end = run(text.as_bytes(), body, |byte| is_key_text(byte) && byte != b'-');
    let keyed = text.as_bytes()[body..end].iter().filter(|byte| byte.is_ascii_alphanumeric()).count();
    if keyed < 40 {
        return None; // code that speaks of keys
    }
    let end = match text[end..].strip_prefix(END).and_then(|after| after.find("-----")) {
        Some(label) if label < 40 => end + END.len() + label + "-----".len(),
        _ => end,
    };
    Some(Found { range: at..end, kind: "private_key" })
}

/// Three parts of base64, the first two of which are JSON objects.
fn jwt(text: &str, at: usize) -> Option<Found> {
    let bytes = text.as_bytes();
    let part = |from: usize, lead: &[u8]| {
        let end = run(bytes, from, is_url_safe);
        (bytes[from..].starts_with(lead) && end - from >= 10).then_some(end)
    };
    if !starts_word(bytes, at) {
        return None;
    }
    let dot = |at: usize| (bytes.get(at) == Some(&b'.')).then_some(at + 1);
    let end = part(dot(part(dot(part(at, b"eyJ")?)?, b"eyJ")?)?, b"")?;
    Some(Found { range: at..end, kind: "jwt" })
}

/// `Authorization: Bearer ...`, also as a header in JSON or code, and `Basic`. The words stay.
fn authorization(text: &str, at: usize) -> Option<Found> {
    let bytes = text.as_bytes();
    let mut from = word(bytes, at, "authorization")?;
    from = skip(bytes, from, |byte| matches!(byte, b'"' | b'\'' | b'\\' | b':' | b'=' | b'>' | b'`' | b' '), 12)?;
    let (scheme, from) = match word(bytes, from, "bearer") {
        Some(after) => ("bearer", after),
        None => ("basic", word(bytes, from, "basic")?),
    };
    let from = skip(bytes, from, |byte| byte == b' ', 4).filter(|behind| *behind > from)?;
    let end = run(bytes, from, |byte| is_url_safe(byte) || matches!(byte, b'.' | b'~' | b'+' | b'/' | b'='));
    let value = &bytes[from..end];
    let is_secret = match scheme {
        "bearer" => value.len() >= 12 && value.iter().any(u8::is_ascii_digit),
        // base64 of `name:password`, and not a word
        _ => value.len() >= 8 && value.len().is_multiple_of(4) && value.iter().any(u8::is_ascii_uppercase),
    };
    is_secret.then_some(Found { range: from..end, kind: "authorization" })
}

/// The 40 characters behind `aws_secret_access_key`. The name stays.
fn aws_secret(text: &str, at: usize) -> Option<Found> {
    let bytes = text.as_bytes();
    let from = word(bytes, at, "aws_secret_access_key")?;
    let from = skip(bytes, from, |byte| matches!(byte, b'"' | b'\'' | b'\\' | b':' | b'=' | b' '), 12)?;
    let end = run(bytes, from, |byte| is_alnum(byte) || matches!(byte, b'/' | b'+'));
    (end - from == 40).then_some(Found { range: from..end, kind: "aws_secret_key" })
}

/// The password of `scheme://user:password@host`. The rest stays. Variables and what is masked already are no secrets.
fn url_password(text: &str, at: usize) -> Option<Found> {
    let bytes = text.as_bytes();
    if !bytes[at..].starts_with(b"://") || !bytes[..at].last().is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    let ends =
        |byte: u8| byte <= b' ' || matches!(byte, b'/' | b'"' | b'\'' | b'<' | b'>' | b'`' | b'\\' | b'?' | b'#');
    let user = at + 3;
    let end = run(bytes, user, |byte| !ends(byte));
    let colon = user + memchr::memchr(b':', &bytes[user..end])?;
    let host = colon + memchr::memrchr(b'@', &bytes[colon..end])?;
    let password = &bytes[colon + 1..host];
    let is_variable = password.first().is_none_or(|byte| matches!(byte, b'$' | b'{' | b'[' | b'%' | b'*'));
    let names_a_host = bytes.get(host + 1).is_some_and(|byte| is_alnum(*byte) || *byte == b'[');
    (!is_variable && names_a_host).then_some(Found { range: colon + 1..host, kind: "url_password" })
}

/// Where the run of such bytes that begins at `from` ends.
fn run(bytes: &[u8], from: usize, fits: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|byte| !fits(*byte)).map_or(bytes.len(), |length| from + length)
}

/// The same for at most so many bytes; `None` if there are more.
fn skip(bytes: &[u8], from: usize, fits: impl Fn(u8) -> bool, most: usize) -> Option<usize> {
    let end = run(bytes, from, fits);
    (end - from <= most).then_some(end)
}

/// The place behind a word that begins here, in whatever case.
fn word(bytes: &[u8], at: usize, word: &str) -> Option<usize> {
    let end = at + word.len();
    bytes.get(at..end)?.eq_ignore_ascii_case(word.as_bytes()).then_some(end)
}

/// Whether something new begins here. An escape in JSON within JSON, or in a URL, ends in a letter or digit too.
fn starts_word(bytes: &[u8], at: usize) -> bool {
    match &bytes[..at] {
        [.., b'\\', b'n' | b'r' | b't'] => true,
        [.., b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => true,
        [.., before] => !is_word(*before),
        [] => true,
    }
}

fn is_alnum(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn is_url_safe(byte: u8) -> bool {
    is_word(byte) || byte == b'-'
}

fn is_dotted(byte: u8) -> bool {
    is_url_safe(byte) || byte == b'.'
}

fn is_path(byte: u8) -> bool {
    is_word(byte) || byte == b'/'
}

fn is_base32(byte: u8) -> bool {
    byte.is_ascii_uppercase() || (b'2'..=b'7').contains(&byte)
}

/// What stands in the armour of a key, its line breaks escaped or not.
fn is_key_text(byte: u8) -> bool {
    is_alnum(byte) || byte.is_ascii_whitespace() || matches!(byte, b'+' | b'/' | b'=' | b'\\' | b':' | b',' | b'-')
}

//! What a name says of its value.

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Meaning {
    /// Somebody made it up.
    Password,
    /// A machine made it.
    Token,
    /// Some key: a secret if it looks like one and is in an environment.
    Key,
    /// base64 of `name:password`.
    Basic,
    /// A secret where it is a parameter of a URL.
    Parameter,
    Authorization,
    Cookies,
    SetCookie,
}

/// No name is longer.
const NAME: usize = 64;

/// What a name may say after what it names.
const AFTER: &[&str] =
    &["data", "value", "base", "prod", "production", "dev", "staging", "live", "test", "base64", "b64", "old", "new"];
/// Tokens that open nothing.
const NO_TOKENS: &[&str] = &[
    "next",
    "page",
    "continuation",
    "cursor",
    "sync",
    "resume",
    "start",
    "stop",
    "eos",
    "bos",
    "pad",
    "mask",
    "unk",
    "prev",
    "first",
    "last",
    "current",
    "cancel",
    "cancellation",
    "per",
    "end",
];
/// Whose key is a secret.
const KEYS: &[&str] = &[
    "api",
    "secret",
    "access",
    "private",
    "account",
    "auth",
    "shared",
    "master",
    "encryption",
    "encrypt",
    "signing",
    "app",
    "application",
    "license",
    "licence",
    "storage",
    "subscription",
    "service",
    "client",
    "admin",
    "webhook",
    "deploy",
    "ssh",
    "integration",
    "ingest",
    "ingestion",
    "write",
    "session",
    "hmac",
    "jwt",
    "cookie",
    "rapidapi",
    "aes",
    "security",
    "bot",
    "consumer",
    "instrumentation",
    "sharedaccess",
];
/// Keys that are no secrets, whatever they look like.
const NO_KEYS: &[&str] = &[
    "public",
    "pub",
    "publishable",
    "primary",
    "foreign",
    "cache",
    "sort",
    "partition",
    "hash",
    "row",
    "object",
    "s3",
    "index",
    "group",
    "map",
    "sequence",
    "idempotency",
    "dedup",
    "dedupe",
    "routing",
    "host",
    "known",
    "record",
    "build",
];

/// What the name says, if it speaks of a secret.
pub(super) fn meaning(name: &[u8]) -> Option<Meaning> {
    let mut buffer = [0; NAME];
    let mut length = 0;
    for byte in name.iter().filter(|byte| byte.is_ascii_alphanumeric()).take(NAME) {
        buffer[length] = byte.to_ascii_lowercase();
        length += 1;
    }
    let mut plain = std::str::from_utf8(&buffer[..length]).ok()?;
    if let Some(meaning) = ending(plain, name) {
        return Some(meaning);
    }
    plain = plain.trim_end_matches(|letter: char| letter.is_ascii_digit());
    for _ in 0..2 {
        plain = AFTER.iter().find_map(|after| plain.strip_suffix(after)).unwrap_or(plain);
    }
    (plain.len() < length).then(|| ending(plain, plain.as_bytes())).flatten()
}

/// Whether a name with a meaning may end in these three bytes: most do not, and this is all that is read of them.
pub(super) fn may_end(three: &[u8]) -> bool {
    let small = [0, 1, 2].map(|at| three.get(at).map_or(0, u8::to_ascii_lowercase));
    small[2].is_ascii_digit()
        || [b"_pw", b"-pw", b"ata", b"lue", b"old", b"new"].contains(&&small)
        || matches!(
            &small,
            b"ord"
                | b"swd"
                | b"pwd"
                | b"sid"
                | b"nid"
                | b"ase"
                | b"ode"
                | b"kie"
                | b"ure"
                | b"sig"
                | b"uth"
                | b"ial"
                | b"als"
                | b"ion"
                | b"ken"
                | b"rer"
                | b"ass"
                | b"ret"
                | b"jwt"
                | b"pat"
                | b"key"
                | b"rod"
                | b"dev"
                | b"ing"
                | b"ive"
                | b"est"
        )
}

/// `plain`: small letters and digits only; `name` as it is written.
fn ending(plain: &str, name: &[u8]) -> Option<Meaning> {
    let ends = |endings: &[&str]| endings.iter().any(|ending| plain.ends_with(ending));
    let is = |names: &[&str]| names.contains(&plain);
    let meaning = match plain.as_bytes().last()? {
        b'd' if is(&["pwd", "oldpwd"]) && name.iter().all(u8::is_ascii_uppercase) => return None, // a directory
        b'd' if ends(&["password", "passwd", "pwd"]) => Meaning::Password,
        b'd' if ends(&["sessid", "jsessionid", "connectsid"]) => Meaning::Token,
        b'e' if ends(&["passphrase", "passcode"]) => Meaning::Password,
        b'e' if is(&["setcookie"]) => Meaning::SetCookie,
        b'e' if is(&["cookie"]) => Meaning::Cookies,
        b'e' if ends(&["sessioncookie", "authcookie"]) => Meaning::Token,
        b'e' if ends(&["signature"]) => Meaning::Parameter,
        b'e' if is(&["code"]) => Meaning::Parameter,
        b'g' if is(&["sig"]) => Meaning::Parameter,
        b'h' if is(&["auth", "registryauth", "xregistryauth"]) => Meaning::Basic,
        b'l' if ends(&["credential"]) => Meaning::Token,
        b'n' if ends(&["authorization"]) => Meaning::Authorization,
        b'n' if is_token(plain) || is(&["gitlabsession", "laravelsession"]) => Meaning::Token,
        b'r' if is(&["bearer"]) => Meaning::Token,
        b's' if is(&["pass", "sshpass", "dbpass", "userpass", "mailpass", "smtppass"]) => Meaning::Password,
        b's' if [b"_PASS", b"_pass", b"-pass", b".pass"].iter().any(|end| name.ends_with(*end)) => Meaning::Password,
        b's' if ends(&["credentials"]) => Meaning::Token,
        b't' if ends(&["secret", "jwt"]) || name.ends_with(b"_PAT") => Meaning::Token,
        b'w' if [b"_PW", b"_pw", b"-pw"].iter().any(|end| name.ends_with(*end)) => Meaning::Password,
        b'y' => return key(plain, name),
        _ => return None,
    };
    Some(meaning)
}

fn is_token(plain: &str) -> bool {
    plain.strip_suffix("token").is_some_and(|of| !NO_TOKENS.iter().any(|none| of.ends_with(none)))
}

fn key(plain: &str, name: &[u8]) -> Option<Meaning> {
    let of = plain.strip_suffix("key")?;
    if KEYS.iter().any(|known| of.ends_with(known)) {
        return Some(Meaning::Token);
    }
    let is_some_key = name.ends_with(b"_KEY") && !NO_KEYS.iter().any(|none| of.ends_with(none));
    match of {
        "" => Some(Meaning::Parameter),
        _ => is_some_key.then_some(Meaning::Key),
    }
}

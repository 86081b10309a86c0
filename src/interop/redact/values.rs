//! Whether a value whose name speaks of a secret is one, or a type, a variable, a word, or a place where one should be put.

use super::bytes::{contains, is_alnum, is_base64, is_word};
use base64::Engine;
use memchr::memmem;

/// How a value is written: the more can only be data there, the less a value must show by itself.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Written {
    /// `NAME=value` in an environment.
    Literal,
    /// A string of JSON, the text of an XML element.
    Data,
    /// A string in code.
    Code,
    /// After a name, without quotes: YAML, properties, a flag; or code that speaks of variables and types.
    Bare,
    /// A parameter in a URL.
    Url,
}

/// Words that take the place of a value.
const WORDS: &[&str] = &[
    "any",
    "array",
    "basic",
    "bearer",
    "bool",
    "boolean",
    "buffer",
    "bytes",
    "changed",
    "confirm",
    "credential",
    "credentials",
    "current",
    "default",
    "disabled",
    "email",
    "empty",
    "enabled",
    "encrypted",
    "error",
    "expired",
    "false",
    "forgot",
    "hashed",
    "header",
    "hidden",
    "input",
    "integer",
    "invalid",
    "keyword",
    "length",
    "login",
    "masked",
    "missing",
    "mismatch",
    "needed",
    "never",
    "none",
    "null",
    "number",
    "object",
    "optional",
    "passkey",
    "passphrase",
    "passwd",
    "password",
    "plain",
    "plaintext",
    "private",
    "production",
    "prompt",
    "public",
    "random",
    "redacted",
    "removed",
    "required",
    "reset",
    "secret",
    "secrets",
    "string",
    "strong",
    "symbol",
    "token",
    "true",
    "undefined",
    "unknown",
    "unset",
    "username",
    "value",
    "varchar",
    "weak",
    "wrong",
];
/// What begins the name of a type, an encoding or an algorithm that ends in digits.
const STEMS: &[&str] = &[
    "aes", "argon", "ascii", "base", "byte", "bytes", "char", "des", "ed", "float", "hex", "hmac", "hs", "int", "iso",
    "latin", "md", "oauth", "pbkdf", "pkcs", "rs", "rsa", "sha", "str", "string", "uint", "utf", "varchar", "x",
];

/// What the names of variables and texts about secrets hold.
const SPEAKS: &[&str] = &["passw", "passphrase", "pwd", "secret", "token", "user", "hash", "field", "test"];

/// A value that somebody made up.
pub(super) fn is_password(value: &[u8], written: Written) -> bool {
    if is_placeholder(value) {
        return false;
    }
    if value.iter().all(u8::is_ascii_digit) {
        return value.len() >= number_length(written);
    }
    match written {
        Written::Literal => value.len() >= 4 && !is_place(value) && !is_stop_word(value),
        Written::Data if value.contains(&b' ') => is_words(value),
        Written::Data if value.iter().all(u8::is_ascii_lowercase) => value.len() >= 6 && !is_stop_word(value),
        Written::Data | Written::Code | Written::Bare if is_phrase(value) || is_encoded(value) => true,
        Written::Data if is_jumble(value) => true,
        Written::Data | Written::Url => value.len() >= 5 && is_mixed(value) && !is_of_code(value),
        Written::Code | Written::Bare => value.len() >= 6 && is_mixed(value) && !is_of_code(value),
    }
}

/// How many digits make a number a password: in a list of settings there are other numbers.
fn number_length(written: Written) -> usize {
    match written {
        Written::Literal => 4,
        Written::Data => 5,
        Written::Bare => 6,
        Written::Code | Written::Url => usize::MAX,
    }
}

/// A value that a machine made.
pub(super) fn is_token(value: &[u8], written: Written) -> bool {
    if is_placeholder(value) {
        return false;
    }
    match written {
        Written::Literal => {
            let is_number = value.iter().all(|byte| !byte.is_ascii_alphabetic());
            value.len() >= 8 && !is_number && !is_place(value) && !is_stop_word(value)
        }
        _ => value.len() >= 12 && (is_random(value) || is_encoded(value)) && !value.ends_with(b"..."),
    }
}

/// Whether letters and digits change as often as chance has it and as no word does, or are mixed half and half.
pub(super) fn is_random(value: &[u8]) -> bool {
    let class = |byte: u8| match byte {
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        b'0'..=b'9' => 3,
        _ => 0,
    };
    let fits = |byte: &u8| class(*byte) > 0 || b"_-+/=.~%:$!@".contains(byte);
    let changes = value.windows(2).filter(|pair| match (class(pair[0]), class(pair[1])) {
        (0, _) | (_, 0) | (2, 1) => false, // a capital letter begins a word
        (a, b) => a != b,
    });
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let is_mixture = digits * 4 >= value.len() && letters * 4 >= value.len() && digits + letters == value.len();
    value.iter().all(fits) && digits > 0 && letters > 0 && (is_mixture || changes.count() * 5 > value.len())
}

/// base64 of `name:password`.
pub(super) fn is_basic(value: &[u8]) -> bool {
    let plausible = value.len() >= 8 && value.len() <= 1 << 12 && value.iter().all(|byte| is_base64(*byte));
    let decoded = plausible.then(|| base64::engine::general_purpose::STANDARD.decode(value).ok()).flatten();
    decoded.is_some_and(|text| text.contains(&b':') && text.iter().all(|byte| (b' '..0x7f).contains(byte)))
}

/// Text in base64, as Kubernetes keeps the values of a Secret: random letters decode to text hardly ever.
fn is_encoded(value: &[u8]) -> bool {
    let plausible = (8..=1 << 10).contains(&value.len()) && value.iter().any(u8::is_ascii_uppercase);
    let decoded = plausible.then(|| base64::engine::general_purpose::STANDARD.decode(value).ok()).flatten();
    decoded.is_some_and(|text| text.iter().all(|byte| (b' '..0x7f).contains(byte)))
}

/// A variable, a template, a mask: the place of a secret, or a secret that is gone already.
pub(super) fn is_placeholder(value: &[u8]) -> bool {
    let Some(first) = value.first() else { return true };
    let escape = |text: &[u8]| text.get(1..3).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    let is_variable = match first {
        b'$' => {
            value.get(1).is_none_or(|next| is_word(*next) || matches!(next, b'{' | b'(' | b'$'))
                && !has_symbols(&value[1..])
                && !is_jumble(value)
        }
        b'{' => !is_jumble(value),
        b'%' => !escape(value) || value.ends_with(b"%"),
        b'*' => value.get(1) == Some(&b'*'),
        b'<' | b'[' | b'(' | b'&' => true,
        _ => false,
    };
    let all_same = value.iter().all(|byte| byte.eq_ignore_ascii_case(first));
    let template = [("${", "}"), ("$(", ")"), ("{{", "}}"), ("<%", "%>"), ("#{", "}"), ("%(", ")")];
    let template = template.iter().any(|(open, close)| {
        memmem::find(value, open.as_bytes()).is_some_and(|at| memmem::find(&value[at..], close.as_bytes()).is_some())
    });
    let word = [
        "your",
        "redacted",
        "placeholder",
        "xxxx",
        "****",
        "....",
        "_here",
        "-here",
        "changeme",
        "change-me",
        "change_me",
    ];
    is_variable || all_same || template || value.starts_with(b"-----") || word.iter().any(|part| contains(value, part))
}

/// A dollar sign begins a password as well as a variable: further signs tell them apart.
fn has_symbols(value: &[u8]) -> bool {
    value.iter().any(|byte| matches!(byte, b'!' | b'@' | b'#' | b'^' | b'&' | b'*' | b'?' | b'~' | b'+' | b'='))
}

/// After a `$` or in braces: what people make up so that no name of a variable looks like it. Names are written in one
/// case, or with a digit at their end or between two words.
fn is_jumble(value: &[u8]) -> bool {
    let (inner, is_marked) = match value {
        [b'$', inner @ ..] => (inner, true),
        [b'{', inner @ .., b'}'] | [b'{', inner @ ..] => (inner, true),
        _ => (value, false),
    };
    let count = |fits: fn(&u8) -> bool| inner.iter().filter(|byte| fits(byte)).count();
    let is_mixed =
        count(u8::is_ascii_digit) >= 2 && count(u8::is_ascii_lowercase) >= 2 && count(u8::is_ascii_uppercase) >= 2;
    is_marked && is_mixed && is_random(inner)
}

/// Words that only a sentence about passwords has.
const SENTENCE: &[&str] = &[
    "a",
    "an",
    "and",
    "are",
    "at",
    "be",
    "by",
    "can",
    "cannot",
    "characters",
    "enter",
    "for",
    "from",
    "if",
    "in",
    "incorrect",
    "invalid",
    "is",
    "it",
    "least",
    "length",
    "long",
    "maximum",
    "minimum",
    "must",
    "new",
    "no",
    "not",
    "of",
    "on",
    "or",
    "please",
    "required",
    "should",
    "than",
    "that",
    "the",
    "this",
    "to",
    "too",
    "use",
    "will",
    "with",
    "wrong",
    "you",
    "your",
];

/// Words with blanks between them that are no sentence: with a digit or sign among them, or four small ones.
fn is_words(value: &[u8]) -> bool {
    let words = || value.split(|byte| *byte == b' ');
    let is_fit = value.len() <= 128 && value.iter().all(|byte| (b' '..0x7f).contains(byte));
    let is_sentence = matches!(value.last(), Some(b'.' | b':' | b',' | b';' | b'?'))
        || SPEAKS.iter().any(|part| contains(value, part))
        || words().any(|word| SENTENCE.iter().any(|known| word.eq_ignore_ascii_case(known.as_bytes())));
    let is_small = |word: &[u8]| word.len() >= 3 && word.iter().all(u8::is_ascii_lowercase);
    let is_one =
        value.len() >= 8 && value.iter().any(u8::is_ascii_digit) || words().count() >= 4 && words().all(is_small);
    is_fit && is_one && !is_sentence && !is_code(value)
}

/// Four words or more with dashes between them.
fn is_phrase(value: &[u8]) -> bool {
    let words = || value.split(|byte| *byte == b'-');
    let speaks = SPEAKS.iter().any(|part| contains(value, part));
    words().count() >= 4 && words().all(|word| word.len() >= 3 && word.iter().all(u8::is_ascii_lowercase)) && !speaks
}

fn is_mixed(value: &[u8]) -> bool {
    let has_letter = value.iter().any(u8::is_ascii_alphabetic);
    let has_other = value.iter().any(u8::is_ascii_digit) || has_symbols(value) || value.contains(&b'$');
    has_letter && has_other && value.iter().all(|byte| (b'!'..0x7f).contains(byte))
}

/// A path or an address.
fn is_place(value: &[u8]) -> bool {
    let begins = ["/", "./", "../", "~/", "http:", "https:", "file:"];
    begins.iter().any(|begin| value.starts_with(begin.as_bytes())) || value.windows(3).any(|three| three == b"://")
}

/// The example of every manual: `user:pass@host`.
pub(super) fn says_password(value: &[u8]) -> bool {
    ["pass", "passwd", "password", "pwd"].iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
}

pub(super) fn is_stop_word(value: &[u8]) -> bool {
    WORDS.iter().any(|word| value.eq_ignore_ascii_case(word.as_bytes()))
}

fn is_code(value: &[u8]) -> bool {
    value.iter().any(|byte| matches!(byte, b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'<' | b'>' | b'|' | b'\\'))
}

/// A name, a type, a path or an expression.
fn is_of_code(value: &[u8]) -> bool {
    if is_place(value) || is_code(value) {
        return true;
    }
    let stem = value.trim_ascii_end();
    let digits = stem.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let stem = &stem[..stem.len() - digits];
    let is_name = stem.iter().all(|byte| is_alnum(*byte) || matches!(byte, b'_' | b'-' | b'.' | b':' | b'/'));
    let is_type = STEMS.iter().any(|known| {
        stem.trim_ascii_start().eq_ignore_ascii_case(known.as_bytes())
            || stem.strip_suffix(b"-").is_some_and(|stem| stem.eq_ignore_ascii_case(known.as_bytes()))
    });
    let is_word =
        digits < 3 && stem.iter().all(|byte| !byte.is_ascii_digit()) && SPEAKS.iter().any(|part| contains(stem, part));
    let is_path = is_name && value.iter().any(|byte| matches!(byte, b'.' | b'/' | b':')) && !is_random(value);
    is_type || is_name && is_word || is_path
}

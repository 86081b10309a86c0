//! Characters that a terminal obeys, that turn text around, or that nobody sees, shown instead. One rule for all that is
//! printed for people: the command line and the pages of `export`.

use std::borrow::Cow;

/// How many joiners and selectors may follow one character: an emoji has a selector and a joiner.
const MOST_JOINERS: usize = 2;

/// The text with every hidden character replaced by what `show` writes for it. Line feeds and tabs stay.
///
/// Use it before you print recorded text: an agent's output can hold escape sequences, and text that a person does not see
/// and a model reads. Hidden are:
///
/// - control characters, C1 and DEL among them, except line feed and tab;
/// - characters that set the direction of text, and U+2028 and U+2029;
/// - tag characters and everything else from U+E0000 to U+E0FFF, the selectors from U+E0100 among them;
/// - spaces, joiners, fillers and marks without width: U+00AD, U+034F, U+115F, U+1160, U+17B4, U+17B5, U+180B to U+180F,
///   U+200B, U+2060 to U+206F, U+3164, U+FEFF, U+FFA0, U+FFF0 to U+FFFB, U+1BCA0 to U+1BCA3, U+1D173 to U+1D17A;
/// - U+200C, U+200D and U+FE00 to U+FE0F where no script and no emoji has a use for them: after ASCII (but U+FE0F after a
///   digit, `#` or `*`), and from the third in a row.
///
/// ```
/// let shown = foldlog::reveal("ok\u{e0041}", |c, out| out.extend(c.escape_unicode()));
/// assert_eq!(shown, "ok\\u{e0041}");
/// ```
pub fn reveal(text: &str, mut show: impl FnMut(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(|c| is_hidden(c) || is_joiner(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    let (mut base, mut joiners) = ('\0', 0);
    for c in text.chars() {
        if is_joiner(c) && joiners < MOST_JOINERS && may_join(base, c) {
            joiners += 1;
            out.push(c);
        } else if is_joiner(c) || is_hidden(c) {
            show(c, &mut out);
        } else {
            (base, joiners) = (c, 0);
            out.push(c);
        }
    }
    Cow::Owned(out)
}

fn is_hidden(c: char) -> bool {
    match c {
        '\n' | '\t' | ' '..='~' => false,
        c if c.is_control() => true,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' => true,
        '\u{180B}'..='\u{180F}' | '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' => true,
        '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}' => true,
        '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}' => true,
        _ => false,
    }
}

/// What joins letters of some scripts and parts of emoji, or selects their look.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}')
}

fn may_join(base: char, joiner: char) -> bool {
    !base.is_ascii() || joiner == '\u{FE0F}' && matches!(base, '0'..='9' | '#' | '*')
}

#[cfg(test)]
mod tests {
    use super::reveal;

    fn shown(text: &str) -> String {
        reveal(text, |c, out| out.extend(c.escape_unicode())).into_owned()
    }

    #[test]
    fn what_nobody_sees_is_shown() {
        assert_eq!(shown("do\u{e0044}\u{e007f}\u{e0001}"), "do\\u{e0044}\\u{e007f}\\u{e0001}");
        assert_eq!(shown("a\u{200b}b\u{2060}\u{feff}\u{ad}\u{3164}"), "a\\u{200b}b\\u{2060}\\u{feff}\\u{ad}\\u{3164}");
        assert_eq!(
            shown("x\u{e0100}\u{e01ef}\u{206a}\u{202e}\u{1b}\r"),
            "x\\u{e0100}\\u{e01ef}\\u{206a}\\u{202e}\\u{1b}\\u{d}"
        );
    }

    #[test]
    fn joiners_and_selectors_stay_where_text_needs_them() {
        let family = "👩\u{200d}❤\u{fe0f}\u{200d}👩 1\u{fe0f}\u{20e3} می\u{200c}خواهم क्\u{200d}ष";
        assert_eq!(shown(family), family);
        assert_eq!(shown("a\u{200d}b\u{200c}c\u{fe01}"), "a\\u{200d}b\\u{200c}c\\u{fe01}");
        assert_eq!(shown("😀\u{fe00}\u{fe01}\u{fe02}\u{fe0f}"), "😀\u{fe00}\u{fe01}\\u{fe02}\\u{fe0f}");
        assert_eq!(shown("line\n\ttab, naïve, 日本"), "line\n\ttab, naïve, 日本");
    }
}

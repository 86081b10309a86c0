//! How times, durations, sizes and long texts are written for people. Texts given here are harmless already.

use super::sanitize;
use foldlog::Timestamp;
use std::time::Duration;

/// A point in time in UTC, as all outputs have it: `2026-11-22 18:45:00Z`.
pub(crate) fn time(time: Timestamp) -> String {
    in_utc(time, "2026-11-22T18:45:00".len())
}

/// The same with milliseconds: `2026-11-22 18:45:00.123Z`.
pub(crate) fn time_ms(time: Timestamp) -> String {
    in_utc(time, "2026-11-22T18:45:00.123".len())
}

/// The first bytes of the log's own form of a time, the date and the time of day apart.
fn in_utc(time: Timestamp, length: usize) -> String {
    let mut text = time.to_string().replace('T', " ");
    text.truncate(length);
    text.push('Z');
    text
}

/// How long something took: `312ms`, `4.2s`, `3m 12s`, `2h 5m`, `4d 3h`.
pub(crate) fn duration(duration: Duration) -> String {
    let (ms, seconds) = (duration.as_millis(), duration.as_secs());
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{}.{}s", seconds, duration.subsec_millis() / 100),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// The same from milliseconds as records have them; nothing if they are no duration.
pub(crate) fn millis(ms: f64) -> Option<String> {
    Duration::try_from_secs_f64(ms / 1000.0).ok().map(duration)
}

/// How many bytes: `812 B`, `4.2 KiB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64 / 1024.0;
    let mut unit = 0;
    while size >= 1023.95 && unit + 1 < UNITS.len() {
        size /= 1024.0;
        unit += 1;
    }
    format!("{size:.1} {}", UNITS[unit])
}

/// A number of things: `1 turn`, `2 turns`.
pub(crate) fn count(number: u64, thing: &str) -> String {
    format!("{number} {}", plural(number, thing))
}

/// The word for so many things: `turn`, `turns`; `entry`, `entries`.
pub(crate) fn plural(number: u64, thing: &str) -> String {
    match (number, thing.strip_suffix('y')) {
        (1, _) => thing.to_owned(),
        (_, Some(stem)) => format!("{stem}ies"),
        (_, None) => format!("{thing}s"),
    }
}

/// How many columns a terminal gives to a text, near enough: wide East Asian characters and emoji have two.
pub(crate) fn columns(text: &str) -> usize {
    text.chars().map(char_columns).sum()
}

fn char_columns(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036F | 0x200B..=0x200D | 0xFE00..=0xFE0F => 0,
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F => 2,
        0xFF00..=0xFF60 | 0x1F300..=0x1F64F | 0x1F900..=0x1FAFF | 0x20000..=0x3FFFD => 2,
        _ => 1,
    }
}

/// Recorded text as a summary of at most `width` columns, with an ellipsis where it was cut.
pub(crate) fn summary(text: &str, width: usize) -> String {
    // What cannot be shown need not be cleaned: a result may have megabytes.
    let head = text.char_indices().nth(width.saturating_mul(4)).map_or(text, |(at, _)| &text[..at]);
    let line = sanitize::one_line(head);
    if columns(&line) <= width && head.len() == text.len() {
        return line;
    }
    cut(&line, width)
}

/// An id in at most `width` columns, so that two ids look different: one that would not be seen as it is stands in quotes,
/// with escapes.
pub(crate) fn id(id: &str, width: usize) -> String {
    let is_plain = sanitize::visible(id) == id && id.trim() == id && !id.starts_with('"');
    let shown = if is_plain { id.to_owned() } else { sanitize::visible(&format!("{id:?}")).into_owned() };
    match columns(&shown) <= width {
        true => shown,
        false => cut(&shown, width),
    }
}

/// The first columns of a line, with an ellipsis.
fn cut(line: &str, width: usize) -> String {
    let mut cut = String::new();
    let mut left = width.saturating_sub(1);
    for c in line.chars() {
        let needed = char_columns(c);
        if needed > left {
            break;
        }
        left -= needed;
        cut.push(c);
    }
    cut.push('…');
    cut
}

/// The last line of a text that is not blank: of a trace, what went wrong.
pub(crate) fn last_line(text: &str) -> &str {
    text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or(text)
}

/// Fills up a cell of a table.
pub(crate) fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(columns(text));
    format!("{text}{}", " ".repeat(missing))
}

/// Recorded text in full: its own line breaks, each line wrapped to `width` columns behind `indent`.
pub(crate) fn wrap(text: &str, indent: &str, width: usize) -> Vec<String> {
    let room = width.saturating_sub(columns(indent)).max(16);
    let mut out = Vec::new();
    for line in sanitize::lines(text) {
        let mut rest = line.as_str();
        loop {
            let cut = break_at(rest, room);
            let (now, later) = rest.split_at(cut);
            out.push(format!("{indent}{}", now.trim_end()).trim_end().to_owned());
            rest = later.trim_start_matches(' ');
            if rest.is_empty() {
                break;
            }
        }
    }
    out
}

/// Where a line is broken so that what stands before fits: behind a blank if there is one, else anywhere.
fn break_at(line: &str, room: usize) -> usize {
    let (mut used, mut blank) = (0, None);
    for (at, c) in line.char_indices() {
        used += char_columns(c);
        if used > room {
            return blank.filter(|at| *at > 0).unwrap_or(at.max(1));
        }
        if c == ' ' && !line[..at].trim_start().is_empty() {
            blank = Some(at + 1);
        }
    }
    line.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_read_well() {
        let seconds = |s: f64| duration(Duration::from_secs_f64(s));
        assert_eq!(
            ["0ms", "1.2s", "3m 12s", "2h 5m", "1d 1h"],
            [&*seconds(0.0), &*seconds(1.25), &*seconds(192.0), &*seconds(7500.0), &*seconds(90_000.0)]
        );
        assert_eq!([&*size(812), &*size(4300), &*size(1 << 20)], ["812 B", "4.2 KiB", "1.0 MiB"]);
        assert_eq!(millis(f64::NAN), None);
    }

    #[test]
    fn times_name_their_zone() {
        let at = Timestamp::parse_rfc3339("2026-11-22T19:45:07.123456+01:00").expect("a time");
        assert_eq!([time(at), time_ms(at)], ["2026-11-22 18:45:07Z", "2026-11-22 18:45:07.123Z"]);
        // As it is printed it can be given back, as to `--since`.
        assert_eq!(Timestamp::parse_rfc3339(&time_ms(at)).map(time_ms), Some(time_ms(at)));
    }

    #[test]
    fn one_thing_and_several() {
        let of = |number| [count(number, "turn"), count(number, "entry")];
        assert_eq!(
            [of(0), of(1), of(2)].concat().join(", "),
            "0 turns, 0 entries, 1 turn, 1 entry, 2 turns, 2 entries"
        );
    }

    #[test]
    fn a_summary_is_cut_to_its_width() {
        assert_eq!(summary("one two\nthree", 20), "one two three");
        assert_eq!(summary("one two three", 8), "one two…");
        assert_eq!(columns(&summary("日本語日本語", 6)), 5);
    }

    #[test]
    fn the_last_line_of_a_trace_is_what_went_wrong() {
        assert_eq!(last_line("Traceback:\n  in x\nValueError: no\r\n\n "), "ValueError: no");
        assert_eq!([last_line("one"), last_line("\n"), last_line("")], ["one", "\n", ""]);
    }

    #[test]
    fn text_is_wrapped_behind_its_indent() {
        assert_eq!(wrap("aaa bbb ccc ddd eee fff\n\n  x", "  ", 20), ["  aaa bbb ccc ddd", "  eee fff", "", "    x"]);
        assert_eq!(wrap(&"a".repeat(20), "", 16), ["a".repeat(16), "a".repeat(4)]);
    }
}

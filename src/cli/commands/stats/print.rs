//! Totals for people: what happened in a few lines, then tables.

use crate::cli::exit::Failure;
use crate::cli::select::state_word;
use crate::cli::term::out::{Look, Out};
use crate::cli::term::table::{Column, Table};
use crate::cli::term::{human, sanitize};
use foldlog::{AnomalyKind, Durations, SessionSummary, Spent, Totals};
use std::time::Duration;

/// The longest name that a table shows whole.
const NAME_COLUMNS: usize = 40;

/// One session.
pub(crate) fn session(summary: &SessionSummary, live: bool, out: &mut Out) -> Result<(), Failure> {
    let id = sanitize::visible(summary.session_id.as_str()).into_owned();
    let place = summary.workspace_id.as_ref().map_or(String::new(), |id| format!(", workspace {id}"));
    let place = sanitize::visible(&place).into_owned();
    out.line(&format!("{}  {}{place}", out.paint(Look::Bold, &id), state_word(summary.state(live))))?;
    totals(&summary.totals, out)
}

/// Several sessions together.
pub(crate) fn several(all: &Totals, out: &mut Out) -> Result<(), Failure> {
    let sessions = human::count(all.sessions, "session");
    out.line(&out.paint(Look::Bold, &sessions))?;
    totals(all, out)
}

fn totals(all: &Totals, out: &mut Out) -> Result<(), Failure> {
    if let (Some(first), Some(last)) = (all.first_activity, all.last_activity) {
        let active = human::duration(Duration::from_micros(all.active_micros));
        out.line(&format!("{} to {}, active {active}", human::time(first), human::time(last)))?;
    }
    let bytes = all.types.values().map(|stats| stats.bytes).sum();
    let mut line = format!("{} {}, {}", number(all.entries), human::plural(all.entries, "entry"), human::size(bytes));
    if all.recoveries > 0 {
        line.push_str(&format!(", {} after an unclean end", human::count(all.recoveries, "opening")));
    }
    out.line(&line)?;
    out.line(&turns(all))?;
    odd(all, out)?;
    tools(all, out)?;
    models(all, out)?;
    days(all, out)?;
    types(all, out)
}

fn turns(all: &Totals) -> String {
    let turns = &all.turns;
    let parts = [
        (turns.succeeded, "ended well"),
        (turns.failed, "failed"),
        (turns.cancelled, "cancelled"),
        (turns.unknown_status, "with an unknown status"),
        (turns.interrupted, "interrupted"),
        (turns.running, "running"),
        (turns.rewound, "rewound"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", number(*count)))
        .collect();
    let all = human::count(turns.started, "turn");
    if parts.is_empty() { all } else { format!("{all}: {}", parts.join(", ")) }
}

/// What should not be there.
fn odd(all: &Totals, out: &mut Out) -> Result<(), Failure> {
    if all.gaps.damaged > 0 {
        let damage =
            format!("damage: {}, {}", human::count(all.gaps.damaged, "gap"), human::size(all.gaps.damaged_bytes));
        out.line(&out.paint(Look::Bad, &damage))?;
    }
    if all.gaps.explained > 0 {
        let gaps = human::count(all.gaps.explained, "gap");
        out.line(&out.paint(Look::Dim, &format!("{gaps} that the log itself explains")))?;
    }
    if all.unparsed > 0 {
        let what = if all.unparsed == 1 { "that was not an event" } else { "that were not events" };
        let lines = human::count(all.unparsed, "line");
        out.line(&out.paint(Look::Warn, &format!("{lines} of input {what}")))?;
    }
    let tools: u64 = all.tool_calls.values().map(|calls| calls.unknown_status).sum();
    let models: u64 = all.model_calls.values().map(|calls| calls.unknown_status).sum();
    let unknown = [(all.turns.unknown_status, "turn"), (tools, "tool call"), (models, "model call")];
    let unknown: Vec<String> = unknown.iter().filter(|(n, _)| *n > 0).map(|(n, what)| human::count(*n, what)).collect();
    if !unknown.is_empty() {
        out.line(&out.paint(Look::Warn, &format!("unknown status: {}", unknown.join(", "))))?;
    }
    if !all.anomalies.is_empty() {
        let kinds = all.anomalies.iter().map(|(kind, count)| format!("{} {}", number(*count), kind_words(*kind)));
        let kinds: Vec<String> = kinds.collect();
        out.line(&out.paint(Look::Warn, &format!("anomalies: {}", kinds.join(", "))))?;
    }
    Ok(())
}

/// The kind's name in `--json`, as words.
fn kind_words(kind: AnomalyKind) -> String {
    let name = serde_json::to_string(&kind).unwrap_or_default();
    name.trim_matches('"').replace('_', " ")
}

fn tools(all: &Totals, out: &mut Out) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Left("TOOL"),
        Column::Right("CALLS"),
        Column::Right("ERRORS"),
        Column::Right("TIMEOUTS"),
        Column::Right("INTERRUPTED"),
        Column::Right("P50"),
        Column::Right("P95"),
        Column::Right("MAX"),
        Column::Right("TOGETHER"),
    ]);
    let mut calls: Vec<_> = all.tool_calls.iter().collect();
    calls.sort_by(|(a, x), (b, y)| y.count.cmp(&x.count).then(a.cmp(b)));
    for (name, stats) in calls {
        let [p50, p95, max, together] = times(&stats.durations);
        let counts = [stats.count, stats.errors, stats.timeouts, stats.interrupted].map(some);
        let [count, errors, timeouts, interrupted] = counts;
        let look = if stats.errors > 0 { Look::Warn } else { Look::Plain };
        table.row([title(name), count, errors, timeouts, interrupted, p50, p95, max, together], look);
    }
    section(&table, out)
}

fn models(all: &Totals, out: &mut Out) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Left("MODEL"),
        Column::Right("CALLS"),
        Column::Right("ERRORS"),
        Column::Right("INPUT"),
        Column::Right("OUTPUT"),
        Column::Right("CACHE READ"),
        Column::Right("CACHE WRITE"),
        Column::Right("REASONING"),
        Column::Right("COST"),
        Column::Right("P50"),
        Column::Right("P95"),
        Column::Right("MAX"),
    ]);
    for (name, stats) in &all.model_calls {
        let [p50, p95, max, _] = times(&stats.durations);
        let [input, output, read, write, reasoning, cost] = spent(&stats.spent);
        let counts = [stats.count, stats.errors].map(some);
        let [count, errors] = counts;
        let look = if stats.errors > 0 { Look::Warn } else { Look::Plain };
        table.row([title(name), count, errors, input, output, read, write, reasoning, cost, p50, p95, max], look);
    }
    section(&table, out)
}

fn days(all: &Totals, out: &mut Out) -> Result<(), Failure> {
    let mut table = Table::new([
        Column::Left("DAY (UTC)"),
        Column::Right("EVENTS"),
        Column::Right("TURNS"),
        Column::Right("TOOL CALLS"),
        Column::Right("MODEL CALLS"),
        Column::Right("INPUT"),
        Column::Right("OUTPUT"),
        Column::Right("COST"),
    ]);
    for (day, stats) in &all.days {
        let [input, output, _, _, _, cost] = spent(&stats.spent);
        let [events, turns, tools, models] = [stats.events, stats.turns, stats.tool_calls, stats.model_calls].map(some);
        table.row([day.to_string(), events, turns, tools, models, input, output, cost], Look::Plain);
    }
    section(&table, out)
}

fn types(all: &Totals, out: &mut Out) -> Result<(), Failure> {
    let mut table = Table::new([Column::Left("TYPE"), Column::Right("ENTRIES"), Column::Right("SIZE")]);
    let mut types: Vec<_> = all.types.iter().collect();
    types.sort_by(|(a, x), (b, y)| y.bytes.cmp(&x.bytes).then(a.cmp(b)));
    for (name, stats) in types {
        table.row([title(name), number(stats.count), human::size(stats.bytes)], Look::Plain);
    }
    section(&table, out)
}

/// A table behind an empty line.
fn section<const N: usize>(table: &Table<N>, out: &mut Out) -> Result<(), Failure> {
    if !table.is_empty() {
        out.line("")?;
    }
    table.print(out)
}

fn title(name: &str) -> String {
    match name {
        "" => "(unknown)".to_owned(),
        name => human::summary(name, NAME_COLUMNS),
    }
}

fn times(durations: &Durations) -> [String; 4] {
    let show = |ms: Option<f64>| ms.and_then(human::millis).unwrap_or_default();
    let together = Some(durations.total_ms()).filter(|_| durations.count() > 0);
    [durations.percentile_ms(50), durations.percentile_ms(95), durations.max_ms(), together].map(show)
}

fn spent(spent: &Spent) -> [String; 6] {
    let at_least = if spent.unpriced_calls > 0 { "at least " } else { "" };
    let cost = match spent.cost_usd_micros {
        0 => String::new(),
        micros => format!("{at_least}{}", foldlog::dollars(micros)),
    };
    [
        some(spent.input_tokens),
        some(spent.output_tokens),
        some(spent.cache_read_input_tokens),
        some(spent.cache_write_input_tokens),
        some(spent.reasoning_output_tokens),
        cost,
    ]
}

/// A number; nothing where it is zero, so that the others stand out.
fn some(count: u64) -> String {
    if count == 0 { String::new() } else { number(count) }
}

/// A number with its thousands apart: `1,234,567`.
fn number(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn thousands_stand_apart() {
        assert_eq!([0, 12, 999, 1000, 1_234_567].map(number), ["0", "12", "999", "1,000", "1,234,567"]);
    }
}

//! What calls of models cost: a table that the user gives. None is built in, since it would soon be wrong.

use crate::error::{Error, ErrorKind, Result};
use crate::json::members::Object;
use crate::model::event::Usage;
use std::collections::BTreeMap;

/// The member of the file that holds the table.
const TABLE: &str = "usd_per_million_tokens";
/// The highest price, in US dollars for a million tokens.
const MOST_USD: u64 = 1_000_000;
/// How many digits a price may have after its point.
const MOST_DECIMALS: usize = 6;
/// Units of a price in one micro-dollar: a price is kept in millionths of a micro-dollar for one token.
const UNITS: u128 = 1_000_000;

/// Prices by model, for calls whose cost is not in the log.
///
/// The file is one JSON object: `{"usd_per_million_tokens": {"<model>": {"input": 1.25, "output": 10, "cache_read": 0.125,
/// "cache_write": 1.5}}}`. A model's name may end in `*`: the entry with the exact name holds, else the one with the
/// longest beginning. `input` is the price of input that is neither read from the cache nor written to it. A price that is
/// absent is unknown; what costs nothing has the price 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    exact: BTreeMap<String, Price>,
    /// By how a name begins.
    leads: BTreeMap<String, Price>,
}

/// What one token costs, in millionths of a micro-dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Price {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
}

/// What a call cost, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// In millionths of a US dollar, rounded to the nearest.
    pub usd_micros: i64,
    /// Whether that is all of it: every number of tokens and every price is known.
    pub is_whole: bool,
}

impl Prices {
    /// Reads a table.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidInput`] with the place and the reason, if the text is no such table.
    pub fn parse(text: &str) -> Result<Prices> {
        let text = text.trim_start_matches('\u{feff}');
        if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
            return Err(bad(format!("the file is not JSON: {error}")));
        }
        let table = Object::parse(text).and_then(|file| file.object(TABLE));
        let Some(table) = table else {
            return Err(bad(format!("the file has no object `{TABLE}`; {EXAMPLE}")));
        };
        let mut prices = Prices::default();
        for (model, price) in table.members() {
            let Some(members) = Object::parse(price) else {
                return Err(bad(format!("the entry of `{model}` is not an object; {EXAMPLE}")));
            };
            let price = Price::read(model, &members)?;
            match model.strip_suffix('*') {
                Some(lead) => prices.leads.insert(lead.to_owned(), price),
                None => prices.exact.insert(model.to_owned(), price),
            };
        }
        match prices.exact.is_empty() && prices.leads.is_empty() {
            true => Err(bad(format!("`{TABLE}` names no model; {EXAMPLE}"))),
            false => Ok(prices),
        }
    }

    /// What a call of a model cost. Where a price or a number of tokens is not known, it is at least that.
    pub fn cost(&self, model: &str, usage: &Usage) -> Cost {
        let Some(price) = self.of(model) else { return Cost::default() };
        let (read, write) = (usage.cache_read_input_tokens.unwrap_or(0), usage.cache_write_input_tokens.unwrap_or(0));
        let fresh = usage.input_tokens.map(|input| input.saturating_sub(read).saturating_sub(write));
        let parts = [
            (fresh, price.input),
            (Some(read), price.cache_read),
            (Some(write), price.cache_write),
            (usage.output_tokens, price.output),
        ];
        let (mut units, mut is_whole) = (0u128, true);
        for (tokens, price) in parts {
            match (tokens, price) {
                (Some(tokens), Some(price)) => units += u128::from(tokens) * u128::from(price),
                (Some(0), None) => {}
                _ => is_whole = false,
            }
        }
        Cost { usd_micros: i64::try_from((units + UNITS / 2) / UNITS).unwrap_or(i64::MAX), is_whole }
    }

    fn of(&self, model: &str) -> Option<&Price> {
        let longest =
            || self.leads.iter().filter(|(lead, _)| model.starts_with(&***lead)).max_by_key(|(lead, _)| lead.len());
        self.exact.get(model).or_else(|| longest().map(|(_, price)| price))
    }
}

impl Price {
    fn read(model: &str, members: &Object<'_>) -> Result<Price> {
        let mut price = Price::default();
        for (name, raw) in members.members() {
            let kind = match name {
                "input" => &mut price.input,
                "output" => &mut price.output,
                "cache_read" => &mut price.cache_read,
                "cache_write" => &mut price.cache_write,
                _ => {
                    let known = "known are `input`, `output`, `cache_read` and `cache_write`";
                    return Err(bad(format!("the entry of `{model}` has an unknown member `{name}`: {known}")));
                }
            };
            let Some(value) = units(raw) else {
                let shape = format!("a number from 0 to {MOST_USD} with at most {MOST_DECIMALS} decimals");
                return Err(bad(format!("`{name}` of `{model}` is `{raw}`: give {shape}, in US dollars")));
            };
            *kind = Some(value);
        }
        Ok(price)
    }
}

/// A decimal number of dollars for a million tokens as millionths of a micro-dollar for one.
fn units(raw: &str) -> Option<u64> {
    let (whole, decimals) = raw.split_once('.').unwrap_or((raw, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(decimals) {
        return None;
    }
    let decimals = decimals.trim_end_matches('0');
    if decimals.len() > MOST_DECIMALS {
        return None;
    }
    let micros: u64 = format!("{decimals:0<MOST_DECIMALS$}").parse().ok()?;
    let usd = whole.parse().ok().filter(|usd: &u64| *usd <= MOST_USD)?;
    (usd < MOST_USD || micros == 0).then(|| usd * UNITS as u64 + micros)
}

const EXAMPLE: &str = r#"write {"usd_per_million_tokens": {"model-1": {"input": 1.25, "output": 10}}}"#;

fn bad(why: String) -> Error {
    Error::new(ErrorKind::InvalidInput, why)
}

//! What a secret looks like. Three kinds of rules: `tokens` begin with a prefix of their own, `forms` have a shape,
//! and `named` ones are values whose name says so (`DB_PASSWORD=`).
//!
//! Precision goes first: what stands here is hardly ever anything but a secret. A measure of randomness alone would take
//! hashes and ids out of the story as well.
//!
//! Time is linear. A rule is tried only where its first bytes stand, and a try that fails has looked at no more than a
//! bounded number of bytes.

use super::{forms, named, tokens};
use crate::interop::redact::found::{Form, Found};
use std::sync::LazyLock;

/// The rules that a pair of bytes calls for.
#[derive(Default)]
struct Rules {
    /// Which bytes may come third, one bit each.
    thirds: [u64; 4],
    tokens: Vec<(&'static str, &'static tokens::Token)>,
    forms: Vec<Form>,
}

/// Where a secret may begin. Most triples of bytes never begin one, and a log has many: they are passed over quickly.
struct Index {
    /// For each pair of bytes its place in `rules`, 0 where there are none.
    places: Box<[u8; 1 << 16]>,
    rules: Vec<Rules>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { places: Box::new([0; 1 << 16]), rules: vec![Rules::default()] };
    for token in tokens::TOKENS {
        for prefix in token.prefixes {
            index.rules_for(prefix).tokens.push((prefix, token));
        }
    }
    for (leads, form) in forms::FORMS {
        for lead in *leads {
            index.rules_for(lead).forms.push(*form);
        }
    }
    // No prefix and no form has a separator in second place: all names share one entry.
    let named = index.add(Rules { thirds: [u64::MAX; 4], tokens: Vec::new(), forms: vec![named::find] });
    for end in named::ENDS {
        for separator in named::SEPARATORS {
            index.places[pair(&[*end, *separator])] = named;
        }
    }
    index
});

impl Index {
    fn add(&mut self, rules: Rules) -> u8 {
        self.rules.push(rules);
        u8::try_from(self.rules.len() - 1).expect("fewer than 256 pairs begin a secret")
    }

    /// The rules for what begins with these bytes. If they are but two, any may come third.
    fn rules_for(&mut self, lead: &str) -> &mut Rules {
        let lead = lead.as_bytes();
        let place = match self.places[pair(lead)] {
            0 => self.add(Rules::default()),
            known => known,
        };
        self.places[pair(lead)] = place;
        let rules = &mut self.rules[usize::from(place)];
        match lead.get(2) {
            Some(third) => rules.thirds[usize::from(third >> 6)] |= 1 << (third & 63),
            None => rules.thirds = [u64::MAX; 4],
        }
        rules
    }

    fn rules_at(&self, lead: &[u8]) -> &Rules {
        &self.rules[usize::from(self.places[pair(lead)])]
    }

    fn may_begin(&self, three: &[u8]) -> bool {
        let place = self.places[pair(three)];
        place != 0 && self.rules[usize::from(place)].thirds[usize::from(three[2] >> 6)] >> (three[2] & 63) & 1 == 1
    }
}

fn pair(lead: &[u8]) -> usize {
    usize::from(lead[0]) << 8 | usize::from(lead[1])
}

/// Every secret in a text, in order; none reaches into another. The text need not be UTF-8: in UTF-16, ASCII has a zero
/// beside each byte, and is found as well.
pub(super) fn find(text: &[u8]) -> Vec<Found> {
    if memchr::memchr(0, text).is_none() {
        return find_in(text);
    }
    let places: Vec<usize> = (0..text.len()).filter(|at| text[*at] != 0).collect();
    let dense: Vec<u8> = places.iter().map(|at| text[*at]).collect();
    let place = |found: Found| {
        let range = places[found.range.start]..places[found.range.end - 1] + 1;
        Found { begin: places[found.begin], range, kind: found.kind }
    };
    find_in(&dense).into_iter().map(place).collect()
}

fn find_in(bytes: &[u8]) -> Vec<Found> {
    let index = &*INDEX;
    let (mut found, mut at, mut floor) = (Vec::new(), 0, 0);
    while let Some(offset) = bytes.get(at..).and_then(|rest| rest.windows(3).position(|three| index.may_begin(three))) {
        at += offset;
        let rules = index.rules_at(&bytes[at..]);
        match token(bytes, at, rules).or_else(|| rules.forms.iter().find_map(|form| form(bytes, at, floor))) {
            Some(secret) => {
                at = secret.range.end;
                floor = at;
                found.push(secret);
            }
            None => at += 1,
        }
    }
    found
}

fn token(text: &[u8], at: usize, rules: &Rules) -> Option<Found> {
    rules.tokens.iter().find_map(|(prefix, token)| tokens::found(text, at, prefix, token))
}

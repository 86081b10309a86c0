//! A text as a JSON string, byte for byte as `serde_json` writes it, in a third of the time.
//!
//! Most of what an agent records is text, and most of the time of recording it went into looking for what JSON wants
//! escaped, a byte at a time and with a branch for each. Here it is a block at a time: first where the special bytes are,
//! as bits, then from one to the next by copies of one size, so that there is little to guess wrongly for the processor.

/// How many bytes are looked at together.
pub(crate) const BLOCK: usize = 64;
/// The most bytes that a block is written as, and the one that is copied beyond them.
const ROOM: usize = 6 * BLOCK + BLOCK + 8;

/// Writes a text as a JSON string, quotes included, to the end of `out`.
pub(crate) fn quote(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    out.push(b'"');
    let done = quote_blocks(bytes, out);
    quote_rest(&bytes[done..], out);
    out.push(b'"');
}

/// Writes all blocks but the last ones; returns how many bytes that were.
fn quote_blocks(bytes: &[u8], out: &mut Vec<u8>) -> usize {
    let (mut done, mut end) = (0, out.len());
    // A copy takes a whole block wherever it begins, and what is too much is written over: so one more must be there.
    while done + 2 * BLOCK <= bytes.len() {
        if out.len() < end + ROOM {
            out.resize(end + ROOM + (bytes.len() - done) * 9 / 8, 0);
        }
        let next = done + BLOCK;
        let mut specials = specials_of(&block_at(bytes, done));
        while specials != 0 {
            let special = next - BLOCK + specials.trailing_zeros() as usize;
            specials &= specials - 1;
            out[end..end + BLOCK].copy_from_slice(&block_at(bytes, done));
            end += special - done;
            let (escape, length) = ESCAPES[usize::from(bytes[special])];
            out[end..end + escape.len()].copy_from_slice(&escape);
            end += usize::from(length);
            done = special + 1;
        }
        out[end..end + BLOCK].copy_from_slice(&block_at(bytes, done));
        end += next - done;
        done = next;
    }
    out.truncate(end);
    done
}

fn block_at(bytes: &[u8], at: usize) -> [u8; BLOCK] {
    *bytes[at..].first_chunk().expect("two blocks are there")
}

/// A bit for each byte of a block that must be escaped.
pub(crate) fn specials_of(block: &[u8; BLOCK]) -> u64 {
    let flags = block.map(|byte| u8::from(is_special(byte)));
    let (eights, _) = flags.as_chunks::<8>();
    // The product gathers the lowest bits of eight bytes in its highest byte.
    let bits = |eight: &[u8; 8]| u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
    eights.iter().rev().fold(0, |all, eight| all << 8 | bits(eight))
}

fn is_special(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

/// What is written for a special byte, and how much of it counts.
const ESCAPES: [([u8; 7], u8); 256] = {
    let mut escapes = [(*b"\\u0000\0", 6); 256];
    let mut byte = 0;
    while byte < 0x20 {
        escapes[byte].0[4] = b'0' + (byte >> 4) as u8;
        escapes[byte].0[5] = b"0123456789abcdef"[byte & 15];
        byte += 1;
    }
    let short = *b"\"\"\\\\\nn\rr\tt\x08b\x0Cf";
    let mut at = 0;
    while at < short.len() {
        escapes[short[at] as usize] = ([b'\\', short[at + 1], 0, 0, 0, 0, 0], 2);
        at += 2;
    }
    escapes
};

/// Writes a few bytes, or the last ones of many.
fn quote_rest(mut bytes: &[u8], out: &mut Vec<u8>) {
    while let Some(special) = next_special(bytes) {
        let (escape, length) = ESCAPES[usize::from(bytes[special])];
        out.extend_from_slice(&bytes[..special]);
        out.extend_from_slice(&escape[..usize::from(length)]);
        bytes = &bytes[special + 1..];
    }
    out.extend_from_slice(bytes);
}

/// Where the next byte stands that must be escaped.
fn next_special(bytes: &[u8]) -> Option<usize> {
    let (eights, rest) = bytes.as_chunks::<8>();
    for (at, eight) in eights.iter().enumerate() {
        let special = special_of_eight(u64::from_le_bytes(*eight));
        if special != 0 {
            return Some(at * 8 + special.trailing_zeros() as usize / 8);
        }
    }
    let found = rest.iter().position(|byte| is_special(*byte));
    found.map(|found| eights.len() * 8 + found)
}

/// Has the high bit of the first of eight bytes set that must be escaped, and of none before it. What it says of later
/// ones may be wrong: a subtraction carries.
fn special_of_eight(word: u64) -> u64 {
    const LOW: u64 = u64::MAX / 255;
    const HIGH: u64 = LOW << 7;
    let below = |word: u64, least: u8| word.wrapping_sub(LOW * u64::from(least)) & !word;
    let is = |byte: u8| below(word ^ (LOW * u64::from(byte)), 1);
    (below(word, b' ') | is(b'"') | is(b'\\')) & HIGH
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) {
        let mut out = b"before".to_vec();
        quote(text, &mut out);
        assert_eq!(&out[6..], serde_json::to_vec(text).expect("it can be written"), "{text:?}");
    }

    /// Goal: no text is written otherwise than `serde_json` writes it. Method: every letter of one byte and some of more,
    /// beside another one, at every place of a word and of the rest behind the words, and about the ends of blocks.
    #[test]
    fn every_letter_at_every_place_is_written_as_serde_json_does() {
        for letter in (0..=0x7F).map(char::from).chain(['é', '→', '\u{2028}', '🦀']) {
            for other in ['a', '"', '\u{1}', 'é', ' ', '!', '\u{7F}'] {
                for (before, after) in (0..10).flat_map(|n| [(n, 0), (n, 9), (n + 59, 130 - n), (n + 123, 70)]) {
                    check(&format!("{}{letter}{other}{}", "x".repeat(before), "y".repeat(after)));
                }
            }
        }
    }

    /// Goal: a text that grows sixfold has room, and one that is all pieces is cut rightly.
    #[test]
    fn texts_of_special_letters_alone_are_written_as_serde_json_does() {
        for length in [1, 7, 63, 64, 65, 127, 128, 129, 1000, 5000] {
            for piece in ["\u{1}", "\"", "\"a", "\n🦀", "é"] {
                check(&piece.repeat(length));
            }
        }
    }
}

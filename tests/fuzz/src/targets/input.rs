//! Choices made from fuzzed bytes. When the bytes are used up every choice is the first one.

/// What is left of the bytes.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub fn new(bytes: &'a [u8]) -> Input<'a> {
        Input(bytes)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                *first
            }
            None => 0,
        }
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: usize) -> usize {
        let number = match bound {
            0..=256 => usize::from(self.byte()),
            _ => usize::from(self.byte()) << 8 | usize::from(self.byte()),
        };
        number % bound.max(1)
    }

    /// At most so many of the bytes, as they are.
    pub fn bytes(&mut self, most: usize) -> &'a [u8] {
        let count = self.below(most + 1).min(self.0.len());
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        taken
    }

    /// All bytes that are left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    pub fn choose<'c, T>(&mut self, from: &'c [T]) -> &'c T {
        &from[self.below(from.len())]
    }
}

/// Spoils a file in one of the ways in which files are spoiled.
pub fn spoil(file: &mut Vec<u8>, input: &mut Input<'_>) {
    let at = input.below(file.len() + 1);
    match input.below(8) {
        0 => file.truncate(at),
        1 => {
            let count = input.below(300);
            file.splice(at..at, vec![0; count]);
        }
        2 => {
            for (old, new) in file[at..].iter_mut().zip(input.bytes(40)) {
                *old = *new;
            }
        }
        3 => drop(file.splice(at..at, input.bytes(40).to_vec())),
        4 => {
            let end = (at + input.below(700)).min(file.len());
            file.drain(at..end);
        }
        5 => {
            let piece = file[at..(at + input.below(700)).min(file.len())].to_vec();
            let to = input.below(file.len() + 1);
            file.splice(to..to, piece);
        }
        6 => {
            let (bit, len) = (input.below(8), file.len());
            file[at.min(len.saturating_sub(1))..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << bit);
        }
        _ => {
            let piece =
                *input.choose(&[&b"\n"[..], b"{\"seq\":", b"\n{\"foldlog\":1,", b"\r", b",\"crc\":\"00000000\"}\n"]);
            file.splice(at..at, piece.iter().copied());
        }
    }
}

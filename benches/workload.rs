//! The events of a made-up run: the same ones for the same seed.
//!
//! Most are pieces of streamed text; about one in eleven is the result of a tool, its size log-uniform up to 64 KiB. That
//! makes lines of about 240 bytes for a text delta and 1.1 KB on average.

use foldlog::{Event, Json, TextDelta, ToolCallEnded, ToolCallStarted, TurnEnded, TurnStarted};
use serde::Serialize;

/// The largest result of a tool, in bytes of text.
const LARGEST_RESULT: f64 = 65_536.0;
/// The smallest one.
const SMALLEST_RESULT: f64 = 64.0;
const TOOLS: [&str; 4] = ["read_file", "run_command", "search", "edit_file"];
/// Words, quotes and line breaks, so that texts need escaping now and then, and a few letters beyond ASCII.
const WORDS: [&str; 16] = [
    "the ", "run ", "of ", "a ", "test ", "failed ", "because ", "line ", "is ", "missing ", "\"src\" ", "café ",
    "\n    ", "return ", "value; ", "→ ",
];

/// Something that an agent does, in its own plain texts.
#[derive(Debug)]
pub(crate) enum Step {
    TurnStarted { turn: String, prompt: String },
    Text { turn: String, text: String },
    CallStarted { turn: String, call: String, tool: &'static str, arguments: Arguments },
    CallEnded { turn: String, call: String, result: String, duration_ms: f64 },
    TurnEnded { turn: String },
}

/// What a tool is called with.
#[derive(Debug, Serialize)]
pub(crate) struct Arguments {
    path: String,
    limit: u64,
    pattern: String,
}

impl Step {
    /// The event that a caller of foldlog makes of it: texts are borrowed, a result becomes JSON.
    pub(crate) fn event(&self) -> Event<'_> {
        match self {
            Step::TurnStarted { turn, prompt } => TurnStarted::new(turn.as_str(), prompt.as_str()).into(),
            Step::Text { turn, text } => TextDelta::new(turn.as_str(), text.as_str()).into(),
            Step::CallStarted { turn, call, tool, arguments } => {
                let arguments = Json::new(arguments).ok();
                ToolCallStarted::new(turn.as_str(), call.as_str(), *tool).arguments(arguments).into()
            }
            Step::CallEnded { turn, call, result, duration_ms } => {
                let ended = ToolCallEnded::new(turn.as_str(), call.as_str());
                ended.result(Json::string(result)).duration_ms(*duration_ms).into()
            }
            Step::TurnEnded { turn } => TurnEnded::success(turn.as_str()).into(),
        }
    }
}

/// Whole turns, cut off after `count` steps.
pub(crate) fn steps(count: usize, seed: u64) -> Vec<Step> {
    let mut random = Random(seed | 1);
    let mut steps = Vec::with_capacity(count + 256);
    let (mut turns, mut calls) = (0, 0);
    while steps.len() < count {
        turns += 1;
        let turn = format!("t-{turns:06}");
        steps.push(Step::TurnStarted { turn: turn.clone(), prompt: random.text(40, 400) });
        for _ in 0..random.between(1, 8) {
            for _ in 0..random.between(4, 14) {
                steps.push(Step::Text { turn: turn.clone(), text: random.text(30, 160) });
            }
            calls += 1;
            let call = format!("c-{calls:07}");
            let arguments = Arguments {
                path: format!("src/module_{}/file_{}.rs", random.between(1, 40), random.between(1, 900)),
                limit: random.between(10, 2000),
                pattern: random.text(20, 300),
            };
            let tool = TOOLS[random.between(0, 3) as usize];
            steps.push(Step::CallStarted { turn: turn.clone(), call: call.clone(), tool, arguments });
            let size = (SMALLEST_RESULT * (LARGEST_RESULT / SMALLEST_RESULT).powf(random.fraction())) as usize;
            let result = random.text_of(size);
            let duration_ms = random.between(1, 30_000) as f64 / 8.0;
            steps.push(Step::CallEnded { turn: turn.clone(), call, result, duration_ms });
        }
        steps.push(Step::TurnEnded { turn });
    }
    steps.truncate(count);
    steps
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// From 0 to 1, without 1.
    fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From `least` to `most`, both included.
    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + (self.next() >> 32) % (most - least + 1)
    }

    fn text(&mut self, least: u64, most: u64) -> String {
        let bytes = self.between(least, most) as usize;
        self.text_of(bytes)
    }

    /// At least so many bytes, and at most a word more.
    fn text_of(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 16);
        while text.len() < bytes {
            text.push_str(WORDS[self.between(0, WORDS.len() as u64 - 1) as usize]);
        }
        text
    }
}

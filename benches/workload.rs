//! The events of made-up runs: the same ones for the same seed.
//!
//! - *Streamed*: most are pieces of streamed text; about one in eleven is the result of a tool, its size log-uniform up to
//!   64 KiB. That makes lines of about 240 bytes for a text delta and 1.1 KB on average.
//! - *Recorded*: the shape of a real coding session of 55 turns and 454 tool calls, whose recorder kept texts whole. A
//!   third are calls and a third their results; how many there are in a turn, and how large each is, follows the
//!   quantiles of that session. The texts themselves are made up like the others.

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

/// Something that an agent does, in its own plain texts. As JSON it is the data of an event, made in one go.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Step {
    TurnStarted {
        #[serde(rename = "turn_id")]
        turn: String,
        prompt: String,
    },
    Text {
        #[serde(rename = "turn_id")]
        turn: String,
        text: String,
    },
    CallStarted {
        #[serde(rename = "turn_id")]
        turn: String,
        #[serde(rename = "call_id")]
        call: String,
        #[serde(rename = "tool_name")]
        tool: &'static str,
        arguments: Arguments,
    },
    CallEnded {
        #[serde(rename = "turn_id")]
        turn: String,
        #[serde(rename = "call_id")]
        call: String,
        result: String,
        duration_ms: f64,
    },
    TurnEnded {
        #[serde(rename = "turn_id")]
        turn: String,
        status: &'static str,
        #[serde(rename = "response_content", skip_serializing_if = "Option::is_none")]
        response: Option<String>,
    },
}

/// What a tool is called with.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Arguments {
    path: String,
    limit: u64,
    pattern: String,
}

impl Step {
    /// The type of its event.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Step::TurnStarted { .. } => "turn_started",
            Step::Text { .. } => "text_delta",
            Step::CallStarted { .. } => "tool_call_started",
            Step::CallEnded { .. } => "tool_call_ended",
            Step::TurnEnded { .. } => "turn_ended",
        }
    }

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
            Step::TurnEnded { turn, response: None, .. } => TurnEnded::success(turn.as_str()).into(),
            Step::TurnEnded { turn, response: Some(text), .. } => {
                TurnEnded::success(turn.as_str()).response_content(text.as_str()).into()
            }
        }
    }
}

/// Which run the events are made after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Streamed,
    Recorded,
}

/// Values of a distribution at 0, 10, 20 .. 90, 95, 99 and 100 percent.
type Quantiles = [f64; 13];
const SHARES: Quantiles = [0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];
const PROMPTS: Quantiles = [2.0, 12.0, 28.0, 43.0, 55.0, 80.0, 149.0, 212.0, 285.0, 373.0, 668.0, 2159.0, 2159.0];
const TEXTS: Quantiles = [4.0, 33.0, 44.0, 56.0, 67.0, 80.0, 92.0, 110.0, 167.0, 377.0, 894.0, 4899.0, 18_239.0];
const ARGUMENTS: Quantiles =
    [27.0, 85.0, 111.0, 121.0, 135.0, 145.0, 174.0, 337.0, 622.0, 1492.0, 4030.0, 13_900.0, 55_826.0];
const RESULTS: Quantiles =
    [8.0, 26.0, 143.0, 150.0, 159.0, 211.0, 670.0, 1254.0, 1799.0, 4006.0, 7337.0, 52_508.0, 57_918.0];
const RESPONSES: Quantiles =
    [0.0, 0.0, 32.0, 82.0, 105.0, 160.0, 360.0, 608.0, 894.0, 2165.0, 4899.0, 18_239.0, 18_239.0];
const CALLS_OF_A_TURN: Quantiles = [0.0, 0.0, 0.0, 0.0, 3.0, 5.0, 6.0, 8.0, 11.0, 27.0, 32.0, 48.0, 51.0];
/// How many pieces of text there are for each call.
const TEXTS_OF_A_CALL: f64 = 0.56;

/// Whole turns, cut off after `count` steps.
pub(crate) fn steps(shape: Shape, count: usize, seed: u64) -> Vec<Step> {
    let mut run = Run { random: Random(seed | 1), steps: Vec::with_capacity(count + 256), turns: 0, calls: 0 };
    while run.steps.len() < count {
        match shape {
            Shape::Streamed => run.streamed_turn(),
            Shape::Recorded => run.recorded_turn(),
        }
    }
    run.steps.truncate(count);
    run.steps
}

/// A run in the making.
struct Run {
    random: Random,
    steps: Vec<Step>,
    turns: u64,
    calls: u64,
}

impl Run {
    fn streamed_turn(&mut self) {
        let prompt = self.random.text(40, 400);
        let turn = self.start(prompt);
        for _ in 0..self.random.between(1, 8) {
            for _ in 0..self.random.between(4, 14) {
                let text = self.random.text(30, 160);
                self.steps.push(Step::Text { turn: turn.clone(), text });
            }
            let pattern = self.random.text(20, 300);
            let (smallest, ratio) = (SMALLEST_RESULT, LARGEST_RESULT / SMALLEST_RESULT);
            let size = (smallest * ratio.powf(self.random.fraction())) as usize;
            self.call(&turn, pattern, size);
        }
        self.steps.push(Step::TurnEnded { turn, status: "success", response: None });
    }

    fn recorded_turn(&mut self) {
        let prompt = self.random.text_like(&PROMPTS);
        let turn = self.start(prompt);
        for _ in 0..self.random.like(&CALLS_OF_A_TURN) {
            if self.random.fraction() < TEXTS_OF_A_CALL {
                let text = self.random.text_like(&TEXTS);
                self.steps.push(Step::Text { turn: turn.clone(), text });
            }
            // The other arguments are half a hundred bytes.
            let pattern = self.random.like(&ARGUMENTS).saturating_sub(50);
            let (pattern, size) = (self.random.text_of(pattern), self.random.like(&RESULTS));
            self.call(&turn, pattern, size);
        }
        let response = Some(self.random.text_like(&RESPONSES));
        self.steps.push(Step::TurnEnded { turn, status: "success", response });
    }

    fn start(&mut self, prompt: String) -> String {
        self.turns += 1;
        let turn = format!("t-{:06}", self.turns);
        self.steps.push(Step::TurnStarted { turn: turn.clone(), prompt });
        turn
    }

    /// A call of a tool and its end, with a result of so many bytes.
    fn call(&mut self, turn: &str, pattern: String, result: usize) {
        self.calls += 1;
        let (turn, call) = (turn.to_owned(), format!("c-{:07}", self.calls));
        let random = &mut self.random;
        let path = format!("src/module_{}/file_{}.rs", random.between(1, 40), random.between(1, 900));
        let arguments = Arguments { path, limit: random.between(10, 2000), pattern };
        let tool = TOOLS[random.between(0, 3) as usize];
        let result = random.text_of(result);
        let duration_ms = random.between(1, 30_000) as f64 / 8.0;
        self.steps.push(Step::CallStarted { turn: turn.clone(), call: call.clone(), tool, arguments });
        self.steps.push(Step::CallEnded { turn, call, result, duration_ms });
    }
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

    /// A size of this distribution, log-uniform between two quantiles.
    fn like(&mut self, quantiles: &Quantiles) -> usize {
        let share = self.fraction();
        let above = SHARES.iter().position(|known| *known > share).unwrap_or(SHARES.len() - 1);
        let (low, high) = (above - 1, above);
        let part = (share - SHARES[low]) / (SHARES[high] - SHARES[low]);
        let (least, most) = (quantiles[low] + 1.0, quantiles[high] + 1.0);
        (least * (most / least).powf(part)) as usize - 1
    }

    fn text_like(&mut self, quantiles: &Quantiles) -> String {
        let bytes = self.like(quantiles);
        self.text_of(bytes)
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

//! Messages that the user sent while the model was working: they wait in a queue until it takes them up.

use crate::model::time::Timestamp;

#[derive(Default)]
pub(super) struct Queue(Vec<Queued>);

struct Queued {
    text: String,
    time: Option<Timestamp>,
    /// The model has been given it, during a turn.
    absorbed: bool,
}

impl Queue {
    /// What happened to the queue.
    pub(super) fn operation(&mut self, operation: &str, text: &str, reason: &str, time: Option<Timestamp>) {
        match operation {
            "enqueue" if !text.trim().is_empty() => {
                self.0.push(Queued { text: text.to_owned(), time, absorbed: false });
            }
            "remove" if reason == "absorbed_mid_turn" => {
                let waiting =
                    self.0.iter_mut().find(|queued| !queued.absorbed && (text.is_empty() || queued.text == text));
                if let Some(queued) = waiting {
                    (queued.absorbed, queued.time) = (true, time);
                }
            }
            "remove" | "dequeue" => self.take(text),
            "popAll" | "clear" => self.0.clear(),
            _ => {}
        }
    }

    /// A message has come out of the queue: this one, or the oldest if its text is not known.
    pub(super) fn take(&mut self, text: &str) {
        let at = self.0.iter().position(|queued| text.is_empty() || queued.text == text);
        at.map(|at| self.0.remove(at));
    }

    /// Messages that the model was given and that no other line brought.
    pub(super) fn absorbed(&mut self) -> Vec<(String, Option<Timestamp>)> {
        let absorbed = self.0.extract_if(.., |queued| queued.absorbed);
        absorbed.map(|queued| (queued.text, queued.time)).collect()
    }
}

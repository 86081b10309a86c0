//! Stored cursors over random histories of opening, appending, closing, killing, merging and putting older copies back.

use crate::cursor_laws::{RESTORED as RESTORED_LAW, RESTORED_OVER, SILENT};
use crate::part::{Outcome, Part, Scope, Tally};

pub const RESTORED: Part = Part {
    name: "restored-copies",
    unit: "histories",
    needs_system: false,
    what: "stored cursors where older copies are put back, with and without removing newer files, and where none is",
    slice: 300,
    full: 30_000,
    run: restored,
};

fn restored(scope: &Scope) -> Outcome {
    let mut tally = Tally::default();
    while scope.goes_on(tally.done) {
        for law in [SILENT, RESTORED_LAW, RESTORED_OVER] {
            law.hold(scope.seed * 1_000_003 + tally.done);
            tally.done += 1;
        }
    }
    Outcome::Held(tally)
}

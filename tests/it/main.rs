//! All integration tests, one binary. They use the library as anybody else would: through its public API.
//!
//! - `format`: the bytes of a journal, read by code that shares nothing with the library
//! - `record`: the recorder as its clients see it: the pipe protocol, many sessions, being killed
//! - `record_end`: how the recorder ends: signals, full and failing disks, limits
//! - `record_held_up`: what may not hold up the recorder: searches, replies that nobody reads, sessions that cannot be opened
//! - `record_replies`: what the recorder replies about what looks like a mistake, and to look-ups
//! - `lookup`: events found again by the ids that their callers gave them
//! - `recovery`: every truncation, every flipped bit, and the shapes that real damage takes
//! - `refusals`: a system that refuses: no more open files, no permission
//! - `refused_reads`: a disk that does not give what an opening needs
//! - `quotation`: a journal that records the reading of another one
//! - `header_members`: which values a header's members may have, as the format page says
//! - `crash`: processes killed under load
//! - `live`: readers beside a writer
//! - `follow`, `follow_store`: followers of one journal, and of a whole store
//! - `follow_compacted`: followers and compaction
//! - `follow_crashed`: followers behind crashes that took, or left, something in the middle
//! - `follow_disordered`: followers of a copy whose files come in any order, and in parts
//! - `follow_torture`: sixteen followers beside a writer at full speed that dies and comes back
//! - `ways`: every way of reading a journal finds the same
//! - `lock`: the one writer's lock beside child processes
//! - `lacking`: file systems that lack something
//! - `taken_away`: files removed or replaced under a writer; locks on directories; systems without locks
//! - `writer`: group commit, tickets, back-pressure, closing, ten thousand journals at once
//! - `failed_syncs`: lines that the page cache has and no disk
//! - `failing_disks`: errors and full disks at any call and any byte
//! - `names`: names of session directories
//! - `not_files`: segments that are no plain files, and those that only a newer version reads
//! - `borders`: numbers again and late, damage at the borders of segments, data that is no JSON
//! - `one_writer`: locks, fences, links, hostile ids, the modes of files
//! - `compressed`: files that are packed are named for what they are
//! - `prices`: what calls cost by the user's table
//! - `properties`: arbitrary bytes and arbitrary events
//! - `fuzz_found`: what the fuzz targets found, one test for each
//! - `docs`: the documents say what is true, and their examples run
//! - `cli_read`, `cli_tail`: the commands that read, and `tail -f`
//! - `events`: what events mean, in every view
//! - `cli_follow`: `tail -f` of sessions that appear, of many at once, of mirrors, and where nobody reads what it says
//! - `cli_limits`: every command with very few open files; work in proportion to what is read
//! - `cli_names`: which session a name on the command line stands for, and how old a session is
//! - `cli_lists`: what `ls`, `rm` and `prune` list, under which names, and how old
//! - `cli_words`: times, counts and paths in what the commands print
//! - `export`: sessions in other formats
//! - `redaction`: a corpus of made-up secrets, and code that has none
//! - `housekeeping`: throwing sessions away, and having them back
//! - `spent`: what headers say of tokens, costs and forks
//! - `stats`: sessions in numbers, against an independent count
//! - `compaction`: what may go, what must stay, and what becomes of the files
//! - `compaction_clean`: compaction calls damage what `verify` calls damage
//! - `compaction_laws`: the same over random histories, with rewinds, retries, crashes and recoveries in them
//! - `compaction_crash`: compactions that are killed or fail at any step, beside writers and readers; the command
//! - `import`, `import_laws`: other recorders' logs as sessions; what holds for any file, however damaged
//! - `import_follow`: files that are replaced under `import --follow`
//! - `import_codex`, `import_copilot`, `import_gemini`: what the versions of these agents write, each in its own way
//! - `doctor`: a corpus of damaged files, one for each way in which files are damaged in the field
//! - `tidy`: layers, sizes, and what must be in one place only
//! - `field_failures`: one test for each class of failure seen in other recorders
//!
//! `appender`, `many`, `memory`, `faulty`, `pages`, `patience`, `recorder`, `sources`, `support` and `transcripts` hold no tests: a
//! disk in memory, a storage that fails on demand, waits that end, a driver of `record`, and what else the tests share. Tests
//! whose names begin with `child_` are run again as child processes by others, and do nothing otherwise.
//!
//! They need Rust and a shell alone, and none is skipped. Those that need more are in `tests/system`.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    missing_debug_implementations,
    unreachable_pub,
    reason = "tests stop at the first surprise, and print what they measured"
)]

mod appender;
mod cursor_laws;
mod docs;
mod doctor;
mod events;
mod borders;
mod cli_follow;
mod cli_lists;
mod cli_names;
mod cli_read;
mod cli_tail;
mod cli_words;
mod cli_limits;
mod compaction;
mod compressed;
mod compaction_clean;
mod compaction_crash;
mod compaction_laws;
mod crash;
mod export;
mod failed_syncs;
mod failing_disks;
mod faulty;
mod field_failures;
mod follow;
mod follow_compacted;
mod follow_crashed;
mod follow_disordered;
mod follow_store;
mod follow_torture;
mod forge;
mod format;
mod fuzz_found;
mod headers_gone;
mod header_members;
mod hostile_headers;
mod housekeeping;
mod live;
mod import;
mod import_claude;
mod import_identity;
mod import_follow;
mod import_codex;
mod import_copilot;
mod import_gemini;
mod import_laws;
mod lacking;
mod lock;
mod lookup;
mod many;
mod memory;
mod named_inputs;
mod names;
mod not_files;
mod one_writer;
mod pages;
mod patience;
mod prefill;
mod prices;
mod properties;
mod quotation;
mod record;
mod record_end;
mod record_held_up;
mod record_replies;
mod recorder;
mod recovery;
mod redaction;
mod refusals;
mod refused_reads;
mod restored_backup;
mod sizes;
mod sources;
mod spent;
mod stats;
mod support;
mod taken_away;
mod tidy;
mod transcripts;
mod verdicts;
mod ways;
mod writer;

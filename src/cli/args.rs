//! The arguments, as they are typed. Only their shape: what a SESSION stands for is decided in `select`.

use super::commands::doctor::DoctorArgs;
use super::commands::export::ExportArgs;
use super::commands::import::options::ImportArgs;
use super::commands::prune::PruneArgs;
use super::commands::record::RecordArgs;
use super::commands::rm::RmArgs;
use super::commands::stats::StatsArgs;
use clap::{Args, Parser, Subcommand, ValueEnum};
use foldlog::SessionState;
use std::ffi::OsString;
use std::path::PathBuf;

/// A flight recorder for AI-agent runs.
#[derive(Debug, Parser)]
#[command(name = "foldlog", version, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    /// Where the sessions are [default: $FOLDLOG_ROOT, else $XDG_STATE_HOME/foldlog, else ~/.local/state/foldlog]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER_HELP: &str = "\
A SESSION is an id, a path to a session's directory, the beginning of an id, or nothing: the newest.
All times are UTC.

Exit codes: 0 fine, 1 no (nothing found, some input not understood, an unreadable session passed over),
2 usage, 3 damage found, 4 no such session, 5 another writer holds it, 7 input or output failed.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Record events from stdin, one JSON object a line
    Record(RecordArgs),
    /// Print the session's record as JSON
    Fold(FoldArgs),
    /// Show a session to people: first how it ended, then what happened
    Show(ShowArgs),
    /// Print the last entries
    Tail(TailArgs),
    /// List the sessions, newest first
    Ls(LsArgs),
    /// Check every byte of sessions
    Verify(VerifyArgs),
    /// Write a session in another format: to read, to hand on, for other tools
    Export(ExportArgs),
    /// Print a session's lines, or a file of events, with their original spacing
    Replay(ReplayArgs),
    /// Import what other agents recorded, into sessions
    Import(ImportArgs),
    /// Find what is wrong with files of JSON lines, and save what can be saved
    Doctor(DoctorArgs),
    /// Sessions in numbers: turns, calls, durations, tokens, cost
    Stats(StatsArgs),
    /// Move sessions to the trash
    Rm(RmArgs),
    /// Move old sessions to the trash, or empty it
    Prune(PruneArgs),
    /// Make a session smaller without changing what it folds into
    Compact(CompactArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

#[derive(Args, Debug)]
pub(crate) struct FoldArgs {
    /// Which session
    pub(crate) session: Option<OsString>,
    /// The session as it stood after this entry
    #[arg(long, value_name = "SEQ")]
    pub(crate) at: Option<u64>,
    /// On many lines, indented
    #[arg(long)]
    pub(crate) pretty: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Which session
    pub(crate) session: Option<OsString>,
    /// Only this turn
    #[arg(long, value_name = "ID")]
    pub(crate) turn: Option<String>,
    /// Only what failed or was interrupted
    #[arg(long)]
    pub(crate) failed: bool,
    /// One JSON object a line: the verdict, then what happened
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct TailArgs {
    /// Which session
    pub(crate) session: Option<OsString>,
    /// Wait for more, also for a session that is not there yet
    #[arg(short = 'f', long)]
    pub(crate) follow: bool,
    /// How many entries to begin with [default: 10, or all with --from or --since]
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) lines: Option<usize>,
    /// Only entries from this number on
    #[arg(long, value_name = "SEQ")]
    pub(crate) from: Option<u64>,
    /// Only from this time on: 30s, 5m, 12h, 2d, or an RFC 3339 time
    ///
    /// Begins at the first entry whose own time is WHEN or later, also if the clock went back between two runs. It looks
    /// from the segment before the first one that was created later than a day before WHEN. So an entry of an earlier
    /// segment is missed if its time is more than a day ahead: a clock that jumped by more than a day within a segment, or
    /// times that the caller gave.
    #[arg(long, value_name = "WHEN", conflicts_with = "from", value_parser = super::values::parse_since)]
    pub(crate) since: Option<super::values::Since>,
    /// Only entries of this type, in which `*` stands for anything; may be given again
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) types: Vec<String>,
    /// Only this turn
    #[arg(long, value_name = "ID")]
    pub(crate) turn: Option<String>,
    /// With -f: end when the session has ended, or its writer is gone
    #[arg(long, requires = "follow")]
    pub(crate) until_ended: bool,
    /// With -f: all sessions, and new ones as they appear
    #[arg(long, requires = "follow", conflicts_with_all = ["session", "until_ended", "from"])]
    pub(crate) all: bool,
    /// With -f: look this often, instead of waiting for the system to tell of changes
    #[arg(long, requires = "follow", value_name = "INTERVAL", value_parser = super::values::parse_interval)]
    pub(crate) poll: Option<std::time::Duration>,
    /// The lines as they were recorded, byte for byte
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct LsArgs {
    /// Only sessions of this workspace
    #[arg(long, value_name = "W")]
    pub(crate) workspace: Option<String>,
    /// Only sessions that were touched since then: 30m, 12h, 2d, 1w, or an RFC 3339 time
    #[arg(long, value_name = "WHEN", value_parser = super::values::parse_since)]
    pub(crate) since: Option<super::values::Since>,
    /// Only sessions in this state
    #[arg(long)]
    pub(crate) state: Option<StateArg>,
    /// One JSON object a line
    #[arg(long)]
    pub(crate) json: bool,
}

/// How a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StateArg {
    /// Being recorded at this moment
    Live,
    /// Its last event says that it ended
    Ended,
    /// Its recording ended uncleanly, or something was left open
    Interrupted,
    /// Nothing is open, and it may go on
    Idle,
}

impl StateArg {
    pub(crate) fn matches(self, state: SessionState) -> bool {
        match self {
            StateArg::Live => state == SessionState::Live,
            StateArg::Ended => state == SessionState::Ended,
            StateArg::Interrupted => state == SessionState::Interrupted,
            StateArg::Idle => state == SessionState::Idle,
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// Which sessions
    #[arg(value_name = "SESSION")]
    pub(crate) sessions: Vec<OsString>,
    /// One JSON object a session
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// A session, or a file of events
    #[arg(value_name = "SESSION|FILE")]
    pub(crate) source: OsString,
    /// How many times faster than it was; 0: without pauses
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = super::values::parse_speed)]
    pub(crate) speed: f64,
}

#[derive(Args, Debug)]
pub(crate) struct CompactArgs {
    /// Which session: its whole id, or the path of its directory
    pub(crate) session: String,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// One JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// Which shell
    pub(crate) shell: clap_complete::Shell,
}

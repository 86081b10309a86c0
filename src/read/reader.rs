//! [`Reader`]: a journal as others see it. Needs no lock, writes nothing, never stops at damage.

use crate::error::{Error, ErrorKind, Result};
use crate::fold::{Origin, Reducer, Session, SessionFold};
use crate::format::header::Header;
use crate::model::cursor::Cursor;
use crate::model::gap::Gap;
use crate::model::id::SessionId;
use crate::model::record::SessionRecord;
use crate::model::seq::Seq;
use crate::model::time::Timestamp;
use crate::read::items::{Beforehand, Item, Items};
use crate::segments::dir::{Files, Listed};
use crate::segments::lock;
use crate::storage::{DiskStorage, Storage};
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

/// Reads one session's journal, while it is being written or afterwards.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let root = tempfile::tempdir()?;
/// # let store = foldlog::Store::open(root.path())?;
/// # let journal = store.journal("s-1")?;
/// # journal.push(foldlog::TurnStarted::new("t-1", "Hi"))?;
/// # journal.close().wait()?;
/// use foldlog::Item;
///
/// let reader = store.reader("s-1")?;
/// let mut items = reader.items()?;
/// while let Some(item) = items.next()? {
///     match item {
///         Item::Entry(entry) => println!("{} {}", entry.seq(), entry.type_name()),
///         Item::Gap(gap) => eprintln!("{gap}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Reader {
    pub(crate) files: Files,
    session_id: SessionId,
    /// The journal's id, if a header can be read.
    journal: Option<String>,
    pub(crate) created: Timestamp,
    /// When the newest segment was begun, if that can be read.
    pub(crate) newest_created: Option<Timestamp>,
    unsupported: Option<String>,
    threads: usize,
}

/// What a check of every byte found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The session.
    pub session_id: SessionId,
    /// How many segments there are.
    pub segments: u64,
    /// How many entries could be read.
    pub entries: u64,
    /// The first entry's number.
    pub first_seq: Option<Seq>,
    /// The last entry's number.
    pub last_seq: Option<Seq>,
    /// The highest durable watermark that any entry states.
    pub synced: Seq,
    /// No gap that the log itself does not explain.
    pub clean: bool,
    /// How many entries have data that is no JSON. That is an anomaly in folds, and no damage of the log.
    pub not_json: u64,
    /// Every gap, in order.
    pub gaps: Vec<Gap>,
}

impl Reader {
    /// The journal in a directory.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no such directory or it holds no session.
    pub fn open(dir: impl AsRef<Path>) -> Result<Reader> {
        Reader::open_on(Arc::new(DiskStorage), dir.as_ref())
    }

    pub(crate) fn open_on(storage: Arc<dyn Storage>, dir: &Path) -> Result<Reader> {
        let files = match Files::open_dir(storage, dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(not_found(dir)),
            opened => opened?,
        };
        let (listed, _) = files.list()?;
        let header = files.newest_header(&listed)?;
        let by_name = || dir.file_name().and_then(|name| name.to_str()).and_then(SessionId::from_directory_name);
        let by_header = header.as_ref().and_then(|header| SessionId::new(header.session_id.clone()).ok());
        let Some(session_id) = by_header.or_else(by_name).filter(|_| !listed.is_empty()) else {
            return Err(not_found(dir));
        };
        let journal = header.as_ref().map(|header| header.journal.clone());
        let created = first_header(&files, &listed, journal.as_deref())?.map(|header| header.created);
        let newest_created = header.as_ref().map(|header| header.created);
        let unsupported = header.and_then(|header| header.unsupported());
        let created = created.unwrap_or(Timestamp::from_micros(0));
        Ok(Reader { files, session_id, journal, created, newest_created, unsupported, threads: 1 })
    }

    /// Has [`Reader::fold`], [`Reader::fold_to`], [`Reader::session`] and [`Reader::verify`] use so many threads, the caller's
    /// among them; 1 by default. The lines of large journals are checked and decoded by all of them, and what comes of it is
    /// the same. More than four bring little: folding itself keeps one busy.
    pub fn threads(mut self, threads: usize) -> Reader {
        self.threads = threads;
        self
    }

    /// The session.
    pub fn session_id(&self) -> &SessionId {
        &self.session_id
    }

    /// The journal's directory.
    pub fn path(&self) -> &Path {
        &self.files.dir
    }

    /// What a newer version has put into the journal that this one does not understand, in words. What can be read is
    /// read all the same.
    pub fn unsupported(&self) -> Option<&str> {
        self.unsupported.as_deref()
    }

    /// Whether somebody is recording into it at this moment.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the lock cannot be looked at.
    pub fn is_live(&self) -> Result<bool> {
        lock::is_held(&self.files)
    }

    /// Every entry and every gap, in order.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if the directory cannot be read.
    pub fn items(&self) -> Result<Items> {
        self.items_from(&Cursor::start())
    }

    /// The entries and gaps from a place on.
    ///
    /// # Errors
    /// As for [`Reader::items`].
    pub fn items_from(&self, cursor: &Cursor) -> Result<Items> {
        Items::new(self.files.clone(), self.is_live()?, cursor)
    }

    /// The session as it stands: the fold of all entries.
    ///
    /// # Errors
    /// [`ErrorKind::Io`] if a file cannot be opened. Damage is no error: see [`Reader::session`].
    pub fn fold(&self) -> Result<SessionRecord> {
        Ok(self.session()?.record)
    }

    /// The session as it stood after the entry `seq`.
    ///
    /// # Errors
    /// As for [`Reader::fold`].
    pub fn fold_to(&self, seq: Seq) -> Result<SessionRecord> {
        Ok(self.session_to(seq)?.record)
    }

    /// The session with what was odd about its entries.
    ///
    /// # Errors
    /// As for [`Reader::fold`].
    pub fn session(&self) -> Result<Session> {
        self.session_to(Seq::MAX)
    }

    fn session_to(&self, seq: Seq) -> Result<Session> {
        let mut fold = SessionFold::default();
        fold.begin(&self.origin());
        let beforehand = if self.threads > 1 { Beforehand::Event } else { Beforehand::Nothing };
        self.items()?.each_by(self.threads, beforehand, &mut |item, event| {
            match item {
                Item::Entry(entry) if entry.seq() > seq => return ControlFlow::Break(()),
                Item::Entry(entry) => fold.step(&entry, event.unwrap_or_else(|| entry.event())),
                Item::Gap(gap) => fold.gap(&gap),
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        Ok(fold.finish())
    }

    /// Folds all entries with a reducer of your own. Returns the gaps beside what it comes to.
    ///
    /// # Errors
    /// As for [`Reader::fold`].
    pub fn reduce<R: Reducer>(&self, reducer: R) -> Result<(R::Output, Vec<Gap>)> {
        self.reduce_to(Seq::MAX, reducer)
    }

    /// Folds the entries up to `seq` with a reducer of your own.
    ///
    /// # Errors
    /// As for [`Reader::fold`].
    pub fn reduce_to<R: Reducer>(&self, seq: Seq, mut reducer: R) -> Result<(R::Output, Vec<Gap>)> {
        reducer.begin(&self.origin());
        let mut gaps = Vec::new();
        self.items()?.each(&mut |item, _| {
            match item {
                Item::Entry(entry) if entry.seq() > seq => return ControlFlow::Break(()),
                Item::Entry(entry) => reducer.entry(&entry),
                Item::Gap(gap) => {
                    reducer.gap(&gap);
                    gaps.push(gap);
                }
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        Ok((reducer.finish(), gaps))
    }

    /// Where the journal comes from, for a fold.
    pub fn origin(&self) -> Origin {
        Origin { session_id: self.session_id.clone(), journal: self.journal.clone(), created: self.created }
    }

    /// Checks every byte.
    ///
    /// # Errors
    /// As for [`Reader::fold`].
    pub fn verify(&self) -> Result<VerifyReport> {
        self.verify_with(&mut |_| {})
    }

    /// [`Reader::verify`], telling after each entry, on any of its threads, how many there have been.
    ///
    /// # Errors
    /// As for [`Reader::fold`].
    pub fn verify_with(&self, progress: &mut (dyn FnMut(u64) + Send)) -> Result<VerifyReport> {
        let mut items = self.items()?;
        let mut report = VerifyReport {
            session_id: self.session_id.clone(),
            segments: 0,
            entries: 0,
            first_seq: None,
            last_seq: None,
            synced: Seq::ZERO,
            clean: true,
            not_json: 0,
            gaps: Vec::new(),
        };
        items.each_by(self.threads, Beforehand::Scan, &mut |item, _| {
            match item {
                Item::Entry(entry) => {
                    report.entries += 1;
                    report.not_json += u64::from(!entry.is_json());
                    report.first_seq.get_or_insert(entry.seq());
                    report.last_seq = Some(entry.seq());
                    progress(report.entries);
                }
                Item::Gap(gap) => {
                    report.clean &= gap.explained;
                    report.gaps.push(gap);
                }
                _ => {}
            }
            ControlFlow::Continue(())
        })?;
        report.segments = items.segments();
        report.synced = items.synced();
        Ok(report)
    }
}

/// The oldest header of this journal: a file before it may never have been created.
fn first_header(files: &Files, listed: &[Listed], journal: Option<&str>) -> Result<Option<Header>> {
    for listed in listed {
        let header = files.peek_for(journal, *listed)?.and_then(|opened| opened.header);
        if header.is_some() {
            return Ok(header);
        }
    }
    Ok(None)
}

fn not_found(dir: &Path) -> Error {
    let message = format!("there is no session in `{}`", dir.display());
    Error::new(ErrorKind::NotFound, message)
}

//! A journal and those who use it, in any order of events: nobody waits for ever, nobody is told something that is not so.
//!
//! Each test runs whole journals, with their pool, on a disk in memory. If all threads wait, Shuttle says so: that is how
//! a lost wake-up shows. What fails is printed as a schedule that `shuttle::replay` repeats.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_debug_implementations,
    unreachable_pub,
    dead_code,
    reason = "tests"
)]

#[path = "../../it/memory.rs"]
mod memory;

use foldlog::{Custom, ErrorKind, Item, Journal, JournalOptions, Json, Storage, Store, Ticket};
use memory::Memory;
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

/// A stack for each thread: an opening looks at headers and locks, in a build without optimisation, on one of 32 KiB
/// otherwise.
const STACK: usize = 512 << 10;

/// How many orders of events each test tries, half of them at random, half with few changes of thread at odd places.
fn orders(scenario: impl Fn() + Send + Sync + Copy + 'static) {
    let orders = std::env::var("FOLDLOG_MODEL_ORDERS").ok().and_then(|orders| orders.parse().ok()).unwrap_or(1_500);
    run(RandomScheduler::new(orders / 2), scenario);
    run(PctScheduler::new(3, orders / 2), scenario);
}

fn run(scheduler: impl Scheduler + 'static, scenario: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    config.stack_size = STACK;
    Runner::new(scheduler, config).run(scenario);
}

fn event(number: u64) -> Custom<'static> {
    Custom::new("n", Json::parse(&number.to_string()).unwrap())
}

fn store() -> (Memory, Store) {
    let disk = Memory::default();
    let store = Store::open_on(disk.clone(), "/lab").unwrap();
    (disk, store)
}

/// Every number in the log, the recorder's own included, and whether there is any gap.
fn read(store: &Store) -> (Vec<u64>, usize) {
    let (mut seqs, mut gaps) = (Vec::new(), 0);
    let Ok(reader) = store.reader("s") else { return (seqs, gaps) };
    let mut items = reader.items().unwrap();
    while let Some(item) = items.next().unwrap() {
        match item {
            Item::Entry(entry) => seqs.push(entry.seq().get()),
            _ => gaps += 1,
        }
    }
    (seqs, gaps)
}

/// A waker that only remembers.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Polls once, as a task does that is cancelled afterwards.
fn poll_once(ticket: &mut Ticket) -> Poll<foldlog::Result<foldlog::Seq>> {
    Pin::new(ticket).poll(&mut Context::from_waker(&Waker::from(Arc::new(Woken::default()))))
}

#[test]
fn tickets_that_are_awaited_dropped_and_cancelled_beside_each_other() {
    // Goal: whoever waits is woken, whatever became of the others' tickets; all that was accepted is in the log.
    orders(|| {
        let (_, store) = store();
        let journal = store.journal("s").unwrap();
        let waiting = journal.clone();
        let waits = thread::spawn(move || {
            for number in 0..2 {
                let ticket = waiting.append(event(number)).unwrap();
                let seq = ticket.seq();
                assert_eq!(ticket.wait().unwrap(), seq);
                assert!(waiting.synced() >= seq, "told before it was so");
            }
        });
        let fickle = journal.clone();
        let drops = thread::spawn(move || {
            drop(fickle.append(event(10)).unwrap());
            let mut cancelled = fickle.append(event(11)).unwrap();
            let _ = poll_once(&mut cancelled);
            drop(cancelled);
            fickle.push(event(12)).unwrap();
        });
        let mut moved = journal.append(event(20)).unwrap();
        let _ = poll_once(&mut moved); // by one task; from now on another one waits for it
        moved.wait().unwrap();
        waits.join().unwrap();
        drops.join().unwrap();
        journal.close().wait().unwrap();
        assert_eq!(read(&store), ((1..=7).collect(), 0));
    });
}

#[test]
fn a_close_while_a_batch_is_in_flight() {
    // Goal: what was accepted is safe when the close resolves, what comes later is refused, the lock is free. Method: two
    // threads close, one appends until it is refused.
    orders(|| {
        let (_, store) = store();
        let journal = store.journal("s").unwrap();
        let appending = journal.clone();
        let appends = thread::spawn(move || {
            let mut tickets = Vec::new();
            for number in 0..4 {
                match appending.append(event(number)) {
                    Ok(ticket) => tickets.push(ticket),
                    Err(refused) => {
                        assert_eq!(refused.kind(), ErrorKind::Closed);
                        break;
                    }
                }
            }
            tickets.into_iter().map(|ticket| ticket.wait().unwrap().get()).collect::<Vec<u64>>()
        });
        let closing = journal.clone();
        let closes = thread::spawn(move || closing.close().wait().unwrap());
        journal.close().wait().unwrap();
        assert!(store.reader("s").is_ok_and(|reader| !reader.is_live().unwrap()) || read(&store).0.is_empty());
        let (seqs, gaps) = read(&store);
        drop(store.journal("s").expect("the lock is free"));
        closes.join().unwrap();
        let accepted = appends.join().unwrap();
        assert_eq!(gaps, 0);
        let closed = u64::from(!accepted.is_empty()); // `journal_closed`
        assert_eq!(seqs.len() as u64, accepted.len() as u64 + closed, "{seqs:?} {accepted:?}");
    });
}

#[test]
fn the_last_handle_is_dropped_while_a_batch_is_in_flight() {
    // Goal: dropping writes and syncs what was accepted; tickets that outlive the journal resolve.
    orders(|| {
        let (_, store) = store();
        let journal = store.journal("s").unwrap();
        let tickets: Vec<Ticket> = (0..2).map(|number| journal.append(event(number)).unwrap()).collect();
        journal.push(event(2)).unwrap();
        let waits = thread::spawn(move || tickets.into_iter().for_each(|ticket| assert!(ticket.wait().is_ok())));
        let other = journal.clone();
        let drops = thread::spawn(move || drop(other));
        drop(journal);
        drops.join().unwrap();
        waits.join().unwrap();
        assert_eq!(read(&store), (vec![1, 2, 3], 0));
        drop(store.journal("s").expect("the lock is free"));
    });
}

#[test]
fn a_queue_that_is_full_wakes_those_who_wait_for_room() {
    // Goal: back-pressure never ends in silence. Method: room for one event at a time, two threads that want it.
    orders(|| {
        let (_, store) = store();
        let journal = store.journal_with("s", JournalOptions::default().queue_bytes(1)).unwrap();
        let insist = |journal: Journal, from: u64| {
            for number in from..from + 2 {
                loop {
                    match journal.push(event(number)) {
                        Ok(_) => break,
                        Err(refused) => assert_eq!(refused.kind(), ErrorKind::Backlog),
                    }
                    journal.ready().wait().unwrap();
                }
            }
        };
        let other = journal.clone();
        let others = thread::spawn(move || insist(other, 10));
        insist(journal.clone(), 0);
        others.join().unwrap();
        journal.close().wait().unwrap();
        assert_eq!(read(&store), ((1..=5).collect(), 0));
    });
}

/// A disk whose syncs of segments fail from some moment on, or panic.
#[derive(Clone, Debug)]
struct Failing(Memory, Arc<AtomicBool>, Failure);

#[derive(Clone, Copy, Debug)]
enum Failure {
    Error,
    Panic,
}

#[derive(Debug)]
struct FailingFile(Arc<dyn foldlog::StorageFile>, Arc<AtomicBool>, Failure);

impl foldlog::StorageFile for FailingFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        self.0.read_at(buffer, offset)
    }
    fn write_at(&self, bytes: &[u8], offset: u64) -> std::io::Result<usize> {
        self.0.write_at(bytes, offset)
    }
    fn len(&self) -> std::io::Result<u64> {
        self.0.len()
    }
    fn set_len(&self, len: u64) -> std::io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> std::io::Result<()> {
        match (self.1.load(Ordering::SeqCst), self.2) {
            (false, _) => self.0.sync_data(),
            (true, Failure::Error) => Err(std::io::Error::from_raw_os_error(5)),
            (true, Failure::Panic) => std::panic::resume_unwind(Box::new("the storage has panicked")),
        }
    }
    fn try_lock(&self, exclusive: bool) -> std::io::Result<bool> {
        self.0.try_lock(exclusive)
    }
    fn status(&self) -> std::io::Result<foldlog::FileStatus> {
        self.0.status()
    }
}

#[derive(Debug)]
struct FailingDir(Arc<dyn foldlog::StorageDir>, Arc<AtomicBool>, Failure);

impl FailingDir {
    fn file(&self, file: Arc<dyn foldlog::StorageFile>) -> Arc<dyn foldlog::StorageFile> {
        Arc::new(FailingFile(file, Arc::clone(&self.1), self.2))
    }
}

impl foldlog::StorageDir for FailingDir {
    fn status(&self) -> std::io::Result<foldlog::FileStatus> {
        self.0.status()
    }
    fn list(&self) -> std::io::Result<Vec<foldlog::DirEntry>> {
        self.0.list()
    }
    fn status_of(&self, name: &str) -> std::io::Result<foldlog::FileStatus> {
        self.0.status_of(name)
    }
    fn create(&self, name: &str) -> std::io::Result<Arc<dyn foldlog::StorageFile>> {
        self.0.create(name).map(|file| self.file(file))
    }
    fn open(&self, name: &str, access: foldlog::Access) -> std::io::Result<Arc<dyn foldlog::StorageFile>> {
        self.0.open(name, access).map(|file| self.file(file))
    }
    fn sync(&self) -> std::io::Result<()> {
        self.0.sync()
    }
    fn rename(&self, from: &str, to: &str) -> std::io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, name: &str) -> std::io::Result<()> {
        self.0.remove(name)
    }
    fn try_lock(&self, exclusive: bool) -> std::io::Result<Option<Arc<dyn foldlog::StorageDir>>> {
        let failing = |dir| FailingDir(dir, Arc::clone(&self.1), self.2);
        Ok(self.0.try_lock(exclusive)?.map(|dir| Arc::new(failing(dir)) as Arc<dyn foldlog::StorageDir>))
    }
}

impl Storage for Failing {
    fn create_dir(&self, path: &std::path::Path) -> std::io::Result<()> {
        self.0.create_dir(path)
    }
    fn open_dir(&self, path: &std::path::Path) -> std::io::Result<Arc<dyn foldlog::StorageDir>> {
        Ok(Arc::new(FailingDir(self.0.open_dir(path)?, Arc::clone(&self.1), self.2)))
    }
    fn list(&self, path: &std::path::Path) -> std::io::Result<Vec<foldlog::DirEntry>> {
        self.0.list(path)
    }
    fn status(&self, path: &std::path::Path) -> std::io::Result<foldlog::FileStatus> {
        self.0.status(path)
    }
    fn sync_dir(&self, path: &std::path::Path) -> std::io::Result<()> {
        self.0.sync_dir(path)
    }
    fn rename(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove_dir_all(&self, path: &std::path::Path) -> std::io::Result<()> {
        self.0.remove_dir_all(path)
    }
}

fn failing(failure: Failure) {
    let broken = Arc::new(AtomicBool::new(false));
    let disk = Failing(Memory::default(), Arc::clone(&broken), failure);
    let store = Store::open_on(disk, "/lab").unwrap();
    let journal = store.journal("s").unwrap();
    let first = journal.append(event(0)).unwrap().wait().unwrap();
    let appending = journal.clone();
    let appends = thread::spawn(move || {
        let tickets: Vec<_> = (1..4).map_while(|number| appending.append(event(number)).ok()).collect();
        let told = tickets.into_iter().map(Ticket::wait).collect::<Vec<_>>();
        // Once one has failed, none behind it is acknowledged.
        let failed = told.iter().position(Result::is_err).unwrap_or(told.len());
        assert!(told[failed..].iter().all(Result::is_err));
        told.into_iter().flatten().map(foldlog::Seq::get).collect::<Vec<u64>>()
    });
    let breaks = thread::spawn(move || broken.store(true, Ordering::SeqCst));
    let barrier = journal.sync().map(Ticket::wait);
    let _ = journal.close().wait(); // resolves, one way or the other
    drop(barrier);
    breaks.join().unwrap();
    let acknowledged = appends.join().unwrap();
    drop(journal);
    let (seqs, _) = read(&store);
    assert!(seqs.contains(&first.get()));
    assert!(acknowledged.iter().all(|seq| seqs.contains(seq)), "{acknowledged:?} of {seqs:?}");
}

#[test]
fn a_disk_that_fails_at_any_moment_answers_everybody() {
    // Goal: a failed sync wakes every ticket, barrier and close, and nothing is acknowledged behind it.
    orders(|| failing(Failure::Error));
}

#[test]
fn a_round_that_panics_at_any_moment_answers_everybody() {
    // Goal: the same if it is a bug that ends the round.
    orders(|| failing(Failure::Panic));
}

#[test]
fn a_caller_that_panics_takes_nobody_with_it() {
    // Goal: a thread that dies with a handle and a ticket in its hands leaves the journal as it was.
    orders(|| {
        let (_, store) = store();
        let journal = store.journal("s").unwrap();
        let other = journal.clone();
        let dies = thread::spawn(move || {
            let died = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                let _ticket = other.append(event(1)).unwrap();
                std::panic::resume_unwind(Box::new("the caller has panicked"));
            }));
            assert!(died.is_err());
        });
        journal.append(event(2)).unwrap().wait().unwrap();
        dies.join().unwrap();
        journal.close().wait().unwrap();
        assert_eq!(read(&store), (vec![1, 2, 3], 0));
    });
}

#[test]
fn two_journals_share_one_pool() {
    // Goal: a task that is queued is run, whichever threads of the pool are idle, starting or about to wait.
    orders(|| {
        let (_, store) = store();
        let (one, two) = (store.journal("s").unwrap(), store.journal("s-2").unwrap());
        let other = thread::spawn(move || {
            two.append(event(1)).unwrap().wait().unwrap();
            two.append(event(2)).unwrap().wait().unwrap();
            two.close().wait().unwrap();
        });
        one.append(event(1)).unwrap().wait().unwrap();
        one.push(event(2)).unwrap();
        one.sync().unwrap().wait().unwrap();
        other.join().unwrap();
        one.close().wait().unwrap();
        assert_eq!(read(&store), (vec![1, 2, 3], 0));
    });
}

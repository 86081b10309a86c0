//! SQLite with a write-ahead log: a transaction an event, or one for all that waits in a queue.

use super::Append;
use crate::Result;
use rusqlite::{Connection, params};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use tokio::sync::oneshot;

/// How many events may wait.
const QUEUE: usize = 1024;
const INSERT: &str = "INSERT INTO events (seq, time, type, data) VALUES (?1, ?2, ?3, ?4)";

/// Whether a commit is synced.
#[derive(Clone, Copy)]
pub(crate) enum Sync {
    Normal,
    Full,
}

pub(crate) fn connect(path: &Path, sync: Sync) -> Result<Connection> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", if matches!(sync, Sync::Full) { "FULL" } else { "NORMAL" })?;
    connection
        .execute_batch("CREATE TABLE events (seq INTEGER PRIMARY KEY, time TEXT, type TEXT, data TEXT) STRICT")?;
    Ok(connection)
}

/// Inserts an event, its members in columns of their own.
pub(crate) fn insert(connection: &Connection, seq: u64, line: &[u8]) -> Result<()> {
    let line = std::str::from_utf8(line)?;
    let (head, data) = line.split_once(",\"data\":").ok_or("no data")?;
    let data = data.strip_suffix('}').ok_or("no end")?;
    let member = |name: &str| head.split_once(name).and_then(|(_, rest)| rest.split('"').next()).ok_or("no member");
    let values = params![seq, member("\"time\":\"")?, member("\"type\":\"")?, data];
    connection.prepare_cached(INSERT)?.execute(values)?;
    Ok(())
}

struct Autocommit(Mutex<Connection>);

/// A transaction an event, unsynced.
pub(crate) fn autocommit(dir: &Path) -> Result<Arc<dyn Append>> {
    Ok(Arc::new(Autocommit(Mutex::new(connect(&dir.join("sqlite"), Sync::Normal)?))))
}

impl Append for Autocommit {
    fn append(&self, seq: u64, line: &[u8]) -> Result<()> {
        insert(&*self.0.lock().map_err(|_| "a panic elsewhere")?, seq, line)
    }
}

struct Item {
    seq: u64,
    line: Vec<u8>,
    done: Option<oneshot::Sender<()>>,
}

/// A thread that owns the connection and commits what waits, at most so many events at a time.
pub(crate) struct Queue {
    sender: Mutex<Option<SyncSender<Item>>>,
    thread: Mutex<Option<JoinHandle<Result<()>>>>,
}

/// One transaction for all that waits, unsynced.
pub(crate) fn drained(dir: &Path) -> Result<Arc<dyn Append>> {
    Ok(Arc::new(Queue::start(dir, Sync::Normal, QUEUE)?))
}

impl Queue {
    pub(crate) fn start(dir: &Path, sync: Sync, most: usize) -> Result<Queue> {
        let connection = connect(&dir.join("sqlite"), sync)?;
        let (sender, items) = sync_channel(QUEUE);
        let thread = std::thread::spawn(move || commit_all(connection, &items, most));
        Ok(Queue { sender: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)) })
    }

    /// Hands an event over; it is committed when the receiver resolves.
    pub(crate) fn send(&self, seq: u64, line: Vec<u8>) -> Result<oneshot::Receiver<()>> {
        let (done, receiver) = oneshot::channel();
        self.put(Item { seq, line, done: Some(done) })?;
        Ok(receiver)
    }

    fn put(&self, item: Item) -> Result<()> {
        let sender = self.sender.lock().map_err(|_| "a panic elsewhere")?.clone().ok_or("finished")?;
        sender.send(item).map_err(|_| "the thread is gone".into())
    }
}

fn commit_all(mut connection: Connection, items: &Receiver<Item>, most: usize) -> Result<()> {
    let mut batch = Vec::new();
    while let Ok(first) = items.recv() {
        batch.push(first);
        batch.extend(items.try_iter().take(most - 1));
        let transaction = connection.transaction()?;
        for item in &batch {
            insert(&transaction, item.seq, &item.line)?;
        }
        transaction.commit()?;
        for done in batch.drain(..).filter_map(|item| item.done) {
            let _ = done.send(()); // nobody waits any more: the measurement is over
        }
    }
    Ok(())
}

impl Append for Queue {
    fn append(&self, seq: u64, line: &[u8]) -> Result<()> {
        self.put(Item { seq, line: line.to_vec(), done: None })
    }

    fn finish(&self) -> Result<()> {
        drop(self.sender.lock().map_err(|_| "a panic elsewhere")?.take());
        match self.thread.lock().map_err(|_| "a panic elsewhere")?.take() {
            Some(thread) => thread.join().map_err(|_| "the thread has panicked")?,
            None => Ok(()),
        }
    }
}

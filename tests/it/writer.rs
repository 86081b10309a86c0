//! The writer when all is well: group commit, tickets, back-pressure, closing, many journals at once.

use crate::faulty::{Call, EIO, ENOSPC, Fate, Faulty};
use crate::patience::{Gate, PATIENCE, delta, in_time, on_faulty, until};
use crate::support::{ID, Lab, Reading, child_arguments, child_place};
use foldlog::{
    Cursor, DiskStorage, Draft, Durability, ErrorKind, Health, Journal, JournalOptions, OnFull, Outcome, Reader, Seq,
    SessionStarted, Store, TextDelta, Ticket, TurnStarted,
};
use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

#[test]
fn sixty_four_threads_that_await_every_ticket_share_their_syncs() {
    // Goal: far fewer syncs than events, every ticket true when it resolves. Method: a real disk whose syncs are counted
    // and take at least a millisecond; 64 threads, 100 events each.
    let root = tempfile::tempdir().unwrap();
    let disk = Faulty::new(DiskStorage);
    disk.rule(|call, _| {
        if call == Call::Sync {
            std::thread::sleep(Duration::from_millis(1));
        }
        Fate::Done
    });
    let journal = Store::open_on(disk.clone(), root.path()).unwrap().journal(ID).unwrap();
    let started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 0..64 {
            let journal = journal.clone();
            scope.spawn(move || {
                for number in 0..100 {
                    let seq = journal.append(delta(thread * 100 + number)).unwrap().wait().unwrap();
                    assert!(journal.synced() >= seq);
                }
            });
        }
    });
    let (writes, syncs) = disk.counts();
    println!("6400 events awaited by 64 threads: {syncs} syncs, {writes} writes, {:?}", started.elapsed());
    assert!(syncs < 1600, "{syncs} syncs");
    assert!(writes < 1600, "{writes} writes");
    journal.close().wait().unwrap();
    let reading = Reading::of(&Reader::open(root.path().join(ID)).unwrap());
    assert!(reading.gaps.is_empty() && reading.entries.len() == 6401, "{:?}", reading.gaps);
}

#[test]
fn tickets_are_futures_that_any_executor_can_poll() {
    // Goal: no runtime is needed, and every waker is woken. Method: one thread polls a thousand tickets by hand.
    struct Count(AtomicU64, std::thread::Thread);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
            self.1.unpark();
        }
    }
    let lab = Lab::new();
    let journal = lab.open();
    let count = Arc::new(Count(AtomicU64::new(0), std::thread::current()));
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    let mut tickets: Vec<Ticket> = (0..1000).map(|number| journal.append(delta(number)).unwrap()).collect();
    let give_up = Instant::now() + PATIENCE;
    while !tickets.is_empty() {
        tickets.retain_mut(|ticket| match Pin::new(&mut *ticket).poll(&mut context) {
            Poll::Ready(result) => result.unwrap() != ticket.seq(),
            Poll::Pending => true,
        });
        if !tickets.is_empty() {
            std::thread::park_timeout(PATIENCE);
            assert!(Instant::now() < give_up, "{} tickets are left", tickets.len());
        }
    }
}

#[test]
fn written_tickets_cost_no_sync_and_the_background_makes_them_safe() {
    // Goal: at the level `Written` nobody waits for a sync; it comes in the interval, unasked, and not before. Method: two
    // journals, one after the other, the first with an interval that does not end here. Events are awaited and pushed.
    let journal = |interval: Duration| {
        on_faulty(JournalOptions::default().durability(Durability::Written).sync_interval(interval))
    };
    let (lasting, _lab, _store, first) = journal(Duration::from_secs(3600));
    let (_disk, _lab, _store, second) = journal(Duration::from_millis(50));
    for journal in [&first, &second] {
        for number in 0..100 {
            journal.append(delta(number)).unwrap().wait().unwrap();
        }
        journal.push(delta(100)).unwrap();
    }
    until("the second journal is synced", || second.synced() == Seq::new(101));
    until("the first one is written", || first.written() == Seq::new(101));
    assert_eq!((lasting.counts().1, first.synced()), (1, Seq::ZERO), "only its header");
    first.sync().unwrap().wait().unwrap();
    assert_eq!((lasting.counts().1, first.synced()), (2, Seq::new(101)));
}

#[test]
fn what_is_pushed_is_synced_even_while_writes_are_slow_and_never_stop() {
    // Goal: a stream that keeps the writer busy for longer than the interval cannot put off its syncs for ever. Method:
    // each write takes longer than the interval; there is always more to write.
    let options = JournalOptions::default().sync_interval(Duration::from_millis(50));
    let (disk, _lab, _store, journal) = on_faulty(options);
    disk.rule(|call, _| {
        if matches!(call, Call::Write(..)) {
            std::thread::sleep(Duration::from_millis(60));
        }
        Fate::Done
    });
    let first = journal.push(delta(0)).unwrap();
    until("the first push is synced", || {
        let _ = journal.push(delta(1)).or_else(|_| journal.ready().wait().map(|()| Seq::ZERO));
        journal.synced() >= first
    });
}

#[test]
fn a_sync_that_comes_due_while_the_last_write_goes_on_is_not_forgotten() {
    // Goal: the clock may ring while a round is on its way, and then there is nothing more to write. Method: the first
    // push makes the sync due in an interval; the write of the second one takes longer than that.
    let options = JournalOptions::default().sync_interval(Duration::from_millis(60));
    let (disk, _lab, _store, journal) = on_faulty(options);
    let first = journal.push(delta(0)).unwrap();
    until("the first push is written", || journal.written() >= first);
    disk.rule(|call, _| {
        if matches!(call, Call::Write(..)) {
            std::thread::sleep(Duration::from_millis(150));
        }
        Fate::Done
    });
    let second = journal.push(delta(1)).unwrap();
    until("the second push is synced", || journal.synced() >= second);
}

#[test]
fn a_waker_may_append_at_once() {
    // Goal: tasks are woken outside the locks, so that one that runs inside its waker cannot run into them. Method: a
    // waker that appends, woken by a ticket's success, by its refusal and by a failure.
    struct Eager(Journal, Mutex<Option<bool>>);
    impl Wake for Eager {
        fn wake(self: Arc<Self>) {
            *self.1.lock().unwrap() = Some(self.0.append(delta(7)).is_ok());
        }
    }
    for (fate, taken) in [(Fate::Done, true), (Fate::Fails(ENOSPC), false), (Fate::Fails(EIO), false)] {
        let (disk, _lab, _store, journal) = on_faulty(JournalOptions::default());
        let gate = Gate::shut();
        let at_gate = gate.clone();
        disk.rule(move |call, _| {
            if matches!(call, Call::Write(..)) {
                at_gate.pass();
                return fate;
            }
            Fate::Done
        });
        let mut ticket = journal.append(delta(0)).unwrap();
        let eager = Arc::new(Eager(journal, Mutex::new(None)));
        let waker = Waker::from(Arc::clone(&eager));
        assert!(Pin::new(&mut ticket).poll(&mut Context::from_waker(&waker)).is_pending());
        gate.open();
        until("woken and back", || eager.1.lock().unwrap().is_some());
        assert_eq!(*eager.1.lock().unwrap(), Some(taken), "{fate:?}");
    }
}

#[test]
fn a_full_queue_hands_the_event_back_and_says_when_there_is_room() {
    // Goal: appending never blocks and never loses. Method: hold the disk at its first write, fill the queue.
    let (disk, lab, _store, journal) = on_faulty(JournalOptions::default().queue_bytes(10_000));
    let gate = Gate::shut();
    let at_gate = gate.clone();
    disk.rule(move |call, _| {
        if matches!(call, Call::Write(..)) {
            at_gate.pass();
        }
        Fate::Done
    });
    let mut taken = 0;
    let refused = loop {
        match journal.push(delta(taken)) {
            Ok(_) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken < 1000);
    };
    assert_eq!((refused.kind(), refused.error().outcome()), (ErrorKind::Backlog, Outcome::Refused));
    let draft = refused.into_draft();
    assert_eq!(draft.data(), Draft::from(delta(taken)).data());
    let room = journal.ready();
    let waiting = std::thread::spawn(move || room.wait());
    gate.open();
    in_time("room", move || waiting.join().unwrap()).unwrap();
    let seq = loop {
        match journal.append(draft.clone()) {
            Ok(ticket) => break ticket.wait().unwrap(),
            Err(_) => journal.ready().wait().unwrap(),
        }
    };
    assert_eq!(seq.get(), taken as u64 + 1, "a refused event takes no number");
    journal.close().wait().unwrap();
    assert!(lab.read().gaps.is_empty());
}

/// Fills the queue while the disk is held at a write, and then lets `rule` decide about the batch that has gathered. Returns
/// how many events were taken, and where it begins.
fn with_a_full_queue(
    disk: &Faulty,
    journal: &Journal,
    rule: impl FnMut(Call, &Path) -> Fate + Send + 'static,
) -> (usize, u64) {
    let text = "x".repeat(60_000);
    journal.append(delta(0)).unwrap().wait().unwrap();
    let begun = Arc::new(AtomicU64::new(0));
    let end = Arc::clone(&begun);
    disk.rule(move |call, _| match call {
        Call::Write(len, offset) => {
            end.store(offset + len as u64, Ordering::SeqCst);
            Fate::Waits
        }
        _ => Fate::Done,
    });
    journal.push(delta(1)).unwrap();
    until("a write that is held", || begun.load(Ordering::SeqCst) > 0);
    let taken = (2..).find(|_| journal.push(TextDelta::new("t-1", &*text)).is_err()).unwrap();
    disk.rule(rule);
    disk.gate().open();
    (taken, begun.load(Ordering::SeqCst))
}

#[test]
fn what_is_written_of_a_long_batch_is_room_already() {
    // Goal: a queue that was full is filled again while what was in it is written. Method: hold the disk where most of a
    // batch is written, and wait for room.
    const QUEUE: usize = 4 << 20;
    let (disk, lab, _store, journal) = on_faulty(JournalOptions::default().queue_bytes(QUEUE));
    let (last_part, begun) = (Gate::shut(), Arc::new(AtomicU64::new(u64::MAX)));
    let (held, from) = (last_part.clone(), Arc::clone(&begun));
    let (taken, behind) = with_a_full_queue(&disk, &journal, move |call, _| {
        if let Call::Write(len, offset) = call {
            let start = from.fetch_min(offset, Ordering::SeqCst).min(offset);
            if offset + len as u64 > start + (QUEUE as u64 - (QUEUE as u64 >> 2)) {
                held.pass();
            }
        }
        Fate::Done
    });
    let (sender, receiver) = mpsc::channel();
    let room = journal.ready();
    std::thread::spawn(move || sender.send(room.wait()));
    let there = receiver.recv_timeout(PATIENCE);
    last_part.open();
    there.expect("room").unwrap();
    assert_eq!(begun.load(Ordering::SeqCst), behind);
    journal.push(delta(taken)).unwrap();
    journal.close().wait().unwrap();
    let reading = lab.read();
    assert!(reading.gaps.is_empty() && reading.entries.len() == taken + 2, "{} {taken}", reading.entries.len());
}

#[test]
fn a_disk_that_is_full_within_a_long_batch_takes_the_rest_of_it_later() {
    // Goal: of a batch that is written in parts nothing is written twice or not at all. Method: no space behind 2 MiB, until
    // the journal has said so.
    let options = JournalOptions::default().queue_bytes(4 << 20).on_full(OnFull::Wait);
    let (disk, lab, _store, journal) = on_faulty(options);
    let (taken, _) = with_a_full_queue(&disk, &journal, |call, _| match call {
        Call::Write(len, offset) if offset + len as u64 > 2 << 20 => Fate::Fails(ENOSPC),
        _ => Fate::Done,
    });
    until("a full disk", || matches!(journal.health(), Health::StorageFull));
    disk.heal();
    journal.close().wait().unwrap();
    let reading = lab.read();
    assert!(reading.gaps.is_empty() && reading.entries.len() == taken + 1, "{} {taken}", reading.entries.len());
}

#[test]
fn one_event_larger_than_the_queue_is_taken_all_the_same() {
    // Goal: the queue's limit is no limit for events. Method: a large event into an empty small queue.
    let lab = Lab::new();
    let options = JournalOptions::default().queue_bytes(100).segment_bytes(500);
    let journal = lab.store.journal_with(ID, options).unwrap();
    journal.append(TextDelta::new("t", "x".repeat(10_000))).unwrap().wait().unwrap();
    journal.ready().wait().unwrap();
    journal.close().wait().unwrap();
    assert_eq!(lab.read().seqs(), [1, 2]);
}

#[test]
fn a_flush_resolves_once_what_was_pushed_is_written_and_waits_for_no_sync() {
    // Goal: `flush` is for everything so far, pushed events included, and asks the disk for nothing. Method: syncs that do not
    // come back; what another reader sees is what was handed to the operating system.
    let (disk, lab, _store, journal) = on_faulty(JournalOptions::default());
    journal.flush().unwrap().wait().unwrap(); // nothing yet, and nothing to wait for
    journal.append(delta(0)).unwrap().wait().unwrap();
    disk.rule(|call, _| if call == Call::Sync { Fate::Waits } else { Fate::Done });
    for number in 1..=50 {
        journal.push(delta(number)).unwrap();
    }
    let flushed = journal.flush().unwrap();
    assert_eq!(flushed.seq(), journal.last_seq());
    let seq = in_time("the flush", move || flushed.wait()).unwrap();
    assert_eq!((lab.read().seqs().last(), journal.written()), (Some(&seq.get()), seq));
    disk.gate().open();
    disk.heal();
    journal.close().wait().unwrap();
    assert!(journal.flush().is_ok(), "all was flushed by the close");
}

#[test]
fn dropped_tickets_take_nothing_back() {
    // Goal: an event is recorded whether anybody waits or not. Method: drop tickets, one polled once before.
    let lab = Lab::new();
    let journal = lab.open();
    for number in 0..10 {
        drop(journal.append(delta(number)).unwrap());
    }
    let mut ticket = journal.append(delta(10)).unwrap();
    let _ = Pin::new(&mut ticket).poll(&mut Context::from_waker(Waker::noop()));
    drop(ticket);
    journal.sync().unwrap().wait().unwrap();
    assert_eq!(lab.read().entries.len(), 11);
}

#[test]
fn dropping_the_last_handle_writes_and_syncs_everything_but_claims_no_close() {
    // Goal: no call is needed to be safe. Method: push, drop, look; the next opening calls it unclean.
    let (disk, lab, _store, journal) = on_faulty(JournalOptions::default().sync_interval(Duration::from_secs(3600)));
    for number in 0..50 {
        journal.push(delta(number)).unwrap();
    }
    let other = journal.clone();
    drop(journal);
    let seq = other.push(delta(50)).unwrap();
    drop(other);
    assert_eq!((lab.read().entries.len(), seq.get()), (51, 51));
    assert!(disk.counts().1 >= 2, "the header's and the last one");
    let journal = lab.open();
    assert!(!journal.recovered().clean);
    assert_eq!(journal.recovered().last_seq, Seq::new(51));
    assert!(journal.recovered().holes.is_empty() && journal.recovered().cuts.is_empty());
}

#[test]
fn closing_twice_is_closing_once_and_frees_the_lock() {
    // Goal: `close` from several clones is one close; afterwards nothing is taken, and another may open.
    let lab = Lab::new();
    let journal = lab.open();
    journal.push(delta(1)).unwrap();
    let (first, second) = (journal.close_because("eof"), journal.clone().close());
    second.wait().unwrap();
    first.wait().unwrap();
    journal.close().wait().unwrap();
    assert_eq!(journal.append(delta(2)).unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(journal.ready().wait().unwrap_err().kind(), ErrorKind::Closed);
    assert!(matches!(journal.health(), Health::Closed));
    journal.sync().unwrap().wait().unwrap();
    let next = lab.open();
    assert!(next.recovered().clean);
    drop((journal, next));
    let reading = lab.read();
    assert_eq!(reading.seqs(), [1, 2]);
    assert!(
        String::from_utf8_lossy(&reading.entries[&2])
            .contains("\"type\":\"journal_closed\",\"data\":{\"reason\":\"eof\"")
    );
}

#[test]
fn a_close_that_was_asked_for_is_carried_out_though_the_handle_is_dropped() {
    // Goal: `close()` followed by a drop is a clean close, however the two meet. Method: many times, with and without
    // waiting.
    for round in 0..200 {
        let lab = Lab::new();
        let journal = lab.open();
        for number in 0..round % 5 {
            journal.push(delta(number)).unwrap();
        }
        let closing = journal.close();
        drop(journal);
        in_time("closing", move || closing.wait()).unwrap();
        let next = lab.open();
        assert!(next.recovered().clean, "round {round}");
    }
}

#[test]
fn a_journal_that_recorded_nothing_leaves_nothing() {
    // Goal: opening and closing writes no segment. Method: look.
    let lab = Lab::new();
    for _ in 0..3 {
        let journal = lab.open();
        assert!(journal.is_new() && journal.recovered().clean);
        journal.sync().unwrap().wait().unwrap();
        journal.close().wait().unwrap();
        drop(lab.open());
        assert_eq!(lab.files().keys().collect::<Vec<_>>(), ["LOCK"]);
    }
    assert_eq!(lab.store.reader(ID).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn what_was_open_is_told_by_the_next_opening() {
    // Goal: turns and calls left running are named after a crash and after a clean close, and once they ended no more.
    let lab = Lab::new();
    let journal = lab.open();
    journal.push(TurnStarted::new("t-1", "one")).unwrap();
    journal.push(foldlog::ToolCallStarted::new("t-1", "c-1", "bash")).unwrap();
    journal.push(foldlog::ToolCallStarted::new("t-1", "c-2", "read")).unwrap();
    drop(journal);
    for clean in [false, true] {
        let journal = lab.open();
        assert_eq!(journal.recovered().clean, clean);
        let [turn] = journal.open_turns() else { panic!("{:?}", journal.open_turns()) };
        assert_eq!((turn.turn_id.as_str(), turn.seq, turn.calls.len()), ("t-1", 1, 2));
        assert_eq!(turn.to_string(), "turn t-1 (seq 1), running bash c-1 (seq 2), read c-2 (seq 3)");
        journal.push(Draft::from(delta(1)).id("m-9")).unwrap();
        journal.close().wait().unwrap();
    }
    let journal = lab.open();
    assert_eq!(journal.last_id(), Some("m-9"));
    journal.push(foldlog::TurnEnded::success("t-1")).unwrap();
    drop(journal);
    assert!(lab.open().open_turns().is_empty());
}

#[test]
fn another_sessions_start_is_refused() {
    // Goal: each entry belongs to its journal's session. Method: start the wrong one, then the right one.
    let lab = Lab::new();
    let journal = lab.open();
    let refused = journal.append(SessionStarted::new("s-2")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::WrongSession);
    assert_eq!(journal.append(SessionStarted::new(ID)).unwrap().wait().unwrap(), Seq::new(1));
}

#[test]
fn a_journal_on_a_slow_disk_holds_up_no_other() {
    // Goal: a store's threads are enough for the journals that have work, however close together it comes. Method: one
    // journal's writes are held; the other's must go through. Many times, since it hangs on who is first.
    for _ in 0..100 {
        let disk = Faulty::new(Lab::new().disk);
        disk.rule(|call, path| match call {
            Call::Write(..) if path.starts_with("/lab/slow") => Fate::Waits,
            _ => Fate::Done,
        });
        let store = Store::open_on(disk.clone(), "/lab").unwrap();
        let other = store.journal("other").unwrap();
        other.append(delta(0)).unwrap().wait().unwrap();
        std::thread::scope(|scope| {
            // Opening notes the pid in the lock file: that write waits as well.
            let opening = scope.spawn(|| store.journal("slow").unwrap());
            disk.gate().open();
            let slow = opening.join().unwrap();
            disk.gate().shut_again();
            slow.push(delta(1)).unwrap();
            let ticket = other.append(delta(2)).unwrap();
            let (sender, answer) = mpsc::channel();
            std::thread::spawn(move || sender.send(ticket.wait()));
            let answer = answer.recv_timeout(PATIENCE);
            disk.gate().open();
            answer.expect("the other journal waited for the slow one").unwrap();
        });
    }
}

#[test]
fn child_that_opens_many_journals() {
    let Some(place) = child_place() else { return };
    let count: usize = std::env::var("FOLDLOG_TEST_COUNT").unwrap().parse().unwrap();
    let status = |field: &str| -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    let store = Store::open(place).unwrap();
    let before = status("VmRSS:");
    let journals: Vec<Journal> = (0..count).map(|number| store.journal(format!("s-{number}")).unwrap()).collect();
    let tickets: Vec<Ticket> = journals.iter().map(|journal| journal.append(delta(0)).unwrap()).collect();
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    let used = (status("VmRSS:") - before) * 1024 / count as u64;
    println!("threads={} bytes_a_journal={used}", status("Threads:"));
    drop(journals);
}

#[test]
fn ten_thousand_open_journals_need_no_thread_each() {
    // Goal: an idle journal costs memory and three descriptors, no thread. Method: open them in a child with room for the
    // descriptors, each with one event; count threads and memory.
    let wanted = 10_000;
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).map(str::to_owned).unwrap_or_default();
    let hard = files.split_whitespace().nth(4).map_or(1024, |hard| hard.parse().unwrap_or(1 << 20));
    let count = wanted.min((hard - 200) / 3);
    if count < wanted {
        println!("only {count} journals: the hard limit is {hard} open files");
    }
    let fast = Path::new("/dev/shm");
    let place = if fast.is_dir() { tempfile::tempdir_in(fast) } else { tempfile::tempdir() };
    let place = place.unwrap();
    // The shell raises the soft limit; `exec` makes it the child.
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    child_arguments(&mut command, "writer::child_that_opens_many_journals", place.path());
    let output = command.env("FOLDLOG_TEST_COUNT", count.to_string()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let figures = text.lines().find_map(|line| line.find("threads=").map(|at| &line[at..])).unwrap();
    println!("{count} open journals: {figures}");
    let threads: u64 = figures.split(['=', ' ']).nth(1).unwrap().parse().unwrap();
    assert!(threads <= 32, "{figures}"); // those of the pool, and the test's own
}

/// Goal: the barrier of a journal into which nothing has been appended yet resolves, also when recovery has skipped numbers.
/// Method: a torn tail of 1,000 bytes, then a sync and nothing else.
#[test]
fn a_sync_with_nothing_appended_resolves_behind_an_unclean_end() {
    let root = tempfile::tempdir().unwrap();
    let store = Store::open(root.path()).unwrap();
    let journal = store.journal(ID).unwrap();
    journal.append(delta(0)).unwrap().wait().unwrap();
    drop(journal);
    let path = root.path().join(ID).join("00000001.jsonl");
    let mut file = std::fs::OpenOptions::new().append(true).open(path).unwrap();
    std::io::Write::write_all(&mut file, &[b'x'; 1_000]).unwrap();
    let journal = store.journal(ID).unwrap();
    assert_eq!(journal.sync().unwrap().wait().unwrap().get(), 1);
    assert_eq!(journal.last_seq().get(), 1, "numbers that are skipped are nobody's");
    let ticket = journal.append(delta(1)).unwrap();
    assert!(ticket.seq().get() > 11, "{ticket:?}");
}

#[test]
fn a_waker_that_panics_costs_nobody_else_anything() {
    // Goal: a bug of one executor keeps no other task waiting, and does not end the journal. Method: two tickets of one
    // batch, held at its sync; the first one's waker panics.
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            std::panic::resume_unwind(Box::new("a waker's own bug"));
        }
    }
    struct Woken(Mutex<bool>);
    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            *self.0.lock().unwrap() = true;
        }
    }
    let (disk, _, _, journal) = on_faulty(JournalOptions::default());
    disk.rule(|call, _| if call == Call::Sync { Fate::Waits } else { Fate::Done });
    let mut tickets = [journal.append(delta(1)).unwrap(), journal.append(delta(2)).unwrap()];
    let woken = Arc::new(Woken(Mutex::new(false)));
    for (ticket, waker) in tickets.iter_mut().zip([Waker::from(Arc::new(Panics)), Waker::from(Arc::clone(&woken))]) {
        assert!(Pin::new(ticket).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    disk.gate().open();
    until("the other task is woken", || *woken.0.lock().unwrap());
    for ticket in tickets {
        ticket.wait().unwrap();
    }
    assert!(matches!(journal.health(), Health::Good));
    journal.append(delta(3)).unwrap().wait().unwrap();
}

#[test]
fn whoever_gives_up_waiting_is_forgotten() {
    // Goal: waits that are given up, on a journal that is well for months, leave nothing behind. Each blocking wait of a
    // follower left a waker. Method: a waker of its own for each wait; how many of them are still held.
    struct Sleeps;
    impl Wake for Sleeps {
        fn wake(self: Arc<Self>) {}
    }
    let sleeps = Arc::new(Sleeps);
    let held = || Arc::strong_count(&sleeps) - 1;
    let (disk, lab, _, journal) = on_faulty(JournalOptions::default());
    journal.append(delta(1)).unwrap().wait().unwrap();
    let mut follower = journal.follow(Cursor::start(), Durability::Written).unwrap();
    while follower.next_timeout(Duration::from_millis(1)).is_some() {}
    for _ in 0..10 {
        let waker = Waker::from(Arc::clone(&sleeps));
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut journal.health_change()).poll(&mut context).is_pending());
        let _ = std::pin::pin!(follower.next()).poll(&mut context);
    }
    assert!(held() <= 2, "{} wakers are held for one follower: by its bell, and by the journal", held());
    drop(follower);
    assert_eq!(held(), 0, "the follower is gone");

    disk.rule(|call, _| if call == Call::Sync { Fate::Waits } else { Fate::Done });
    let waker = Waker::from(Arc::clone(&sleeps));
    let pushed = journal.push(delta(2)).unwrap();
    assert!(Pin::new(&mut journal.close()).poll(&mut Context::from_waker(&waker)).is_pending());
    drop(waker);
    assert_eq!(held(), 0, "nobody waits for the close any more");
    disk.gate().open();
    journal.close().wait().unwrap();
    assert!(lab.read().entries.contains_key(&pushed.get()));
}

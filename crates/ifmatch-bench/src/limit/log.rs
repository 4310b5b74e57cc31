//! A log that is flushed for everything that waits, then tells each worker once.

use parking_lot::{Condvar, Mutex};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Those of one worker whose writes are durable. Handed over together: waking a worker is a system call.
pub(super) type Inbox = mpsc::UnboundedReceiver<Vec<oneshot::Sender<()>>>;
type Teller = mpsc::UnboundedSender<Vec<oneshot::Sender<()>>>;

/// Answers the writers of one worker, on its own thread.
pub(super) async fn deliver(mut inbox: Inbox) {
    while let Some(durable) = inbox.recv().await {
        for writer in durable {
            // Whoever asked may have left.
            let _gone = writer.send(());
        }
    }
}

pub(super) struct Log {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    wake: Condvar,
}

#[derive(Default)]
struct Waiting {
    octets: Vec<u8>,
    /// Per worker.
    writers: Vec<Vec<oneshot::Sender<()>>>,
    sleeps: bool,
}

impl Log {
    pub(super) fn start(path: &Path, tellers: Vec<Teller>) -> io::Result<Self> {
        let file = File::create_new(path)?;
        let shared = Arc::new(Shared::default());
        shared.waiting.lock().writers.resize_with(tellers.len(), Vec::new);
        let of_writer = Arc::clone(&shared);
        drop(std::thread::spawn(move || {
            if let Err(error) = run(file, &of_writer, &tellers) {
                drop(writeln!(io::stderr(), "the log failed: {error}"));
            }
        }));
        Ok(Self { shared })
    }

    /// Adds one write; what is returned is ready when it is durable.
    pub(super) fn append(
        &self,
        worker: usize,
        path: &str,
        revision: u64,
        content: &[u8],
    ) -> oneshot::Receiver<()> {
        let (writer, flushed) = oneshot::channel();
        let mut waiting = self.shared.waiting.lock();
        let octets = &mut waiting.octets;
        octets.extend_from_slice(&revision.to_le_bytes());
        for part in [path.as_bytes(), content] {
            octets.extend_from_slice(&part.len().to_le_bytes());
            octets.extend_from_slice(part);
        }
        waiting.writers[worker].push(writer);
        if waiting.sleeps {
            waiting.sleeps = false;
            self.shared.wake.notify_one();
        }
        flushed
    }
}

fn run(mut file: File, shared: &Shared, tellers: &[Teller]) -> io::Result<()> {
    let mut octets = Vec::new();
    loop {
        let mut waiting = shared.waiting.lock();
        while waiting.octets.is_empty() {
            waiting.sleeps = true;
            shared.wake.wait(&mut waiting);
        }
        waiting.sleeps = false;
        std::mem::swap(&mut octets, &mut waiting.octets);
        let groups: Vec<_> = waiting.writers.iter_mut().map(std::mem::take).collect();
        drop(waiting);
        file.write_all(&octets)?;
        file.sync_data()?;
        octets.clear();
        for (teller, group) in tellers.iter().zip(groups).filter(|(_, group)| !group.is_empty()) {
            // A worker that has ended waits for nothing.
            drop(teller.send(group));
        }
    }
}

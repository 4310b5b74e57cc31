//! Runs a real server binary: start it, learn its address from its output, stop it politely or not at all politely.
//!
//! Everything that waits has a bound, and a test that panics leaves no process behind.

use rustix::io::Errno;
pub use rustix::process::Signal;
use rustix::process::{Pid, WaitId, WaitIdOptions, kill_process, waitid};
use std::fmt;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How much of each stream is kept. What comes later is read, counted and thrown away, so that the process never
/// waits for us.
pub const OUTPUT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long the streams may stay open after the process ended (a child of its own may hold them).
const OUTPUT_AFTER_END: Duration = Duration::from_secs(1);

/// How much of each stream an error shows: its end.
const SHOWN_BYTES_MAX: usize = 4096;

/// What went wrong with a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// It could not be started.
    NotStarted,
    /// What was awaited did not come in time.
    Timeout,
    /// It ended, or closed the stream, before what was awaited came.
    Ended,
    /// It could not be signalled or waited for.
    System,
}

/// What went wrong, with the end of what the process had written.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    what: String,
}

impl Error {
    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl std::error::Error for Error {}

#[derive(Debug, Default)]
struct Collected {
    bytes: Vec<u8>,
    dropped: u64,
    is_closed: bool,
}

/// What a process writes to one stream, while it runs and afterwards.
#[derive(Debug, Clone, Default)]
pub struct Output {
    shared: Arc<(Mutex<Collected>, Condvar)>,
}

impl Output {
    fn collect(mut stream: impl Read + Send + 'static) -> Self {
        let output = Self::default();
        let writer = output.clone();
        // Not joined: the thread ends with the stream, and the stream may outlive the process.
        thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            loop {
                match stream.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => writer.append(&buffer[..count]),
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            writer.lock().is_closed = true;
            writer.shared.1.notify_all();
        });
        output
    }

    fn lock(&self) -> MutexGuard<'_, Collected> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, bytes: &[u8]) {
        let mut collected = self.lock();
        let room = OUTPUT_BYTES_MAX - collected.bytes.len();
        let (kept, dropped) = bytes.split_at(room.min(bytes.len()));
        collected.bytes.extend_from_slice(kept);
        collected.dropped += dropped.len() as u64;
        drop(collected);
        self.shared.1.notify_all();
    }

    /// Everything kept so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.lock().bytes).into_owned()
    }

    /// How many octets came after [`OUTPUT_BYTES_MAX`].
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Waits until `done` finds what it wants, the stream is closed, or the time is over.
    fn wait<T>(
        &self,
        timeout: Duration,
        mut done: impl FnMut(&Collected) -> Option<T>,
    ) -> Result<T, ErrorKind> {
        let end = Instant::now() + timeout;
        let mut collected = self.lock();
        loop {
            if let Some(found) = done(&collected) {
                return Ok(found);
            }
            if collected.is_closed {
                return Err(ErrorKind::Ended);
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(ErrorKind::Timeout);
            }
            let woken = self.shared.1.wait_timeout(collected, left).unwrap_or_else(PoisonError::into_inner);
            collected = woken.0;
        }
    }

    fn tail(&self) -> String {
        let collected = self.lock();
        let from = collected.bytes.len().saturating_sub(SHOWN_BYTES_MAX);
        String::from_utf8_lossy(&collected.bytes[from..]).into_owned()
    }
}

/// The first complete line from `*from` on for which `wanted` has an answer; moves `*from` past the lines it saw.
fn next_line<T>(bytes: &[u8], from: &mut usize, wanted: &mut impl FnMut(&str) -> Option<T>) -> Option<T> {
    while let Some(length) = bytes[*from..].iter().position(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(&bytes[*from..*from + length]).into_owned();
        *from += length + 1;
        if let Some(found) = wanted(line.trim_end_matches('\r')) {
            return Some(found);
        }
    }
    None
}

/// A running process. Dropping it kills it with SIGKILL.
#[derive(Debug)]
pub struct Server {
    child: Child,
    stdout: Output,
    stderr: Output,
    /// Told, or closed, when the process has ended. It is not reaped then: its id stays its own until [`Server::wait`]
    /// or another method that holds it exclusively has seen the end.
    ended: Receiver<()>,
}

impl Server {
    /// Starts a command without input, and collects its output.
    ///
    /// # Errors
    /// [`ErrorKind::NotStarted`].
    pub fn spawn(command: &mut Command) -> Result<Self, Error> {
        let not_started = |what: &str| Error { kind: ErrorKind::NotStarted, what: what.to_owned() };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| not_started(&format!("{command:?}: {error}")))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (Some(stdout), Some(stderr)) = (stdout, stderr) else { return Err(not_started("no pipes")) };
        let pid = Pid::from_child(&child);
        let (tell, ended) = channel();
        thread::spawn(move || {
            // NOWAIT leaves it for the owner to reap.
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(waitid(WaitId::Pid(pid), options), Err(Errno::INTR)) {}
            // The owner may be gone, and with it anybody who wants to know.
            drop(tell);
        });
        Ok(Self { child, stdout: Output::collect(stdout), stderr: Output::collect(stderr), ended })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it writes to standard output.
    pub fn stdout(&self) -> &Output {
        &self.stdout
    }

    /// What it writes to standard error.
    pub fn stderr(&self) -> &Output {
        &self.stderr
    }

    /// Waits for a line of standard output that `wanted` has an answer for, from the first line on.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`], or [`ErrorKind::Ended`] when no more lines can come.
    pub fn wait_for_line<T>(
        &self,
        timeout: Duration,
        mut wanted: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, Error> {
        let mut from = 0;
        self.stdout
            .wait(timeout, |collected| next_line(&collected.bytes, &mut from, &mut wanted))
            .map_err(|kind| self.error(kind, "the line did not come"))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// [`ErrorKind::System`], for instance because the process has ended and was waited for.
    pub fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        // Exclusive access and `Child`'s own memory of the end keep the id from being another process's by now.
        if let Ok(Some(status)) = self.child.try_wait() {
            return Err(self.error(ErrorKind::System, &format!("it has ended ({status})")));
        }
        kill_process(Pid::from_child(&self.child), signal)
            .map_err(|error| self.error(ErrorKind::System, &format!("it cannot be signalled: {error}")))
    }

    /// SIGKILL, which leaves it no time for anything; waits for the end.
    ///
    /// # Errors
    /// [`ErrorKind::System`].
    pub fn kill(&mut self) -> Result<ExitStatus, Error> {
        self.child
            .kill()
            .map_err(|error| self.error(ErrorKind::System, &format!("it cannot be killed: {error}")))?;
        self.reap()
    }

    /// SIGTERM; waits for the end. Past `timeout` it is left running.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`], [`ErrorKind::System`].
    pub fn terminate(&mut self, timeout: Duration) -> Result<ExitStatus, Error> {
        self.signal(Signal::TERM)?;
        self.wait(timeout)
    }

    /// Waits until it ends by itself, and until its output is complete.
    ///
    /// # Errors
    /// [`ErrorKind::Timeout`], [`ErrorKind::System`].
    pub fn wait(&mut self, timeout: Duration) -> Result<ExitStatus, Error> {
        let is_reaped = matches!(self.child.try_wait(), Ok(Some(_)));
        if !is_reaped && self.ended.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout) {
            return Err(self.error(ErrorKind::Timeout, "it did not end"));
        }
        self.reap()
    }

    /// After the end, or when it is certain.
    fn reap(&mut self) -> Result<ExitStatus, Error> {
        let status = self.child.wait();
        for output in [&self.stdout, &self.stderr] {
            // Whether it was closed or not: there is nothing more to wait for.
            let _: Result<(), ErrorKind> = output.wait(OUTPUT_AFTER_END, |_| None);
        }
        status.map_err(|error| self.error(ErrorKind::System, &format!("it cannot be waited for: {error}")))
    }

    fn error(&self, kind: ErrorKind, what: &str) -> Error {
        let (id, stdout, stderr) = (self.child.id(), self.stdout.tail(), self.stderr.tail());
        let what = format!("process {id}: {what}\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
        Error { kind, what }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // There is nobody to tell; if it has ended already, nothing is killed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

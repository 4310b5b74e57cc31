//! Which core runs what, and what a process has used.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;
use std::time::Duration;

/// One core for the servers, another for the load: then neither takes time from the other, and what a server costs does
/// not depend on where the system happens to put it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    server: usize,
    load: usize,
}

impl Cores {
    /// The first two cores that this process may use; `None` if there is only one.
    pub(crate) fn choose() -> Option<Self> {
        let allowed = sched_getaffinity(None).ok()?;
        let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        Some(Self { server: cores.next()?, load: cores.next()? })
    }

    /// Keeps this thread, and those it starts from now on, on the core of the load.
    pub(crate) fn for_load(self) -> io::Result<()> {
        pin(self.load)
    }

    /// Starts something that is to run on the servers' core: a process begins on the cores of the thread that starts it.
    pub(crate) fn for_server<T>(self, start: impl FnOnce() -> T) -> io::Result<T> {
        pin(self.server)?;
        let started = start();
        pin(self.load)?;
        Ok(started)
    }
}

fn pin(core: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    Ok(sched_setaffinity(None, &only)?)
}

/// User and system time of a process with all its threads, to a hundredth of a second.
pub(crate) fn used(process: u32) -> io::Result<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let bad = || io::Error::other("the process table cannot be read");
    // The name, in brackets, may have anything in it.
    let (_, fields) = stat.rsplit_once(')').ok_or_else(bad)?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).ok_or_else(bad);
    let total = ticks(11)? + ticks(12)?;
    Ok(Duration::from_millis(total * 1000 / rustix::param::clock_ticks_per_second().max(1)))
}

//! The time since the machine was started: what is left of a hold when a process ended and another one begins.
//!
//! It goes on while the machine sleeps, and nobody sets it. It means nothing in another boot.

use super::bytes::{array_at, put, random, u64_at, unix_ms};
use std::fs;

/// Names one run of the operating system.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Boot(pub(super) [u8; 16]);

impl Boot {
    /// The present one. Where the system has no name for it, each process is taken for another boot: the careful side.
    pub(super) fn present() -> Self {
        match fs::read_to_string("/proc/sys/kernel/random/boot_id") {
            Ok(id) if !id.trim().is_empty() => Self::named(id.trim()),
            _ => Self(random().unwrap_or_else(|_| u128::from(unix_ms()).to_le_bytes())),
        }
    }

    pub(super) fn named(id: &str) -> Self {
        Self(array_at(blake3::hash(id.as_bytes()).as_bytes(), 0))
    }

    fn short(self) -> u64 {
        u64_at(&self.0, 0)
    }
}

pub(super) const DEADLINE_BYTES: usize = 16;

/// When something ends, by the clock of one boot.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Deadline {
    /// A part of the boot's name.
    boot: u64,
    /// In ms since it began. Zero: nobody knows.
    at_ms: u64,
}

impl Deadline {
    /// That long from now.
    pub(super) fn after(boot: Boot, ms: u64) -> Self {
        match since_boot_ms() {
            Some(now) => Self { boot: boot.short(), at_ms: now.saturating_add(ms) },
            // That there is one, but not when.
            None => Self { boot: boot.short(), at_ms: 1 },
        }
    }

    /// How long it is until then, in ms. `None`: that cannot be known, or would be more than it ever was.
    pub(super) fn left_ms(self, boot: Boot, ms_max: u64) -> Option<u64> {
        if self.at_ms == 0 || self.boot != boot.short() {
            return None;
        }
        Some(self.at_ms.saturating_sub(since_boot_ms()?)).filter(|left| *left <= ms_max)
    }

    /// Whichever comes later, both being of one boot.
    pub(super) fn later(self, other: Self) -> Self {
        if other.at_ms > self.at_ms { other } else { self }
    }

    pub(super) fn is_set(self) -> bool {
        self != Self::default()
    }

    pub(super) fn encode_into(self, bytes: &mut [u8], at: usize) {
        put(bytes, at, &self.at_ms.to_le_bytes());
        put(bytes, at + 8, &self.boot.to_le_bytes());
    }

    pub(super) fn decode(bytes: &[u8], at: usize) -> Self {
        Self { at_ms: u64_at(bytes, at), boot: u64_at(bytes, at + 8) }
    }
}

/// `None`: this system has no such clock.
#[cfg(target_os = "linux")]
fn since_boot_ms() -> Option<u64> {
    use rustix::time::{ClockId, clock_gettime};
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).ok()?;
    Some(seconds * 1000 + u64::try_from(now.tv_nsec).ok()? / 1_000_000)
}

#[cfg(not(target_os = "linux"))]
fn since_boot_ms() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_known_in_the_same_boot_only() {
        let (one, two) = (Boot::named("one"), Boot::named("two"));
        let deadline = Deadline::after(one, 600_000);
        assert!(deadline.left_ms(one, 600_000).is_some_and(|left| left > 500_000));
        assert_eq!(deadline.left_ms(two, 600_000), None);
        assert_eq!(deadline.left_ms(one, 1000), None, "more than it ever was");
        assert_eq!(Deadline::default().left_ms(one, 600_000), None);
        assert_eq!(Deadline { at_ms: 1, ..deadline }.left_ms(one, 600_000), Some(0));
        let mut bytes = [0; 20];
        deadline.encode_into(&mut bytes, 3);
        assert_eq!(Deadline::decode(&bytes, 3), deadline);
        assert_eq!(deadline.later(Deadline::after(one, 700_000)).left_ms(one, 600_000), None);
    }
}

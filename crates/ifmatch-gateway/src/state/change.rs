//! What it means for a start that the run before made other keys, or noted other writes.

use super::Options;
use super::bytes::millis;
use super::clock::{Boot, Deadline};
use super::header::Header;
use super::inner::HOLD_MAX;

/// How a run names resources, and which of their writes it notes: what must not change unseen between two runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Naming {
    /// A hash of everything that decides which turn key a write has, and whether it counts at all.
    pub keys: [u8; 16],
    /// A hash of everything that decides which writes reach the upstream without a slot; zero: none does.
    pub unnoted: [u8; 16],
}

impl Naming {
    /// In files of a version that did not say. No hash comes out as this.
    const UNKNOWN: [u8; 16] = [0; 16];
    const NONE: [u8; 16] = [0; 16];
}

/// What lies between the run before and this one.
#[derive(Default)]
pub(super) struct Change {
    /// Why a new epoch begins, if it does.
    pub(super) reason: Option<&'static str>,
    /// The keys of what is in doubt may not be those that are asked for now.
    pub(super) renamed: bool,
    /// See [`Header::missed`].
    pub(super) missed: bool,
    /// How long writes may still land of which nothing was noted, in ms.
    pub(super) unsure_ms: u64,
}

impl Change {
    pub(super) fn since(before: &Header, options: &Options, boot: Boot) -> Self {
        let (was, is) = (before.naming, options.naming);
        let is_unknown = was.keys == Naming::UNKNOWN;
        let unnoted = is_unknown || was.unnoted != Naming::NONE;
        let killed = unnoted && !before.clean;
        let missed = before.missed || killed;
        let late_ms = before.late_ms.max(millis(options.late_write_max));
        let unsure_ms = match before.unsure {
            _ if killed => late_ms,
            unsure if unsure.is_set() => unsure.left_ms(boot, millis(HOLD_MAX)).unwrap_or(late_ms),
            _ => 0,
        };
        let renamed = was.keys != is.keys;
        let reason = if is_unknown {
            Some("the version of ifmatch before did not note by which settings it named resources")
        } else if renamed {
            Some(
                "the settings that name resources have changed (turn, identity, or which routes count writes), so that \
                 counts from before may be of others",
            )
        } else if was.unnoted != is.unnoted && (missed || unsure_ms > 0) {
            Some(
                "writes on routes that were not guarded before may have been applied unseen, or may still be",
            )
        } else {
            None
        };
        Self { reason, renamed, missed: missed && reason.is_none(), unsure_ms }
    }

    /// What the head of the counters says from now on.
    pub(super) fn unsure(&self, boot: Boot) -> Deadline {
        if self.unsure_ms == 0 { Deadline::default() } else { Deadline::after(boot, self.unsure_ms) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::bytes::{checksum, put};
    use super::super::header::HEADER_BYTES;
    use super::super::{Began, Entry, Kind, RESTART, State};
    use super::*;
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(600);

    fn open(dir: &Path) -> std::sync::Arc<State> {
        let naming = Naming { keys: [1; 16], unnoted: [0; 16] };
        let options =
            Options { counters: 2, in_flight_max: 2, variants_max: 2, late_write_max: LONG, naming };
        State::open_in_boot(dir, "h:1", &options, "one").unwrap()
    }

    /// As a version that knew nothing of this would have written it.
    fn make_old(path: &Path) {
        let mut bytes = fs::read(path).unwrap();
        bytes[8] = 1;
        bytes[49] = 0;
        bytes[608..HEADER_BYTES - 8].fill(0);
        let sum = checksum(&bytes[..HEADER_BYTES - 8]);
        put(&mut bytes, HEADER_BYTES - 8, &sum.to_le_bytes());
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn a_folder_that_does_not_say_how_it_names_resources_opens_with_a_new_epoch() {
        for is_in_doubt in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let state = open(dir.path());
            let (key, kind) = (state.key("/a"), Kind::Exclusive);
            let entry = Entry { key, kind, method: "PUT", target: "/a", also: None, late_write_max: LONG };
            let write = state.begin(&entry).unwrap();
            if is_in_doubt {
                write.doubt(LONG);
            } else {
                write.end(true);
            }
            let epoch = state.epoch();
            state.close();
            drop(state);
            make_old(&dir.path().join("counters"));
            let next = open(dir.path());
            assert!(matches!(next.began(), Began::Anew { .. }) && next.epoch() != epoch);
            let held = next.held(next.key("/other"), kind).map(|held| held.id);
            assert_eq!(held, is_in_doubt.then_some(RESTART));
            drop(next);
            assert_eq!(open(dir.path()).began(), &Began::Kept);
        }
    }
}

//! What a turn key is called in memory, hashed once for all the tables it is looked up in.

use crate::gateway::Gateway;
use crate::state::Key;
use ifmatch_guard::LineKey;
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names that a thread remembers. Past it the one that is in the way is forgotten, and hashed again when it comes back.
const REMEMBERED_MAX: usize = 64;
/// Longest turn key that is remembered, in bytes.
const REMEMBERED_BYTES_MAX: usize = 256;

/// A turn key under all its hashes, each of which is keyed.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub(crate) line: LineKey,
    pub(crate) key: Key,
    pub(crate) watched: u64,
}

impl Name {
    pub(crate) fn text(&self) -> &str {
        self.line.text()
    }
}

/// The names of one gateway.
#[derive(Debug)]
pub(crate) struct Names {
    /// Which gateway: no other of this process has the number.
    gateway: u64,
}

struct Remembered {
    gateway: u64,
    name: Name,
}

thread_local! {
    static REMEMBERED: RefCell<[Option<Remembered>; REMEMBERED_MAX]> =
        const { RefCell::new([const { None }; REMEMBERED_MAX]) };
}

impl Names {
    pub(crate) fn new() -> Self {
        static GATEWAYS: AtomicU64 = AtomicU64::new(0);
        Self { gateway: GATEWAYS.fetch_add(1, Ordering::Relaxed) }
    }

    /// A name that is likely to come again, remembered.
    fn remembered(&self, text: &str, make: impl FnOnce() -> Name) -> Name {
        if text.len() > REMEMBERED_BYTES_MAX {
            return make();
        }
        REMEMBERED.with_borrow_mut(|all| {
            let place = &mut all[place(text)];
            match place {
                Some(known) if known.gateway == self.gateway && known.name.text() == text => {
                    known.name.clone()
                }
                _ => {
                    let name = make();
                    *place = Some(Remembered { gateway: self.gateway, name: name.clone() });
                    name
                }
            }
        })
    }
}

/// Where a name is remembered. Who chooses names that fall together makes himself be hashed every time, which is all.
fn place(text: &str) -> usize {
    let sum = text.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(usize::from(byte)));
    sum % REMEMBERED_MAX
}

impl Gateway {
    /// A turn key under its hashes.
    pub(crate) fn name(&self, text: &str) -> Name {
        let key = self.state.key(text);
        Name { line: LineKey::new(key.short(), Arc::from(text)), key, watched: self.watching.hash(text) }
    }

    /// The same of one that is appended to: of collections there are few, and each is appended to again and again.
    pub(crate) fn name_of_collection(&self, text: &str) -> Name {
        self.names.remembered(text, || self.name(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Origin, Settings};

    fn gateway(folder: &std::path::Path) -> Gateway {
        let upstream = Origin { host: "127.0.0.1".into(), port: 1 };
        Gateway::open(Settings::new(upstream, folder.into())).unwrap()
    }

    #[test]
    fn what_is_remembered_is_what_would_be_made_and_of_no_other_gateway() {
        let folder = tempfile::tempdir().unwrap();
        let gateways = [gateway(&folder.path().join("a")), gateway(&folder.path().join("b"))];
        let long = "/".repeat(REMEMBERED_BYTES_MAX + 1);
        let texts: Vec<String> = (0..3 * REMEMBERED_MAX).map(|n| format!("/{n}")).chain([long]).collect();
        let same = |one: &Name, other: &Name| {
            (&one.line, one.key, one.watched) == (&other.line, other.key, other.watched)
        };
        for text in texts.iter().flat_map(|text| [text, text]) {
            let [first, second] = gateways.each_ref().map(|gateway| {
                let name = gateway.name_of_collection(text);
                assert!(same(&name, &gateway.name(text)), "{text}");
                name
            });
            assert!(first.text() == text && !same(&first, &second));
        }
    }
}

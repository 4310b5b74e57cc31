//! Tables whose keys are keyed hashes already.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A table by keys that are keyed hashes: nobody outside can choose those that fall together, so they are not hashed again.
pub(crate) type ByHash<K, V> = HashMap<K, V, BuildHasherDefault<Given>>;

/// Hands on the hash that a key is.
#[derive(Default, Debug)]
pub(crate) struct Given(u64);

impl Hasher for Given {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    /// Its upper half: tables in parts choose the part by the lowest bits.
    fn write_u128(&mut self, key: u128) {
        self.0 = u64::try_from(key >> 64).unwrap_or(0);
    }
}

//! File descriptors: connections must not take those that the store needs.

use crate::config::ADMIN_CONNECTIONS_MAX;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors kept for the store, the listeners and the event loops, and for the admin pages.
const RESERVED: u64 = 128 + ADMIN_CONNECTIONS_MAX as u64;

/// Raises the process's limit of descriptors as far as the system lets it, and says how many connections may be open at
/// a time: as many as were asked for, or as many as there are descriptors for.
pub(crate) fn admit(connections_max: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let available = if raised.is_ok() { limit.maximum } else { limit.current };
    let admitted = within(connections_max, available);
    if admitted < connections_max {
        tracing::warn!(
            "at most {admitted} connections at a time instead of {connections_max}: the system gives this process {} file \
             descriptors (ulimit -n)",
            available.unwrap_or_default()
        );
    }
    admitted
}

/// `None`: the system sets no limit.
fn within(connections_max: usize, descriptors: Option<u64>) -> usize {
    let Some(descriptors) = descriptors else { return connections_max };
    let left = usize::try_from(descriptors.saturating_sub(RESERVED)).unwrap_or(usize::MAX);
    connections_max.min(left.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_keeps_its_descriptors() {
        assert_eq!(within(10_000, None), 10_000);
        assert_eq!(within(10_000, Some(1 << 20)), 10_000);
        assert_eq!(within(10_000, Some(1024)), 864);
        assert_eq!(within(10_000, Some(16)), 1);
    }
}

//! How long to wait before trying again.

use core::time::Duration;

/// The longest pause before the second try; it doubles with each.
const FIRST_MAX: Duration = Duration::from_millis(50);

/// How often it doubles at most.
const DOUBLINGS_MAX: u32 = 10;

/// How long to wait after so many tries that somebody else was faster in: any time up to a bound that doubles, so that
/// those who met once do not meet again ("full jitter").
pub fn pause(tries: u32) -> Duration {
    let longest = FIRST_MAX * (1 << tries.saturating_sub(1).min(DOUBLINGS_MAX));
    longest.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_have_a_bound_that_doubles() {
        for _ in 0..1000 {
            assert!(
                pause(1) <= FIRST_MAX && pause(4) <= FIRST_MAX * 8 && pause(u32::MAX) <= FIRST_MAX * 1024
            );
        }
    }
}

//! How much a number of rounds proves.
//!
//! A round either lost something or did not; `found` of `of` rounds did. The bounds are those of Clopper and Pearson, one
//! side at a time, at 95 %: exact, and never more certain than they say.

/// How often a bound may be wrong.
const RISK: f64 = 0.05;

/// Halvings of the interval: past it, the steps are finer than a double.
const HALVINGS: u32 = 60;

/// What the true share is at least, with 95 % confidence: 0 to 1. 0 if nothing was tried.
pub fn at_least(found: u32, of: u32) -> f64 {
    let found = found.min(of);
    if found == 0 {
        return 0.0;
    }
    // The share at which so many or more would come in 5 % of all runs. The tail grows with the share.
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if tail(found, of, middle) < RISK { low = middle } else { high = middle }
    }
    low
}

/// What the true share is at most, with 95 % confidence: 0 to 1. 1 if nothing was tried.
pub fn at_most(found: u32, of: u32) -> f64 {
    1.0 - at_least(of - found.min(of), of)
}

/// The chance of `found` or more of `of`, if each has this chance.
fn tail(found: u32, of: u32, chance: f64) -> f64 {
    if chance <= 0.0 {
        return 0.0;
    }
    if chance >= 1.0 {
        return 1.0;
    }
    // Logarithms, since the terms of a thousand rounds are smaller than a double can be.
    let (hit, miss) = (chance.ln(), (1.0 - chance).ln());
    let mut ways = 0.0;
    let mut sum = 0.0;
    for k in 0..=of {
        if k > 0 {
            ways += f64::from(of - k + 1).ln() - f64::from(k).ln();
        }
        if k >= found {
            sum += (ways + f64::from(k) * hit + f64::from(of - k) * miss).exp();
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From tables of the exact binomial interval.
    #[test]
    fn known_values() {
        for (found, of, least, most) in [
            (10, 10, 0.741_134, 1.0),
            (0, 10, 0.0, 0.258_866),
            (0, 100, 0.0, 0.029_513),
            (5, 10, 0.222_441, 0.777_559),
            (1, 10, 0.005_116, 0.394_163),
            (1, 1, 0.05, 1.0),
            (0, 1, 0.0, 0.95),
            (0, 0, 0.0, 1.0),
        ] {
            assert!((at_least(found, of) - least).abs() < 1e-5, "{found}/{of}: {}", at_least(found, of));
            assert!((at_most(found, of) - most).abs() < 1e-5, "{found}/{of}: {}", at_most(found, of));
        }
    }

    #[test]
    fn many_rounds_are_no_trouble() {
        assert!((at_most(0, 100_000) - 2.9957e-5).abs() < 1e-8);
        let half = at_least(5_000, 10_000);
        assert!(0.49 < half && half < 0.5, "{half}");
    }
}

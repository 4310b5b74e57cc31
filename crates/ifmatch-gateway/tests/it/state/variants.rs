//! The table of variants.

use super::*;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, HeaderName, HeaderValue};
use ifmatch_gateway::state::VARIANT_BYTES_MAX;
use std::io::Write;

type Set = Vec<(HeaderName, Option<HeaderValue>)>;

fn accept(value: &str) -> Set {
    vec![(ACCEPT, Some(HeaderValue::from_str(value).unwrap())), (ACCEPT_LANGUAGE, None)]
}

#[test]
fn one_number_for_exactly_one_set() {
    let (_dir, state) = fresh();
    let variants = state.variants();
    assert!(variants.is_empty());
    let a = variants.intern(&accept("a")).unwrap();
    let b = variants.intern(&accept("b")).unwrap();
    assert!(a != b);
    let mut other_order = accept("a");
    other_order.reverse();
    assert_eq!(variants.intern(&other_order), Some(a));
    let empty = vec![(ACCEPT, Some(HeaderValue::from_static(""))), (ACCEPT_LANGUAGE, None)];
    let absent = vec![(ACCEPT, None), (ACCEPT_LANGUAGE, None)];
    assert!(variants.intern(&empty) != variants.intern(&absent));
    assert_eq!(variants.fields(a).unwrap().to_vec(), accept("a"));
    assert_eq!(variants.fields(99), None);
    assert_eq!((variants.len(), variants.refused()), (4, 0));
}

#[test]
fn numbers_survive_a_kill_and_an_unfinished_end_is_cut_off() {
    let (dir, state) = fresh();
    let numbers: Vec<_> =
        ["a", "b", "c"].iter().map(|v| state.variants().intern(&accept(v)).unwrap()).collect();
    let whole = killed(dir.path());
    let bytes = fs::read(whole.path().join("variants")).unwrap();
    let one = (bytes.len() - 32) / 3;
    for cut in 1..=one {
        fs::write(whole.path().join("variants"), &bytes[..bytes.len() - cut]).unwrap();
        let next = open(whole.path());
        assert_eq!(next.variants().len(), 2, "{cut} bytes cut off");
        assert_eq!(next.variants().intern(&accept("b")), Some(numbers[1]));
        assert_eq!(next.variants().intern(&accept("d")), Some(numbers[2]), "the number was never given out");
        drop(next);
        let again = open(whole.path());
        assert_eq!(again.variants().fields(numbers[2]).unwrap().to_vec(), accept("d"));
    }
    for garbage in [&[0; 5][..], &[0; 40], &[0xff; 40], &[0xff; 4000]] {
        fs::write(whole.path().join("variants"), &bytes).unwrap();
        let mut file = fs::OpenOptions::new().append(true).open(whole.path().join("variants")).unwrap();
        file.write_all(garbage).unwrap();
        assert_eq!(open(whole.path()).variants().len(), 3);
    }
}

#[test]
fn what_does_not_fit_is_refused_and_counted() {
    let (_dir, state) = fresh();
    let variants = state.variants();
    assert_eq!(variants.intern(&accept(&"x".repeat(VARIANT_BYTES_MAX))), None);
    for index in 0..8 {
        assert!(variants.intern(&accept(&index.to_string())).is_some());
    }
    assert_eq!(variants.intern(&accept("one more")), None);
    assert!(variants.intern(&accept("3")).is_some(), "known ones are found in a full table");
    assert_eq!((variants.len(), variants.refused()), (8, 2));
}

#[test]
fn a_new_epoch_knows_none() {
    let (dir, state) = fresh();
    let number = state.variants().intern(&accept("a")).unwrap();
    let next = State::open_in_boot(killed(dir.path()).path(), UPSTREAM, &options(), "two").unwrap();
    assert_eq!(next.variants().fields(number), None);
    // Not even if the file is that of another epoch.
    let (other, state) = fresh();
    drop(state);
    fs::copy(dir.path().join("variants"), other.path().join("variants")).unwrap();
    assert!(open(other.path()).variants().is_empty());
}

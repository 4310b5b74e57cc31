//! The table of variants.

use super::*;
use http::header::{ACCEPT, ACCEPT_LANGUAGE, HeaderName, HeaderValue};
use ifmatch_gateway::state::{Fields, NoNumber, VARIANT_BYTES_MAX};
use std::io::Write;
use std::path::PathBuf;

type Set = Vec<(HeaderName, Option<HeaderValue>)>;

fn accept(value: &str) -> Set {
    vec![(ACCEPT, Some(HeaderValue::from_str(value).unwrap())), (ACCEPT_LANGUAGE, None)]
}

fn intern(state: &State, value: &str) -> u32 {
    state.variants().intern(&accept(value)).expect("it is stored")
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join("variants")
}

/// What each of the numbers stands for.
fn known(state: &State, numbers: &[u32]) -> Vec<Option<Fields>> {
    numbers.iter().map(|number| state.variants().fields(*number)).collect()
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
    assert_eq!(variants.intern(&other_order), Ok(a));
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
    let bytes = fs::read(file(&whole)).unwrap();
    let one = (bytes.len() - 32) / 3;
    for cut in 1..=one {
        fs::write(file(&whole), &bytes[..bytes.len() - cut]).unwrap();
        let next = open(whole.path());
        assert_eq!(next.variants().len(), 2, "{cut} bytes cut off");
        assert_eq!(next.variants().intern(&accept("b")), Ok(numbers[1]));
        let d = next.variants().intern(&accept("d")).unwrap();
        assert!(d > numbers[1]);
        drop(next);
        let again = open(whole.path());
        assert_eq!(again.variants().fields(d).unwrap().to_vec(), accept("d"));
    }
    for garbage in [&[0; 5][..], &[0; 40], &[0xff; 40], &[0xff; 4000]] {
        fs::write(file(&whole), &bytes).unwrap();
        let mut at = fs::OpenOptions::new().append(true).open(file(&whole)).unwrap();
        at.write_all(garbage).unwrap();
        assert_eq!(open(whole.path()).variants().len(), 3);
    }
}

#[test]
fn what_is_too_large_is_refused_and_counted() {
    let (_dir, state) = fresh();
    let variants = state.variants();
    assert_eq!(variants.intern(&accept(&"x".repeat(VARIANT_BYTES_MAX))), Err(NoNumber::TooLarge));
    assert_eq!((variants.len(), variants.refused(), variants.evicted()), (0, 1, 0));
}

#[test]
fn a_full_table_keeps_what_is_in_use_and_no_number_comes_back() {
    let (dir, state) = fresh();
    let variants = state.variants();
    let (by_value, by_number) = (intern(&state, "by value"), intern(&state, "by number"));
    let mut given = vec![by_value, by_number];
    for index in 0..24 {
        let number = intern(&state, &index.to_string());
        assert!(number > *given.last().unwrap());
        given.push(number);
        assert_eq!(intern(&state, "by value"), by_value);
        assert_eq!(variants.fields(by_number).unwrap().to_vec(), accept("by number"));
    }
    assert_eq!((variants.len(), variants.refused(), variants.evicted()), (8, 0, 18));
    let gone = known(&state, &given);
    assert!(gone[20..].iter().all(Option::is_some), "the newest are known");
    assert_eq!(gone.iter().filter(|fields| fields.is_none()).count(), 18);

    // What is gone stays so, what is live is kept, the oldest of all too.
    let next = open(killed(dir.path()).path());
    assert_eq!(known(&next, &given), gone);
    assert_eq!(intern(&next, "by value"), by_value);
    let again = intern(&next, "0");
    assert!(again > *given.last().unwrap(), "it has a number of its own, not the one it had");
    assert_eq!(next.variants().fields(given[2]), None);
}

#[test]
fn those_never_used_again_go_first() {
    let (_dir, state) = fresh();
    let in_use: Vec<u32> = (0..4).map(|index| intern(&state, &format!("in use {index}"))).collect();
    // Nobody can push out what others use by asking for ever new ones, each once.
    for index in 0..1000 {
        intern(&state, &index.to_string());
        state.variants().fields(in_use[index % 4]).expect("it is in use");
    }
}

#[test]
fn a_smaller_table_keeps_the_newest() {
    let (dir, state) = fresh();
    let given: Vec<u32> = (0..8).map(|index| intern(&state, &index.to_string())).collect();
    let copy = killed(dir.path());
    let small = open_with(copy.path(), &Options { variants_max: 3, ..options() });
    let is_known = |state: &State| known(state, &given).iter().map(Option::is_some).collect::<Vec<_>>();
    assert_eq!(is_known(&small), [false, false, false, false, false, true, true, true]);
    drop(small);
    assert_eq!(open(copy.path()).variants().len(), 3, "nor do they come back in a larger one");
    let none = open_with(copy.path(), &Options { variants_max: 0, ..options() });
    assert_eq!(
        (none.variants().intern(&accept("a")), none.variants().refused()),
        (Err(NoNumber::NotStored), 1)
    );
}

#[test]
fn the_file_stays_small() {
    const BYTES_MAX: u64 = 64 << 10;
    let (dir, state) = fresh();
    let kept = intern(&state, "kept");
    let mut given = Vec::new();
    for index in 0..100_000 {
        let number = intern(&state, &format!("application/vnd.example.v{index}+json"));
        state.variants().fields(kept).expect("it is in use");
        given.push(number);
        if index % 97 == 0 {
            assert!(fs::metadata(file(&dir)).unwrap().len() <= BYTES_MAX);
        }
    }
    assert!(given.is_sorted_by(|a, b| a < b));
    let next = open(killed(dir.path()).path());
    assert_eq!(known(&next, &given), known(&state, &given));
    assert_eq!(intern(&next, "kept"), kept);
    assert!(intern(&next, "new") > given[99_999]);
}

/// A folder whose file was just written anew, with all numbers given out, and the bytes of that file before and after.
/// What is live is short.
fn written_anew() -> (TempDir, Vec<u32>, Vec<u8>, Vec<u8>) {
    let (dir, state) = fresh();
    let mut given = Vec::new();
    let mut before = fs::read(file(&dir)).unwrap();
    for index in 0.. {
        let filler = if before.len() < 64_000 { "x".repeat(900) } else { String::new() };
        given.push(intern(&state, &format!("{index}{filler}")));
        let after = fs::read(file(&dir)).unwrap();
        if after.len() < before.len() {
            assert!(after.len() < 1000);
            drop(state);
            return (dir, given, before, after);
        }
        before = after;
    }
    unreachable!("it grows for ever")
}

#[test]
fn a_kill_while_the_file_is_written_anew_leaves_the_old_one_or_the_new_one() {
    let (dir, given, before, after) = written_anew();
    let (last, earlier) = given.split_last().unwrap();
    let new = dir.path().join("variants.new");
    fs::write(file(&dir), &before).unwrap();
    let expected = known(&open(killed(dir.path()).path()), &given);
    assert_eq!(expected.iter().flatten().count(), 8);
    for bytes in (0..after.len()).step_by(5).chain([after.len()]) {
        fs::write(file(&dir), &before).unwrap();
        fs::write(&new, &after[..bytes]).unwrap();
        let state = open(dir.path());
        assert_eq!(known(&state, earlier), expected[..earlier.len()], "{bytes}");
        assert!(intern(&state, "next") >= *last);
    }
    // It has the name; the frame that is appended next is not there, or not whole.
    let one = u32::from_le_bytes(after[32..36].try_into().unwrap()) as usize + 20;
    for cut in 0..=one {
        fs::write(file(&dir), &after[..after.len() - cut]).unwrap();
        let state = open(dir.path());
        if cut > 0 {
            assert_eq!(known(&state, earlier), expected[..earlier.len()], "{cut}");
        }
        assert!(intern(&state, "next") >= *last);
    }
}

#[test]
fn a_file_that_cannot_be_written_anew_keeps_nobody_from_starting() {
    let (dir, state) = fresh();
    let given: Vec<_> = ["a", "b", "c"].map(|value| intern(&state, value)).into();
    drop(state);
    // Nothing can be made where the new one would be.
    let new = dir.path().join("variants.new");
    fs::create_dir(&new).unwrap();
    let whole = fs::read(file(&dir)).unwrap();
    // What a killed process did not finish is cut off in place.
    fs::write(file(&dir), &whole[..whole.len() - 1]).unwrap();
    let next = open(dir.path());
    assert_eq!(known(&next, &given).iter().flatten().count(), 2);
    let fourth = intern(&next, "d");
    assert!(fourth > given[2]);
    drop(next);
    let again = open(dir.path());
    assert_eq!((intern(&again, "d"), intern(&again, "b")), (fourth, given[1]));
    drop(again);
    // A file that is of no use can only be written anew: until then nothing is given out, and what is written is written.
    for foreign in [&b"something else"[..], b""] {
        fs::write(file(&dir), foreign).unwrap();
        let state = open(dir.path());
        assert_eq!(state.variants().intern(&accept("a")), Err(NoNumber::NotStored));
        exclusive(&state, "/a").end(true);
        fs::remove_dir(&new).unwrap();
        let number = intern(&state, "a");
        fs::create_dir(&new).unwrap();
        drop(state);
        assert_eq!(intern(&open(dir.path()), "a"), number);
    }
}

#[test]
fn a_smaller_table_that_cannot_be_written_anew_is_smaller_all_the_same() {
    let (dir, state) = fresh();
    let given: Vec<_> = ["a", "b", "c", "d"].map(|value| intern(&state, value)).into();
    drop(state);
    fs::create_dir(dir.path().join("variants.new")).unwrap();
    let two = open_with(dir.path(), &Options { variants_max: 2, ..options() });
    assert_eq!(known(&two, &given[..2]), [None, None]);
    assert_eq!(intern(&two, "d"), given[3]);
    let again = intern(&two, "a");
    assert!(again > given[3]);
    drop(two);
    let all = open(dir.path());
    assert_eq!((intern(&all, "a"), intern(&all, "d")), (again, given[3]));
    (0..20).for_each(|index| _ = intern(&all, &index.to_string()));
    assert_eq!(all.variants().fields(again), None);
}

#[test]
fn no_damage_brings_a_number_back() {
    let (dir, given, _, after) = written_anew();
    let expected = known(&open(killed(dir.path()).path()), &given);
    let is_good = |what: &str| {
        let state = open(dir.path());
        for (found, expected) in known(&state, &given).iter().zip(&expected) {
            assert!(found.is_none() || expected.is_none() || found == expected, "{what}");
        }
        let next = intern(&state, "next");
        assert!(next > *given.last().unwrap(), "{what}: {next}");
        drop(state);
        let again = open(dir.path());
        assert_eq!(intern(&again, "next"), next, "{what}");
        assert!(intern(&again, "another") > next, "{what}");
    };
    // The head, the first frame and more, the last one and more.
    for at in (0..150).chain(after.len() - 100..after.len()) {
        let mut damaged = after.clone();
        damaged[at] ^= 0x41;
        fs::write(file(&dir), &damaged).unwrap();
        is_good(&format!("byte {at}"));
    }
    for bytes in 0..32 {
        fs::write(file(&dir), &after[..bytes]).unwrap();
        is_good(&format!("{bytes} bytes"));
    }
    fs::remove_file(file(&dir)).unwrap();
    is_good("missing");
}

#[test]
fn many_threads_agree_on_every_number() {
    let (dir, state) = fresh();
    let seen: Vec<(u32, Set)> = std::thread::scope(|scope| {
        let one = |thread: usize| {
            let state = &state;
            move || {
                let mut seen = Vec::new();
                for index in 0..3000 {
                    let set = accept(&format!("{}", (index * (thread + 1)) % 40));
                    let number = state.variants().intern(&set).unwrap();
                    let found = state.variants().fields(number);
                    assert!(found.is_none_or(|found| *found == set[..]));
                    seen.push((number, set));
                }
                seen
            }
        };
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(one(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut sets = std::collections::HashMap::new();
    for (number, set) in &seen {
        assert_eq!(sets.entry(*number).or_insert(set), &set, "one number, two sets");
    }
    assert_eq!((state.variants().len(), state.variants().refused()), (8, 0));
    let numbers: Vec<u32> = sets.keys().copied().collect();
    assert_eq!(known(&open(killed(dir.path()).path()), &numbers), known(&state, &numbers));
}

#[test]
fn after_the_end_in_good_order_none_is_added_that_a_power_loss_could_take() {
    let (dir, state) = fresh();
    let a = intern(&state, "a");
    state.close();
    assert_eq!(
        (state.variants().intern(&accept("b")), state.variants().intern(&accept("a"))),
        (Err(NoNumber::NotStored), Ok(a))
    );
    let next = State::open_in_boot(killed(dir.path()).path(), UPSTREAM, &options(), "two").unwrap();
    assert_eq!((next.epoch(), intern(&next, "a")), (state.epoch(), a));
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

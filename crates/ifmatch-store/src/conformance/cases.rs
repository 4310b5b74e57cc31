//! The cases of the suite, each on an empty engine.

use ifmatch_core::{Expected, HttpDate, Revision};

use super::Bench;
use crate::{
    CHANGES_MAX, CONTENT_BYTES_MAX, Committed, Document, Head, Item, KEY_BYTES_MAX, MEDIA_BYTES_MAX, Media,
    Snapshot, Stamp, Store, StoreError, Transaction,
};

type Case<S> = (&'static str, fn(&Bench<S>));

pub(super) fn all<S: Store>() -> Vec<Case<S>> {
    vec![
        ("an empty store", empty),
        ("the incarnation has its form", incarnation),
        ("octets and metadata come back as given", round_trip),
        ("expectations are compared with what is current", expectations),
        ("revisions are never used again", revisions),
        ("deletes leave tombstones", deletes),
        ("a transaction is all or nothing", all_or_nothing),
        ("expectations are about the state before the transaction", before),
        ("checks are conditions without a change", checks),
        ("collections move with their direct members", collections),
        ("listings have direct members in order", listings),
        ("listings are read in pages", pages),
        ("dates name one state each", dates),
        ("time does not step back", time),
        ("limits are kept", limits),
        ("owners are told only while they are", owners),
        ("an unpolled commit does nothing", unpolled),
    ]
}

const ANY: Expected = Expected::Any;
const ABSENT: Expected = Expected::Absent;

fn exactly(stamp: Stamp) -> Expected {
    Expected::Exactly(stamp.revision)
}

fn empty<S: Store>(b: &Bench<S>) {
    assert_eq!(b.ok(b.store.read("/a")), Snapshot::Absent);
    assert_eq!(b.ok(b.store.stamp("/a")), Head::Absent);
    assert_eq!(b.collection("/"), Revision(0));
    assert!(b.listed("/", 10).is_empty());
    assert_eq!(b.ok(b.store.owner(Revision(0))), None);
    assert!(b.done(Transaction::new()).is_empty(), "{}: nothing to do is done", b.name);
    assert_eq!(b.put("/a", ABSENT).revision, Revision(1), "{}: the first revision is 1", b.name);
}

fn incarnation<S: Store>(b: &Bench<S>) {
    let name = b.store.incarnation();
    assert_eq!(name.len(), 13, "{}", b.name);
    assert!(name.bytes().all(|c| matches!(c, b'a'..=b'z' | b'2'..=b'7')), "{}: {name}", b.name);
}

fn round_trip<S: Store>(b: &Bench<S>) {
    let media = Media {
        content_type: Some("Text/Plain ; charset=\u{e9}".to_owned()),
        content_encoding: Some(String::new()),
        content_language: Some("de, en".to_owned()),
    };
    let octets = |length: usize| (0..length).map(|at| (at * 7 % 251).to_le_bytes()[0]).collect::<Vec<_>>();
    let lengths = [0, 1, 100, 3_900, 4_000, 4_061, 4_096, 5_000, 70_000, 1 << 20];
    for (media, length) in lengths.into_iter().flat_map(|n| [(media.clone(), n), (Media::default(), n)]) {
        let document = Document { content: octets(length).into(), media };
        let stamp = b.done(Transaction::new().put("/a", ANY, document.clone()))[0];
        assert_eq!(b.ok(b.store.read("/a")), Snapshot::Present { stamp, document }, "{}: {length}", b.name);
        assert_eq!(b.current("/a"), Some(stamp));
    }
    let odd = "/\u{1f980} %2F'\"\\;--?*[x]";
    let stamp = b.put(odd, ABSENT);
    assert_eq!(b.current(odd), Some(stamp));
}

fn expectations<S: Store>(b: &Bench<S>) {
    let put = |expected| Transaction::new().put("/a", expected, Document::new("x"));
    let delete = |expected| Transaction::new().delete("/a", expected);
    for never in [Revision(0), Revision(1), Revision(u64::MAX)] {
        b.refused(put(Expected::Exactly(never)), "/a", None);
        b.refused(delete(Expected::Exactly(never)), "/a", None);
    }
    let first = b.put("/a", ABSENT);
    for expected in [ABSENT, Expected::Exactly(Revision(0)), Expected::Exactly(Revision(u64::MAX))] {
        b.refused(put(expected), "/a", Some(first));
        b.refused(delete(expected), "/a", Some(first));
    }
    let second = b.put("/a", exactly(first));
    b.refused(put(exactly(first)), "/a", Some(second));
    b.refused(delete(exactly(first)), "/a", Some(second));
    let third = b.put("/a", ANY);
    assert_eq!(b.current("/a"), Some(third));
}

fn revisions<S: Store>(b: &Bench<S>) {
    let mut last = Revision(0);
    let mut next = |stamp: Stamp| {
        assert!(stamp.revision > last, "{}: {} after {last}", b.name, stamp.revision);
        last = stamp.revision;
        stamp
    };
    for _ in 0..3 {
        let there = next(b.put("/a", ABSENT));
        next(b.put("/b", ANY));
        let there = next(b.put("/a", exactly(there)));
        b.refused(Transaction::new().put("/a", ABSENT, Document::new("")), "/a", Some(there));
        next(b.delete("/a", exactly(there)));
    }
}

fn deletes<S: Store>(b: &Bench<S>) {
    for expected in [ANY, ABSENT] {
        b.refused(Transaction::new().delete("/a", expected), "/a", None);
        assert_eq!(b.ok(b.store.read("/a")), Snapshot::Absent, "{}: no tombstone for what never was", b.name);
    }
    let there = b.put("/a", ABSENT);
    let gone = b.delete("/a", exactly(there));
    assert_eq!(b.ok(b.store.read("/a")), Snapshot::Deleted(gone));
    assert_eq!(b.ok(b.store.stamp("/a")), Head::Deleted(gone));
    assert!(b.listed("/", 10).is_empty());
    for stale in [there, gone] {
        b.refused(Transaction::new().put("/a", exactly(stale), Document::new("")), "/a", None);
    }
    b.refused(Transaction::new().delete("/a", ANY), "/a", None);
    let again = b.put("/a", ABSENT);
    assert!(again.last_modified > gone.last_modified, "{}: the tombstone's date counts", b.name);
    b.refused(Transaction::new().put("/a", exactly(there), Document::new("")), "/a", Some(again));
}

fn all_or_nothing<S: Store>(b: &Bench<S>) {
    let there = b.put("/c/there", ABSENT);
    let before = b.collection("/c/");
    let document = || Document::new("new");
    let half = Transaction::new()
        .put("/c/a", ABSENT, document())
        .delete("/c/there", exactly(there))
        .put("/d/b", Expected::Exactly(Revision(99)), document())
        .put("/c/c", ABSENT, document());
    b.refused(half, "/d/b", None);
    assert_eq!(b.current("/c/there"), Some(there));
    for absent in ["/c/a", "/d/b", "/c/c"] {
        assert_eq!(b.ok(b.store.read(absent)), Snapshot::Absent, "{}: {absent}", b.name);
    }
    assert_eq!(b.collection("/c/"), before);
    assert_eq!(b.collection("/d/"), Revision(0));
    let stamps =
        b.done(Transaction::new().put("/c/a", ABSENT, document()).delete("/c/there", exactly(there)).put(
            "/d/b",
            ABSENT,
            document(),
        ));
    assert_eq!(stamps.len(), 3);
    assert!(stamps.is_sorted_by(|a, b| a.revision < b.revision), "{}: each change its own revision", b.name);
    assert_eq!(stamps[0].revision, Revision(there.revision.0 + 1), "{}: a refusal uses no revision", b.name);
    assert_eq!(b.current("/c/a"), Some(stamps[0]));
    assert_eq!(b.ok(b.store.read("/c/there")), Snapshot::Deleted(stamps[1]));
    assert_eq!(b.collection("/c/"), stamps[1].revision);
    assert_eq!(b.collection("/d/"), stamps[2].revision);
}

fn before<S: Store>(b: &Bench<S>) {
    let there = b.put("/a", ABSENT);
    let above = b.collection("/");
    let own = Transaction::new()
        .check("/a", exactly(there))
        .check("/b", ABSENT)
        .check("/", Expected::Exactly(above))
        .put("/b", ABSENT, Document::new(""))
        .put("/a", exactly(there), Document::new(""));
    assert_eq!(b.done(own).len(), 2);
}

fn checks<S: Store>(b: &Bench<S>) {
    let there = b.put("/a", ABSENT);
    assert!(b.done(Transaction::new().check("/a", exactly(there)).check("/b", ABSENT)).is_empty());
    b.refused(Transaction::new().check("/a", ABSENT), "/a", Some(there));
    b.refused(Transaction::new().check("/b", exactly(there)), "/b", None);
    let guarded = |check: Expected| Transaction::new().check("/a", check).put("/b", ANY, Document::new("x"));
    b.refused(guarded(Expected::Exactly(Revision(99))), "/a", Some(there));
    assert_eq!(b.ok(b.store.read("/b")), Snapshot::Absent);
    b.done(guarded(exactly(there)));
    let first = Transaction::new().check("/x", exactly(there)).put("/a", ABSENT, Document::new("x"));
    b.refused(first, "/x", None);
}

fn collections<S: Store>(b: &Bench<S>) {
    let nothing = Some(Stamp { revision: Revision(0), last_modified: HttpDate::from_unix(0) });
    b.refused(Transaction::new().check("/c/", ABSENT), "/c/", nothing);
    assert!(
        b.done(Transaction::new().check("/c/", Expected::Exactly(Revision(0))).check("/c/", ANY)).is_empty()
    );
    let first = b.put("/c/a", ABSENT);
    assert_eq!(b.collection("/c/"), first.revision);
    assert_eq!(b.collection("/"), Revision(0), "{}: one level only", b.name);
    let deeper = b.put("/c/d/e", ABSENT);
    assert_eq!(b.collection("/c/"), first.revision, "{}: one level only", b.name);
    assert_eq!(b.collection("/c/d/"), deeper.revision);
    let seen = Expected::Exactly(first.revision);
    let unchanged = Transaction::new().check("/c/", seen).put("/c/b", ABSENT, Document::new(""));
    let second = b.done(unchanged.clone())[0];
    assert_eq!(b.collection("/c/"), second.revision);
    b.refused(unchanged, "/c/", Some(second));
    let gone = b.delete("/c/a", ANY);
    assert_eq!(b.collection("/c/"), gone.revision, "{}: a deletion is a change", b.name);
    let above = Stamp { revision: gone.revision, last_modified: second.last_modified };
    b.refused(Transaction::new().check("/c/", ABSENT), "/c/", Some(above));
    let invalid = b.store.collection("/c").map_err(|error| error.applied());
    assert_eq!(invalid, Err(Some(false)), "{}: not a collection", b.name);
}

fn listings<S: Store>(b: &Bench<S>) {
    for key in [
        "/c/b",
        "/c/a",
        "/c/a/x",
        "/c/a!",
        "/c/a0",
        "/c/b/1/2/3",
        "/c/b/1",
        "/c0",
        "/b",
        "/c/\u{e9}",
        "/c//x",
    ] {
        b.put(key, ABSENT);
    }
    b.delete("/c/b", ANY);
    for page in [1, 2, 3, 100] {
        assert_eq!(b.listed("/c/", page), ["/c/a", "/c/a!", "/c/a0", "/c/\u{e9}"], "{}", b.name);
        assert_eq!(b.listed("/", page), ["/b", "/c0"], "{}", b.name);
        assert_eq!(b.listed("/c/a/", page), ["/c/a/x"], "{}", b.name);
        assert_eq!(b.listed("/c//", page), ["/c//x"], "{}", b.name);
        assert!(b.listed("/nothing/", page).is_empty());
    }
    let document = Document::new("12345").with_content_type("text/plain");
    let stamp = b.done(Transaction::new().put("/one/x", ABSENT, document))[0];
    let item = Item {
        key: "/one/x".to_owned(),
        revision: stamp.revision,
        content_type: Some("text/plain".to_owned()),
        content_bytes: 5,
    };
    let listing = b.ok(b.store.list("/one/", None, 1));
    assert_eq!(
        (listing.items, listing.next),
        (vec![item], None),
        "{}: nothing more, so no next page",
        b.name
    );
}

fn pages<S: Store>(b: &Bench<S>) {
    let keys: Vec<String> = (0..25).map(|at| format!("/c/{at:02}")).collect();
    let every = keys.iter().fold(Transaction::new(), |t, key| t.put(key, ABSENT, Document::new("")));
    b.done(every);
    assert_eq!(b.listed("/c/", 10), keys, "{}", b.name);
    assert_eq!(b.listed("/c/", 5), keys, "{}", b.name);
    let page = |after: &str| b.ok(b.store.list("/c/", Some(after), 3)).items;
    assert_eq!(page("/c/10").first().map(|item| item.key.as_str()), Some("/c/11"));
    assert_eq!(
        page("/c/1").first().map(|item| item.key.as_str()),
        Some("/c/10"),
        "{}: need not exist",
        b.name
    );
    assert_eq!(page("/a").first().map(|item| item.key.as_str()), Some("/c/00"), "{}: lies before", b.name);
    assert!(page("/c/24").is_empty() && page("/d").is_empty(), "{}: lies behind", b.name);
    assert_eq!(b.ok(b.store.list("/c/", None, 0)).items.len(), 1, "{}: at least one", b.name);
}

fn dates<S: Store>(b: &Bench<S>) {
    let now = b.store.now();
    let first = b.put("/a", ABSENT);
    assert_eq!(first.last_modified, now.plus_seconds(1), "{}: the next whole second", b.name);
    let second = b.put("/a", ANY);
    let third = b.delete("/a", ANY);
    let fourth = b.put("/a", ABSENT);
    let dates = [first, second, third, fourth].map(|stamp| stamp.last_modified);
    assert_eq!(dates, [1, 2, 3, 4].map(|seconds| now.plus_seconds(seconds)), "{}", b.name);
    assert_eq!(b.put("/b", ABSENT).last_modified, now.plus_seconds(1), "{}: each key for itself", b.name);
    b.time.pass(100);
    assert_eq!(b.put("/a", ANY).last_modified, now.plus_seconds(101), "{}", b.name);
}

fn time<S: Store>(b: &Bench<S>) {
    let now = b.time.now();
    assert_eq!(b.store.now(), now, "{}", b.name);
    b.time.pass(-500);
    assert_eq!(b.store.now(), now, "{}", b.name);
    assert_eq!(b.put("/a", ABSENT).last_modified, now.plus_seconds(1), "{}", b.name);
    b.time.pass(501);
    assert_eq!(b.store.now(), now.plus_seconds(1), "{}", b.name);
}

fn limits<S: Store>(b: &Bench<S>) {
    let refuse = |transaction: Transaction, wanted: fn(&StoreError) -> bool| match super::block_on(
        b.store.commit(transaction),
    ) {
        Err(error) => {
            assert!(wanted(&error), "{}: {error}", b.name);
            assert_eq!(error.applied(), Some(false), "{}: {error}", b.name);
        }
        Ok(committed) => b.fail(&format!("committed: {committed:?}")),
    };
    let put = |key: &str, document| Transaction::new().put(key, ANY, document);
    let small = || Document::new("x");
    for key in ["", "a", "/a/", "/", "/a\n", &"/a".repeat(KEY_BYTES_MAX)] {
        refuse(put(key, small()), |error| matches!(error, StoreError::InvalidKey { .. }));
        assert!(b.store.read(key).is_err() && b.store.stamp(key).is_err(), "{}: {key}", b.name);
    }
    refuse(Transaction::new().check("a", ANY), |error| matches!(error, StoreError::InvalidKey { .. }));
    let longest = format!("/{}", "k".repeat(KEY_BYTES_MAX - 1));
    b.put(&longest, ABSENT);
    assert_eq!(b.listed("/", 10), [longest]);

    let large = Document::new(vec![7; CONTENT_BYTES_MAX + 1]);
    refuse(put("/a", large), |error| matches!(error, StoreError::ContentTooLarge { .. }));
    let wordy = small().with_content_type("x".repeat(MEDIA_BYTES_MAX + 1));
    refuse(put("/a", wordy), |error| matches!(error, StoreError::MediaTooLarge { .. }));
    refuse(put("/a", small()).delete("/a", ANY), |error| matches!(error, StoreError::ChangedTwice { .. }));
    let many =
        |count: usize| (0..count).fold(Transaction::new(), |t, at| t.put(format!("/m/{at}"), ANY, small()));
    refuse(many(CHANGES_MAX + 1), |error| matches!(error, StoreError::TooManyChanges { .. }));
    assert_eq!(b.done(many(CHANGES_MAX)).len(), CHANGES_MAX);
    assert_eq!(b.current("/a"), None);
}

fn owners<S: Store>(b: &Bench<S>) {
    let old = b.put("/a", ABSENT);
    let new = b.put("/a", ANY);
    let other = b.put("/b", ABSENT);
    let owner = |stamp: Stamp| b.ok(b.store.owner(stamp.revision));
    assert_eq!(owner(old), None, "{}: no longer", b.name);
    assert_eq!(owner(new).as_deref(), Some("/a"), "{}", b.name);
    assert_eq!(owner(other).as_deref(), Some("/b"), "{}", b.name);
    assert_eq!(owner(b.delete("/b", ANY)), None, "{}: a tombstone is nobody's current state", b.name);
    assert_eq!(b.ok(b.store.owner(Revision(u64::MAX))), None);
}

fn unpolled<S: Store>(b: &Bench<S>) {
    drop(b.store.commit(Transaction::new().put("/a", ABSENT, Document::new(""))));
    assert!(matches!(b.commit(Transaction::new().check("/a", ABSENT)), Committed::Done(_)), "{}", b.name);
}

//! The example does what it says: over sockets, through axum.

#[allow(dead_code, reason = "its main prints what is asserted here")]
#[path = "../../examples/counter.rs"]
mod counter;

const WRITERS: usize = 6;
const INCREMENTS: usize = 5;

#[tokio::test]
async fn with_the_layer_every_acknowledged_increment_is_visible() {
    let tally = counter::race(true, WRITERS, INCREMENTS).await.unwrap();
    assert_eq!(tally.acknowledged, (WRITERS * INCREMENTS) as u64);
    assert_eq!(tally.visible, tally.acknowledged);
    // All had read the same version before the first one wrote.
    assert!(tally.stale >= WRITERS as u64 - 1);
}

#[tokio::test]
async fn without_it_some_are_lost() {
    let tally = counter::race(false, WRITERS, INCREMENTS).await.unwrap();
    assert_eq!((tally.acknowledged, tally.stale), ((WRITERS * INCREMENTS) as u64, 0));
    // All wrote 1 first.
    assert!(tally.visible <= tally.acknowledged - (WRITERS as u64 - 1), "{tally:?}");
}

//! Changes as functions.

use super::{Order, order, right, start, stored, write};
use ifmatch_client::{Client, Error, Put, TRIES_MAX};
use ifmatch_testkit::upstream::{Course, Habits, Point, Scripted, Shows};
use serde_json::{Value, json};

/// Somebody else writes between the read and the first write of an update.
async fn update_meanwhile(upstream: &Scripted, client: &Client) -> Result<(), Error> {
    write(upstream, "/a", &json!({ "status": "open", "count": 1 }));
    let mut calls = 0;
    client
        .update("/a", |order: &mut Order| {
            calls += 1;
            if calls == 1 {
                write(upstream, "/a", &json!({ "status": "shipped", "count": 1 }));
            }
            order.count += 1;
        })
        .await
        .map(drop)
}

#[tokio::test]
async fn an_update_is_made_anew_on_what_somebody_else_wrote() {
    let (upstream, client) = start(right());
    update_meanwhile(&upstream, &client).await.unwrap();
    assert_eq!(stored(&upstream, "/a"), json!({ "status": "shipped", "count": 2 }));
    assert_eq!((upstream.count("GET"), upstream.count("PUT")), (2, 2));
}

#[tokio::test]
async fn where_conditions_are_ignored_the_same_update_is_lost() {
    let (upstream, client) = start(Habits { evaluates: false, ..right() });
    update_meanwhile(&upstream, &client).await.unwrap();
    assert_eq!(stored(&upstream, "/a"), json!({ "status": "open", "count": 2 }));
}

#[tokio::test]
async fn of_two_clients_that_race_none_loses() {
    const EACH: u64 = 10;
    let (upstream, _) = start(right());
    write(&upstream, "/a", &json!({ "status": "open", "count": 0 }));
    // Who gives up after five tries tries again: the server refuses, and nothing is lost by that.
    let writer = |client: Client| async move {
        let mut done = 0;
        while done < EACH {
            match client.update("/a", |order: &mut Order| order.count += 1).await {
                Ok(_) => done += 1,
                Err(Error::Conflict(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
    };
    let (one, other) = (Client::new(&upstream.url()).unwrap(), Client::new(&upstream.url()).unwrap());
    tokio::join!(writer(one), writer(other));
    assert_eq!(stored(&upstream, "/a"), json!({ "status": "open", "count": 2 * EACH }));
}

#[tokio::test]
async fn an_update_gives_up_and_shows_the_three_sides() {
    let (upstream, client) = start(right());
    write(&upstream, "/a", &json!({ "status": "open", "count": 0 }));
    let mut calls = 0;
    let error = client
        .update("/a", |order: &mut Order| {
            calls += 1;
            write(&upstream, "/a", &json!({ "status": format!("by them {calls}"), "count": 0 }));
            order.count += 1;
        })
        .await
        .unwrap_err();
    let Error::Conflict(sides) = error else { panic!("{error}") };
    assert_eq!((calls, upstream.count("PUT")), (TRIES_MAX, 5));
    let conflict = sides.typed::<Order>().unwrap();
    assert_eq!(conflict.base().value(), &order("by them 4", 0));
    assert_eq!(conflict.mine(), &order("by them 4", 1));
    assert_eq!(conflict.current().value(), &order("by them 5", 0));
    assert_eq!(conflict.merge().unwrap(), order("by them 5", 1));
    assert!(!conflict.is_self_conflict());
}

#[tokio::test]
async fn an_update_that_changes_nothing_writes_nothing() {
    let (upstream, client) = start(right());
    write(&upstream, "/a", &json!({ "status": "open", "count": 0, "more": 1.50 }));
    let read = client.update("/a", |_: &mut Order| {}).await.unwrap();
    assert_eq!(read.value(), &order("open", 0));
    assert_eq!(upstream.count("PUT"), 0);
}

#[tokio::test]
async fn what_the_type_does_not_know_stays() {
    let (upstream, client) = start(right());
    let text = r#"{"more":{"z":1,"a":12345678901234567890.50},"status":"open","count":0,"list":[{"x":1}]}"#;
    upstream.set("/a", text.as_bytes());
    let saved = client.update("/a", |order: &mut Order| order.count = 7).await.unwrap();
    assert_eq!(upstream.text("/a").unwrap(), text.replace("\"count\":0", "\"count\":7"));
    assert_eq!(saved.json()["list"], json!([{ "x": 1 }]));
}

#[tokio::test]
async fn an_array_that_the_type_knows_in_part_is_not_changed() {
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Line {
        quantity: u64,
    }
    #[derive(Debug, serde::Serialize, serde::Deserialize)]
    struct Lines {
        lines: Vec<Line>,
    }
    let (upstream, client) = start(right());
    write(&upstream, "/a", &json!({ "lines": [{ "quantity": 1, "sku": "A1" }] }));
    let error = client.update("/a", |order: &mut Lines| order.lines[0].quantity = 2).await.unwrap_err();
    assert!(matches!(&error, Error::Drops { paths } if paths == &["/lines"]), "{error}");
    assert_eq!(upstream.count("PUT"), 0);
}

#[tokio::test]
async fn a_conflict_is_merged_over_what_is_there() {
    let (upstream, client) = start(right());
    write(&upstream, "/a", &json!({ "status": "open", "count": 1 }));
    let read = client.get::<Order>("/a").await.unwrap();
    write(&upstream, "/a", &json!({ "status": "open", "count": 2, "note": "theirs" }));
    let Put::Conflict(conflict) = client.put(&read, &order("shipped", 1)).await.unwrap() else { panic!() };
    assert!(conflict.overlap().is_empty());
    let merged = conflict.merge().unwrap();
    let saved = client.put(conflict.current(), &merged).await.unwrap().saved().unwrap();
    let expected = json!({ "status": "shipped", "count": 2, "note": "theirs" });
    assert_eq!(stored(&upstream, "/a"), expected);
    assert_eq!(saved.json(), &expected);
    // The version of its own answer goes on.
    assert!(matches!(client.put(&saved, &order("done", 2)).await.unwrap(), Put::Saved(_)));
}

#[tokio::test]
async fn what_both_changed_is_told() {
    let (upstream, client) = start(right());
    write(&upstream, "/a", &json!({ "status": "open", "count": 1 }));
    let read = client.get::<Order>("/a").await.unwrap();
    let first = client.put(&read, &order("shipped", 1)).await.unwrap().saved().unwrap();
    let Put::Conflict(conflict) = client.put(&read.clone(), &order("cancelled", 1)).await.unwrap() else {
        panic!()
    };
    assert_eq!(conflict.overlap(), ["/status"]);
    assert_eq!(conflict.merge().unwrap_err().paths(), ["/status"]);
    assert!(conflict.is_self_conflict(), "{first:?}");
}

#[tokio::test]
async fn a_version_that_was_refused_is_not_sent_again() {
    let (upstream, client) = start(right());
    write(&upstream, "/a", &json!({ "status": "open", "count": 1 }));
    let read = client.get::<Order>("/a").await.unwrap();
    let kept = read.clone();
    write(&upstream, "/a", &json!({ "status": "open", "count": 2 }));
    assert!(matches!(client.put(&read, &order("x", 1)).await.unwrap(), Put::Conflict(_)));
    assert!(kept.etag().is_none());
    let error = client.put(&kept, &order("x", 1)).await.unwrap_err();
    assert!(matches!(error, Error::NoVersion(_)), "{error}");
    assert_eq!(upstream.count("PUT"), 1);
}

#[tokio::test]
async fn a_lost_answer_is_unknown_and_nothing_is_sent_again() {
    for point in [Point::Content, Point::Applied, Point::AnswerHead] {
        let (upstream, client) = start(right());
        write(&upstream, "/a", &json!({ "status": "open", "count": 1 }));
        upstream.next("PUT", "/a", Course::cut_at(point));
        let error = client.update("/a", |order: &mut Order| order.count += 1).await.unwrap_err();
        assert!(matches!(error, Error::Unknown(_)), "{point:?}: {error}");
        assert!(error.to_string().contains("Nobody can say"), "{error}");
        assert_eq!(upstream.count("PUT"), 1);
    }
}

#[tokio::test]
async fn what_is_deleted_meanwhile_is_gone() {
    let (upstream, client) = start(right());
    write(&upstream, "/a", &json!({ "status": "open", "count": 1 }));
    let read = client.get::<Order>("/a").await.unwrap();
    upstream.remove("/a");
    // RFC 9110: If-Match on nothing is 412, and then there is nothing to read.
    upstream.next("PUT", "/a", Course::status(412));
    assert!(matches!(client.put(&read, &order("x", 1)).await.unwrap_err(), Error::Gone { .. }));
    let error = client.update("/a", |_: &mut Value| {}).await.unwrap_err();
    assert!(matches!(error, Error::Refused(refusal) if refusal.status() == 404));
}

#[tokio::test]
async fn an_answer_without_a_tag_is_not_looked_up() {
    let (upstream, client) = start(Habits { shows: Shows::Nothing, ..right() });
    write(&upstream, "/a", &json!({ "status": "open", "count": 1 }));
    let saved = client.update("/a", |order: &mut Order| order.count += 1).await.unwrap();
    assert!(saved.etag().is_none());
    let error = client.put(&saved, &order("x", 1)).await.unwrap_err();
    assert!(error.to_string().contains("names no new version"), "{error}");
    assert_eq!((upstream.count("GET"), upstream.count("PUT")), (1, 1));
}

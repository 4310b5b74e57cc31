//! What can be sent back, and what cannot.

use super::{Order, order, right, start, stored, write};
use ifmatch_client::wire::Access;
use ifmatch_client::{Client, Error, NoVersion};
use ifmatch_testkit::upstream::{Cache, Course, Habits, Scripted, Tags};
use serde_json::{Value, json};

const T: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const LATER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

async fn refused(habits: Habits) -> NoVersion {
    let (upstream, client) = start(habits);
    write(&upstream, "/a", &json!({ "status": "open", "count": 1 }));
    let error = client.update("/a", |order: &mut Order| order.count += 1).await.unwrap_err();
    let read = client.get::<Order>("/a").await.unwrap();
    assert!(client.put(&read, &order("x", 1)).await.is_err() && client.delete(&read).await.is_err());
    assert!(client.patch(&read, &json!({ "count": 2 })).await.is_err());
    assert_eq!(upstream.writes(), 1, "the test's own");
    assert_eq!(upstream.count("PUT") + upstream.count("PATCH") + upstream.count("DELETE"), 0);
    match error {
        Error::NoVersion(why) => why,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn what_cannot_be_sent_back_is_not_written() {
    let fixed = |tag: &str| Habits { tags: Tags::Fixed(tag.to_owned()), ..right() };
    assert!(matches!(refused(Habits { tags: Tags::Weak, ..right() }).await, NoVersion::Weak(_)));
    assert!(matches!(refused(fixed("unquoted")).await, NoVersion::Malformed(_)));
    let bare = Habits { tags: Tags::Absent, is_undated: true, ..right() };
    assert_eq!(refused(bare).await, NoVersion::Absent);
    let fields = vec![("Last-Modified".to_owned(), T.to_owned()), ("Date".to_owned(), T.to_owned())];
    let fresh = Habits { tags: Tags::Absent, is_undated: true, fields, ..right() };
    assert_eq!(refused(fresh).await, NoVersion::DateTooFresh);
}

#[tokio::test]
async fn a_date_is_sent_where_its_second_is_over() {
    let fields = vec![("Last-Modified".to_owned(), T.to_owned()), ("Date".to_owned(), LATER.to_owned())];
    let (upstream, client) =
        start(Habits { tags: Tags::Absent, is_undated: true, fields, evaluates: false, ..right() });
    write(&upstream, "/a", &json!({ "status": "open", "count": 1 }));
    client.update("/a", |order: &mut Order| order.count += 1).await.unwrap();
    let put = upstream.requests_to("PUT", "/a").remove(0);
    assert_eq!((put.value("if-unmodified-since"), put.value("if-match")), (Some(T), None));
}

#[tokio::test]
async fn creating_and_overwriting_say_so() {
    let (upstream, client) = start(right());
    client.create("/a", &order("open", 1)).await.unwrap();
    assert!(matches!(client.create("/a", &order("mine", 1)).await.unwrap_err(), Error::Exists { .. }));
    assert_eq!(stored(&upstream, "/a")["status"], "open");
    client.overwrite("/a", &order("restored", 1), "INC-1 \"restore\"").await.unwrap();
    let puts = upstream.requests_to("PUT", "/a");
    assert_eq!(puts[0].value("if-none-match"), Some("*"));
    let last = puts.last().unwrap();
    assert_eq!(last.value("if-match"), Some("*"));
    assert_eq!(last.value("precondition-override"), Some(r#""INC-1 \"restore\"""#));
    assert!(matches!(client.overwrite("/a", &order("x", 1), " ").await.unwrap_err(), Error::Reason));
}

#[tokio::test]
async fn every_write_carries_its_condition() {
    let (upstream, client) = start(right());
    write(&upstream, "/a", &json!({ "status": "open", "count": 1 }));
    let read = client.get::<Value>("/a").await.unwrap();
    let tag = read.etag().unwrap().to_string();
    drop(client.patch(&read, &json!({ "count": 2 })).await);
    drop(client.put(&read, &json!({})).await);
    drop(client.delete(&read).await);
    let writes = upstream.requests().into_iter().filter(|request| request.method != "GET");
    let conditions: Vec<_> = writes.map(|write| write.value("if-match").map(str::to_owned)).collect();
    assert!(!conditions.is_empty() && conditions.iter().all(|sent| sent.as_ref() == Some(&tag)));
}

#[tokio::test]
async fn a_client_is_for_one_origin() {
    let (upstream, client) = start(right());
    let other = Scripted::start().unwrap();
    other.set("/b", b"{}");
    upstream.set("/b", b"{}");
    assert!(matches!(client.get::<Value>(&other.url()).await.unwrap_err(), Error::Url { .. }));
    assert!(other.requests().is_empty());
    upstream.next("GET", "/a", Course::redirect(302, &format!("{}/b", other.url())));
    assert!(matches!(client.get::<Value>("/a").await.unwrap_err(), Error::Url { .. }));
    // What is seen there is not what would be written.
    upstream.next("GET", "/a", Course::redirect(303, "/b"));
    assert!(matches!(client.get::<Value>("/a").await.unwrap_err(), Error::Url { .. }));
    upstream.next("GET", "/a", Course::redirect(308, "/b"));
    assert_eq!(client.get::<Value>("/a").await.unwrap().url().path(), "/b");
    let mut access = Access::default();
    access.field("If-Match: *").unwrap();
    assert!(matches!(Client::with(&upstream.url(), &access), Err(Error::Condition { .. })));
}

#[tokio::test]
async fn reads_go_past_caches() {
    let (upstream, client) = start(Habits { cache: Cache::Honest(60), ..right() });
    for count in 1..4 {
        write(&upstream, "/a", &json!({ "status": "open", "count": count }));
        assert_eq!(client.get::<Order>("/a").await.unwrap().value().count, count);
    }
}

#[tokio::test]
async fn the_tag_of_before_is_no_new_version() {
    let (upstream, client) = start(right());
    write(&upstream, "/a", &json!({ "status": "open", "count": 1 }));
    let read = client.get::<Order>("/a").await.unwrap();
    let tag = read.etag().unwrap().to_string();
    upstream.next("PUT", "/a", Course::applied_then(200).field("ETag", &tag));
    let saved = client.put(&read, &order("open", 2)).await.unwrap().saved().unwrap();
    assert_eq!(saved.version(), Err(NoVersion::NotSaid));
}

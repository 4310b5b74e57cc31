//! Writers against each other: nothing that was acknowledged is lost with the layer, and something is without it.

use crate::support::{Answer, ServiceFn, TestBody, channel, reply, request, text, told};
use bytes::Bytes;
use http::header::{ETAG, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use ifmatch_core::{Refusal, Target};
use ifmatch_guard::OwnedState;
use ifmatch_guard::layer::{Grant, IfMatchLayer, Validators};
use ifmatch_testkit::history::counter::Counter;
use parking_lot::Mutex;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::Barrier;
use tokio::task::{JoinSet, yield_now};
use tower_layer::Layer;
use tower_service::Service;

const TASKS: usize = 64;
const INCREMENTS: u64 = 3;

/// A number that is read, thought about, and written: the usual handler.
#[derive(Clone, Default)]
struct Number {
    /// What it is and how often it was written; nothing at first.
    cell: Arc<Mutex<Option<(u64, u64)>>>,
    /// Where writers meet between reading and writing, if they are to.
    meeting: Option<Arc<Barrier>>,
}

impl Number {
    fn starting_at(value: u64) -> Self {
        Self { cell: Arc::new(Mutex::new(Some((value, 0)))), meeting: None }
    }

    fn value(&self) -> Option<u64> {
        self.cell.lock().map(|(value, _)| value)
    }

    fn tag(&self) -> Option<HeaderValue> {
        self.cell.lock().map(|(_, version)| HeaderValue::try_from(format!("\"{version}\"")).unwrap())
    }

    /// POST adds one; PUT writes what it brings; both take their time.
    async fn handle(self, request: Request<TestBody>) -> Result<Response<Full<Bytes>>, Infallible> {
        if let Some(grant) = request.extensions().get::<Grant>() {
            grant.expected();
        }
        let (head, body) = request.into_parts();
        let before = *self.cell.lock();
        if head.method == Method::GET {
            let mut response = reply(if before.is_some() { 200 } else { 404 });
            *response.body_mut() = Full::from(before.map(|(value, _)| value.to_string()).unwrap_or_default());
            return Ok(response);
        }
        let content = body.collect().await.map(|c| c.to_bytes()).unwrap_or_default();
        match &self.meeting {
            Some(meeting) => {
                meeting.wait().await;
            }
            None => yield_now().await,
        }
        let version = before.map_or(0, |(_, version)| version + 1);
        *self.cell.lock() = match head.method {
            Method::DELETE => None,
            Method::PUT => Some((std::str::from_utf8(&content).unwrap().parse().unwrap(), version)),
            _ => Some((before.map_or(0, |(value, _)| value) + 1, version)),
        };
        Ok(reply(if before.is_some() { 204 } else { 201 }))
    }

    fn service(
        &self,
    ) -> impl Service<Request<TestBody>, Response = Response<Full<Bytes>>, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static {
        let number = self.clone();
        ServiceFn(move |request| number.clone().handle(request))
    }

    fn layer(&self) -> IfMatchLayer<Self> {
        IfMatchLayer::new(self.clone())
    }
}

impl Validators for Number {
    async fn current(&self, _: &Target) -> Result<OwnedState, Refusal> {
        Ok(match self.tag() {
            None => OwnedState::Absent,
            etag => OwnedState::Present { etag, last_modified: None },
        })
    }
}

/// Read, add one, write back what was read plus one; again when told that it is stale.
async fn increment<S, R>(service: &mut S)
where
    S: Service<Request<TestBody>, Response = Response<R>, Error = Infallible>,
    R: http_body::Body<Data = Bytes, Error = Infallible>,
{
    loop {
        let read = Answer::of(service.call(request("GET", "/n", &[], text(""))).await.unwrap()).await;
        let value: u64 = std::str::from_utf8(&read.content).unwrap().parse().unwrap();
        let tag = read.field(ETAG.as_str()).unwrap().to_owned();
        let content = TestBody::from(Bytes::from((value + 1).to_string()));
        let put = request("PUT", "/n", &[("if-match", &tag)], content);
        match Answer::of(service.call(put).await.unwrap()).await.status() {
            204 => return,
            412 => {}
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_increment_is_lost_with_the_layer() {
    let number = Number::starting_at(5);
    let service = number.layer().layer(number.service());
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let mut service = service.clone();
        tasks.spawn(async move {
            for _ in 0..INCREMENTS {
                increment(&mut service).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    let acknowledged = TASKS as u64 * INCREMENTS;
    let counter = Counter { start: 5, acknowledged, unknown: 0, end: number.value().unwrap() };
    assert_eq!(counter.check(), Ok(()));
}

#[tokio::test]
async fn one_is_lost_without_it() {
    // Both have read before one of them writes: every time, not by luck.
    let number = Number { meeting: Some(Arc::new(Barrier::new(2))), ..Number::starting_at(5) };
    let (mut one, mut two) = (number.service(), number.service());
    let add = || request("POST", "/n", &[], text(""));
    let (one, two) = tokio::join!(one.call(add()), two.call(add()));
    let acknowledged = [one, two].into_iter().filter(|r| r.as_ref().unwrap().status() == 204).count();
    let counter =
        Counter { start: 5, acknowledged: acknowledged as u64, unknown: 0, end: number.value().unwrap() };
    assert_eq!(counter.check().unwrap_err().to_string(), "1 acknowledged increments were lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_creators_one_creates() {
    let number = Number::default();
    let service = number.layer().layer(number.service());
    let mut tasks = JoinSet::new();
    for creator in 0..16u64 {
        let mut service = service.clone();
        tasks.spawn(async move {
            let content = TestBody::from(Bytes::from(creator.to_string()));
            let put = request("PUT", "/n", &[("if-none-match", "*")], content);
            (creator, Answer::of(service.call(put).await.unwrap()).await)
        });
    }
    let answers = tasks.join_all().await;
    let (created, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(_, a)| a.status() == 201);
    assert_eq!(created.len(), 1);
    assert_eq!(number.value(), Some(created[0].0), "what the winner was told is what is there");
    assert!(refused.iter().all(|(_, a)| told(a) == (412, "already_exists".to_owned())));
}

#[tokio::test]
async fn a_delete_and_a_write_of_the_same_version_do_not_both_happen() {
    let tag = [("if-match", "\"0\"")];
    for delete_first in [true, false] {
        let number = Number::starting_at(5);
        let service = number.layer().layer(number.service());
        let (mut one, mut two) = (service.clone(), service);
        let (delete, put) = (request("DELETE", "/n", &tag, text("")), request("PUT", "/n", &tag, text("7")));
        let (first, second) = if delete_first { (delete, put) } else { (put, delete) };
        let (first, second) = tokio::join!(one.call(first), two.call(second));
        let (first, second) = (Answer::of(first.unwrap()).await, Answer::of(second.unwrap()).await);
        assert_eq!(first.status(), 204);
        assert_eq!(told(&second), (412, "stale_version".to_owned()));
        assert_eq!(number.value(), if delete_first { None } else { Some(7) });
        let reason = if delete_first { "gone" } else { "changed" };
        assert_eq!(second.problem().unwrap()["reason"], reason);
    }
}

#[tokio::test]
async fn a_slow_upload_holds_nobody_up_and_is_judged_when_it_is_complete() {
    let number = Number::starting_at(5);
    let service = number.layer().layer(number.service());
    let (mut slow, mut fast) = (service.clone(), service);
    let tag = [("if-match", "\"0\"")];
    let (sender, body) = channel();
    let stalled = tokio::spawn(slow.call(request("PUT", "/n", &tag, body)));
    assert!(sender.data("1").await && sender.data("").await, "the upload is being read");
    let answered = fast.call(request("PUT", "/n", &tag, text("7"))).await.unwrap();
    assert_eq!(answered.status(), 204);
    drop(sender);
    let late = Answer::of(stalled.await.unwrap().unwrap()).await;
    assert_eq!(told(&late), (412, "stale_version".to_owned()));
    assert_eq!(number.value(), Some(7));
}

/// A POST needs no condition, but one that is there binds it: of many that ask for "not this version yet" only the
/// first finds it so. (`If-None-Match` with tags protects nothing by itself, so it could be taken for an append.)
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_post_with_any_condition_is_checked_and_performed_in_one_turn() {
    let number = Number::starting_at(0);
    let service = number.layer().layer(number.service());
    let mut posts = JoinSet::new();
    for _ in 0..16 {
        let mut service = service.clone();
        posts.spawn(async move {
            let post = request("POST", "/n", &[("if-none-match", "\"1\"")], text("go"));
            Answer::of(service.call(post).await.unwrap()).await.status()
        });
    }
    let answers = posts.join_all().await;
    // The first makes version 1. The others find what they did not want.
    assert_eq!(answers.iter().filter(|&&status| status == 204).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|&&status| status == 412).count(), 15, "{answers:?}");
    assert_eq!(number.value(), Some(1));
}

//! The same rows through every way in: an authority of its own, a serialised upstream, the layer around a service.
//! What comes out is what the engine says.

use crate::support::{
    Answer, Fixed, ServiceFn, TestBody, read_status, reply, request, text, told, written_status,
};
use bytes::Bytes;
use http::header::HeaderValue;
use http::request::Parts;
use http::{HeaderName, Request, Response};
use http_body_util::Full;
use ifmatch_core::matrix::{CONTENT_BYTES, NOW, Verdict, cases};
use ifmatch_core::{CurrentState, HttpDate, Outcome, Policy, Refusal, Selection, Target, matrix};
use ifmatch_guard::layer::{Grant, IfMatchLayer, Validators};
use ifmatch_guard::{
    Acted, Admission, Authority, Content, Exchange, Limits, OwnedState, Pipeline, Read, Serialized,
    TurnLimits,
};
use ifmatch_testkit::decisions::{Expect, rows};
use ifmatch_testkit::reference::{State, Status};
use std::convert::Infallible;
use std::sync::Arc;
use tower_layer::Layer;
use tower_service::Service;

struct Row {
    id: String,
    method: String,
    fields: Vec<(String, Vec<u8>)>,
    state: OwnedState,
    length: u64,
    now: HttpDate,
    expect: Option<Expect>,
}

fn all_rows() -> Vec<Row> {
    let present = |etag: Option<Vec<u8>>, last_modified| OwnedState::Present {
        etag: etag.map(|text| HeaderValue::from_maybe_shared(Bytes::from(text)).unwrap()),
        last_modified,
    };
    let decided = rows(matrix::T.unix()).unwrap().into_iter().map(|row| {
        let (state, length) = match row.state {
            State::Absent => (OwnedState::Absent, 0),
            State::Present { etag, last_modified, length } => {
                let quoted = |(weak, opaque): (bool, Vec<u8>)| {
                    [if weak { &b"W/\""[..] } else { b"\"" }, opaque.as_slice(), b"\""].concat()
                };
                (present(etag.map(quoted), last_modified.map(HttpDate::from_unix)), length)
            }
        };
        let (id, method, now) = (row.id.to_owned(), row.method.to_owned(), HttpDate::from_unix(row.now));
        Row { id, method, fields: row.fields, state, length, now, expect: Some(row.expect) }
    });
    let sampled = cases().step_by(97).map(|case| {
        let state = case.state.present.map_or(OwnedState::Absent, |(etag, last_modified)| {
            present(etag.map(|text| text.as_bytes().to_vec()), last_modified)
        });
        let fields = case.fields.into_iter().map(|(n, v)| (n.to_owned(), v.into_bytes())).collect();
        let id = case.state.name.to_owned();
        Row {
            id,
            method: case.method.to_owned(),
            fields,
            state,
            length: CONTENT_BYTES,
            now: NOW,
            expect: None,
        }
    });
    decided.chain(sampled).collect()
}

impl Row {
    fn request(&self) -> Request<TestBody> {
        let content = if matches!(self.method.as_str(), "PUT" | "PATCH" | "POST") { "content" } else { "" };
        let mut request = request(&self.method, "/a", &[], text(content));
        for (name, value) in &self.fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().append(name, HeaderValue::from_bytes(value).unwrap());
        }
        request
    }

    /// What the engine says; `ranges`: to somebody who can send parts.
    fn verdict(&self, ranges: bool) -> Verdict {
        let request = self.request();
        let state = with_length(self.state.as_current(), ranges.then_some(self.length));
        matrix::decide(request.method(), request.headers(), &state, self.now)
    }

    /// Compares an answer with the engine, and with what was decided by hand.
    fn check(&self, answer: &Answer, ranges: bool, way: &str) {
        let verdict = self.verdict(ranges);
        let (status, code) = told(answer);
        // Content of something that is not there: whoever holds the state says so in its own words. The answer to HEAD
        // has no words.
        let own_words = (!ranges && verdict.code == Some("not_found")) || self.method == "HEAD";
        let codes = own_words || code == verdict.code.unwrap_or_default();
        let statuses = verdict.status.map_or((200..300).contains(&status), |s| s == status);
        let given = format!("{way}: {} {} with {:?}", self.method, self.id, self.fields);
        assert!(statuses && codes, "{given}: {status} {code}, but the engine {verdict:?}");
        if let Some(expect) = &self.expect {
            let needs_ranges = matches!(expect.status, Status::Exact(206 | 416)) && !ranges;
            let code = answer.code().or_else(|| own_words.then(|| verdict.code.map(str::to_owned)).flatten());
            let met = needs_ranges || expect.is_met_by(status, code.as_deref());
            assert!(met, "{given}: {status} {code:?}, but decided is {expect:?}");
        }
    }
}

fn with_length(state: CurrentState<'_>, length: Option<u64>) -> CurrentState<'_> {
    match state {
        CurrentState::Absent => CurrentState::Absent,
        CurrentState::Present(mut representation) => {
            representation.content_bytes = length;
            CurrentState::Present(representation)
        }
    }
}

/// Holds the state itself, and judges and acts in one step.
struct InMemory {
    fixed: Fixed,
    length: u64,
}

impl InMemory {
    fn judged(&self, x: &Exchange) -> Outcome {
        x.judge(self.fixed.now).on_state(&with_length(self.fixed.state.as_current(), Some(self.length)))
    }
}

impl Authority for InMemory {
    type Body = Full<Bytes>;
    type Error = Infallible;

    fn admit(&self, _: &Parts, _: &Target) -> Admission<Self::Body> {
        Admission::Guarded(Arc::clone(&self.fixed.policy))
    }

    fn now(&self) -> HttpDate {
        self.fixed.now
    }

    async fn read(&self, x: &Exchange) -> Result<Read<Self::Body>, Infallible> {
        Ok(match self.judged(x) {
            Outcome::Refused(refusal) => Read::Refused(refusal),
            Outcome::NotModified => Read::Answered(reply(304)),
            Outcome::Send(Selection::Part(_)) => Read::Answered(reply(206)),
            Outcome::Send(Selection::Whole) | Outcome::Perform(_) => Read::Answered(reply(200)),
        })
    }

    async fn act(&self, x: Arc<Exchange>, _: Content) -> Result<Acted<Self::Body>, Infallible> {
        Ok(match self.judged(&x) {
            Outcome::Perform(guard) => {
                let expected = guard.expected(Some(1u64).filter(|_| guard.replaces()));
                Acted::Applied(reply(written_status(&x.method, &expected)), guard.protection())
            }
            Outcome::Refused(refusal) => Acted::Refused(refusal, None),
            Outcome::Send(_) | Outcome::NotModified => panic!("a write was judged like a read"),
        })
    }
}

impl Row {
    fn fixed(&self) -> Fixed {
        Fixed { state: self.state.clone(), now: self.now, policy: Arc::new(Policy::store("rows")) }
    }
}

#[tokio::test]
async fn through_an_authority_of_its_own() {
    for row in all_rows() {
        let authority = InMemory { fixed: row.fixed(), length: row.length };
        let pipeline = Pipeline::new(authority, (), Limits::default());
        let answer = Answer::of(pipeline.handle(row.request()).await.unwrap()).await;
        row.check(&answer, true, "authority");
    }
}

#[tokio::test]
async fn through_a_serialised_upstream() {
    for row in all_rows() {
        let authority = Serialized::new(row.fixed(), TurnLimits::default());
        let pipeline = Pipeline::new(authority, (), Limits::default());
        let answer = Answer::of(pipeline.handle(row.request()).await.unwrap()).await;
        row.check(&answer, false, "upstream");
        assert_eq!(pipeline.authority().turns().lines(), 0);
    }
}

struct Known(OwnedState, HttpDate);

impl Validators for Known {
    async fn current(&self, _: &Target) -> Result<OwnedState, Refusal> {
        Ok(self.0.clone())
    }

    fn now(&self) -> HttpDate {
        self.1
    }
}

#[tokio::test]
async fn through_the_layer() {
    for row in all_rows() {
        let state = row.state.clone();
        let service = ServiceFn(move |request: Request<TestBody>| {
            let status = match request.extensions().get::<Grant>() {
                Some(grant) => written_status(request.method(), grant.expected()),
                None => read_status(request.method(), &state),
            };
            async move { Ok::<Response<Full<Bytes>>, Infallible>(reply(status)) }
        });
        let layer = IfMatchLayer::new(Known(row.state.clone(), row.now)).policy(Policy::store("rows"));
        let response = layer.layer(service).call(row.request()).await.unwrap();
        row.check(&Answer::of(response).await, false, "layer");
    }
}

#[test]
fn the_sample_has_every_method_and_every_kind_of_answer() {
    let rows = all_rows();
    assert!(rows.len() > 5000);
    for method in matrix::METHODS {
        assert!(rows.iter().any(|row| row.expect.is_none() && row.method == method), "{method}");
    }
    for status in [200, 201, 206, 304, 400, 404, 412, 416, 428] {
        assert!(rows.iter().any(|row| row.verdict(true).status == Some(status)), "{status}");
    }
}

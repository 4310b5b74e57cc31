//! Redirects, and what is not sent to where they lead.

use super::{block_on, get};
use http::Method;
use http::header::{AUTHORIZATION, COOKIE};
use ifmatch_client::wire::{Access, Request, SendError, Url};
use ifmatch_testkit::upstream::{Course, Scripted};

fn with_credentials() -> Access {
    let mut access = Access::default();
    access.basic("user:password").unwrap();
    for field in ["Cookie: a=b", "X-Api-Key: k", "X-Client: test"] {
        access.field(field).unwrap();
    }
    access
}

#[test]
fn credentials_stay_with_their_origin() {
    let (here, there) = (Scripted::start().unwrap(), Scripted::start().unwrap());
    there.set("/b", b"{}");
    here.set("/c", b"{}");
    here.always("GET", "/away", Course::redirect(302, &format!("{}/b", there.url())));
    here.always("GET", "/on", Course::redirect(308, "/c"));
    // There and back: what was taken away does not come back to others, and is sent again to its own.
    there.always("GET", "/back", Course::redirect(307, &format!("{}/c", here.url())));
    here.always("GET", "/round", Course::redirect(307, &format!("{}/back", there.url())));
    let access = with_credentials();
    for (path, leads_to, hops) in
        [("/away", there.url() + "/b", 1), ("/on", here.url() + "/c", 1), ("/round", here.url() + "/c", 2)]
    {
        let answer = get(&access, &(here.url() + path)).unwrap();
        assert_eq!(
            (answer.status.as_u16(), answer.url.as_str(), answer.hops.len()),
            (200, leads_to.as_str(), hops)
        );
        assert_eq!(answer.hops[0].from.path(), path);
    }
    for request in there.requests() {
        assert_eq!(request.value("x-client"), Some("test"));
        for name in [AUTHORIZATION.as_str(), COOKIE.as_str(), "x-api-key"] {
            assert_eq!(request.values(name).len(), 0, "{} {name}", request.target);
        }
    }
    let own = here.requests();
    assert_eq!(own.len(), 5);
    assert!(own.iter().all(|request| request.value("authorization") == Some("Basic dXNlcjpwYXNzd29yZA==")));
}

#[test]
fn the_end_of_patience() {
    let upstream = Scripted::start().unwrap();
    upstream.always("GET", "*", Course::redirect(302, "/again?token=s3cret"));
    let error = get(&Access::default(), &upstream.url()).unwrap_err();
    assert!(matches!(error, SendError::RedirectedTooOften { redirects_max: 10, .. }), "{error:?}");
    assert!(!error.to_string().contains("s3cret"), "{error}");
    assert_eq!(upstream.requests().len(), 11);
}

#[test]
fn nowhere() {
    for location in ["ftp://elsewhere.example/", "http://", "javascript:alert(1)", "//"] {
        let upstream = Scripted::start().unwrap();
        upstream.always("GET", "*", Course::redirect(301, location));
        let error = get(&Access::default(), &upstream.url()).unwrap_err();
        assert!(matches!(error, SendError::RedirectedNowhere { .. }), "{location}: {error:?}");
        assert!(error.to_string().contains(location), "{error}");
    }
}

#[test]
fn writes_are_not_redirected() {
    let upstream = Scripted::start().unwrap();
    upstream.always("PUT", "*", Course::redirect(307, "/b"));
    let answer = block_on(async {
        let http = Access::default().connect().unwrap();
        let url = Url::parse(&(upstream.url() + "/a")).unwrap();
        http.send(&Request::new(Method::PUT, url).content("{}")).await.unwrap()
    });
    assert_eq!((answer.status.as_u16(), upstream.requests().len()), (307, 1));
}

#[test]
fn credentials_of_each_kind() {
    let upstream = Scripted::start().unwrap();
    upstream.set("/a", b"{}");
    let mut access = Access::default();
    access.bearer("t0ken").unwrap();
    get(&access, &(upstream.url() + "/a")).unwrap();
    access.basic("user:").unwrap();
    get(&access, &(upstream.url() + "/a")).unwrap();
    let sent: Vec<_> = upstream
        .requests()
        .iter()
        .map(|request| request.value("authorization").unwrap().to_owned())
        .collect();
    assert_eq!(sent, ["Bearer t0ken", "Basic dXNlcjo="]);
}

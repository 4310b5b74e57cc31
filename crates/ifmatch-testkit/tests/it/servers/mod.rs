//! The servers that nobody here wrote do what the harness says of them.

mod files;
mod proxies;
mod stop;
mod table;
mod together;

use ifmatch_testkit::raw::Response;
use ifmatch_testkit::servers::{Kind, Place, WAIT_MAX};
use std::thread;
use std::time::{Duration, Instant};

/// Between two looks at a tag that is weak for as long as the file is new.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// What a read shows once its tag can be written with. Apache's is weak for the first second of a file.
fn settled(place: Place, name: &str) -> Response {
    let end = Instant::now() + WAIT_MAX;
    loop {
        let response = place.read(name).expect("an answer");
        let is_weak = response.value("etag").is_some_and(|tag| tag.starts_with("W/"));
        if !is_weak || place.kind == Kind::JsonServer {
            return response;
        }
        assert!(Instant::now() < end, "{} stays weak: {:?}", place.kind.name(), response.value("etag"));
        thread::sleep(LOOK_AGAIN);
    }
}

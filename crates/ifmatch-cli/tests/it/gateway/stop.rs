//! The gateway is told to stop while writes are under way: they are finished first, whether or not anybody waits for them.

use super::Gateway;
use crate::support::{NONE, TIMEOUT, connect};
use ifmatch_testkit::process::Signal;
use ifmatch_testkit::raw::request;
use ifmatch_testkit::upstream::{Course, Point, Scripted};
use std::thread;

#[test]
fn a_write_whose_client_has_left_is_finished_before_it_ends() {
    for method in ["PUT", "POST"] {
        let upstream = Scripted::start().unwrap();
        let mut gateway = Gateway::start(upstream.address());
        let held = upstream.gate();
        upstream.next(method, "/a", Course::held(Point::Content, &held));
        let fields: &[(&str, &str)] = if method == "PUT" { &[("If-None-Match", "*")] } else { NONE };
        let mut client = connect(gateway.address);
        client.send(&request(method, "/a", fields, Some(b"one"))).unwrap();
        held.wait_for_arrivals(1).unwrap();
        drop(client);
        gateway.process.signal(Signal::TERM).unwrap();
        // It has stopped to listen, and not ended.
        while std::net::TcpStream::connect(gateway.address).is_ok() {
            thread::yield_now();
        }
        held.open();
        assert!(gateway.process.wait(TIMEOUT).unwrap().success());
        assert_eq!(upstream.text("/a").unwrap(), "one");
        let doubts = ifmatch_gateway::state::list(&gateway.folder.path().join("state")).unwrap();
        assert!(doubts.is_empty(), "{doubts:?}");
    }
}

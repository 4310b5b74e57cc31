//! The process harness, on a shell that plays the server.

use ifmatch_testkit::process::{ErrorKind, OUTPUT_BYTES_MAX, Server, Signal};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::time::{Duration, Instant};

/// Long enough for a busy machine; nothing here takes it when all is well.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

fn shell(script: &str) -> Server {
    Server::spawn(Command::new("sh").args(["-c", script])).expect("a shell")
}

/// Whether a process with this id can be signalled.
fn is_alive(id: u32) -> bool {
    let id = rustix::process::Pid::from_raw(id.cast_signed()).expect("not zero");
    rustix::process::test_kill_process(id).is_ok()
}

#[test]
fn learns_the_address_and_kills() {
    let mut server = shell("echo oops >&2; echo starting; echo listening on 127.0.0.1:4428; exec sleep 600");
    let address = server
        .wait_for_line(LONG, |line| line.strip_prefix("listening on ")?.parse::<std::net::SocketAddr>().ok());
    assert_eq!(address.expect("an address").port(), 4428);
    // Every wait begins with the first line.
    server.wait_for_line(LONG, |line| (line == "starting").then_some(())).expect("the first line");
    let status = server.kill().expect("dead");
    assert_eq!(status.signal(), Some(9));
    // A second time is no mistake, and nor is waiting afterwards.
    assert_eq!(server.kill().expect("dead").signal(), Some(9));
    assert_eq!(server.wait(LONG).expect("ended").signal(), Some(9));
    assert_eq!(server.stderr().text(), "oops\n");
    assert_eq!(server.signal(Signal::HUP).expect_err("ended").kind(), ErrorKind::System);
}

#[test]
fn terminates() {
    let mut server = shell("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.01; done");
    server.wait_for_line(LONG, |line| (line == "up").then_some(())).expect("up");
    let status = server.terminate(LONG).expect("ended");
    assert_eq!(status.code(), Some(3));
    assert_eq!(server.stdout().text(), "up\nbye\n");
}

#[test]
fn waits_no_longer_than_told() {
    let mut server = shell("trap '' TERM; echo up; echo waiting >&2; while :; do sleep 0.01; done");
    server.wait_for_line(LONG, |line| (line == "up").then_some(())).expect("up");
    let began = Instant::now();
    let error = server.wait_for_line(SHORT, |line| (line == "down").then_some(())).expect_err("no such line");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    let error = server.terminate(SHORT).expect_err("it ignores the signal");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("waiting"), "{error}");
    assert!(began.elapsed() < LONG);
    let id = server.id();
    assert!(is_alive(id));
    drop(server);
    assert!(!is_alive(id), "dropping kills");
}

#[test]
fn sees_an_early_end() {
    let mut server = shell("echo wrong configuration >&2; printf 'no newline'; exit 2");
    let error = server.wait_for_line(LONG, |line| (line == "no newline").then_some(())).expect_err("no line");
    assert_eq!(error.kind(), ErrorKind::Ended);
    assert_eq!(server.wait(LONG).expect("ended").code(), Some(2));
    assert_eq!(server.stderr().text(), "wrong configuration\n");
    let error = Server::spawn(&mut Command::new("/nonexistent/program")).expect_err("no such program");
    assert_eq!(error.kind(), ErrorKind::NotStarted);
}

#[test]
fn output_is_bounded_and_never_blocks() {
    let octets = OUTPUT_BYTES_MAX + 1000;
    let mut server = shell(&format!("head -c {octets} /dev/zero; echo done >&2"));
    assert_eq!(server.wait(LONG).expect("ended").code(), Some(0));
    assert_eq!(server.stdout().text().len(), OUTPUT_BYTES_MAX);
    assert_eq!(server.stdout().dropped(), 1000);
    assert_eq!(server.stderr().text(), "done\n");
}

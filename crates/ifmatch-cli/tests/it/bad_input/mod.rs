//! Everything that can be wrong with a command line, a data folder or a request.

mod commands;
mod requests;
mod start;

use crate::support::{TIMEOUT, ifmatch};
use ifmatch_testkit::process;

/// A run that ends by itself.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

fn run(args: &[&str]) -> Ran {
    let mut process = process::Server::spawn(&mut ifmatch(args)).unwrap();
    let code = process.wait(TIMEOUT).unwrap().code();
    Ran { code, stdout: process.stdout().text(), stderr: process.stderr().text() }
}

/// Usage or configuration is wrong: code 2, nothing on standard output, and each of these words on standard error.
#[track_caller]
fn assert_no_run(args: &[&str], words: &[&str]) {
    let Ran { code, stdout, stderr } = run(args);
    assert_eq!((code, stdout.as_str()), (Some(2), ""), "{args:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{args:?}: no {word:?} in {stderr}");
    }
    assert!(!stderr.contains("panicked"), "{args:?}: {stderr}");
}

//! Servers that show files.

use ifmatch_testkit::raw::{Response, exchange};
use ifmatch_testkit::servers::{Files, FilesKind, WAIT_MAX};

const NONE: &[(&str, &str)] = &[];

fn ask(files: &Files, method: &str, fields: &[(&str, &str)], content: Option<&[u8]>) -> Response {
    exchange(files.address(), WAIT_MAX, (method, "/note.txt"), fields, content).expect("an answer")
}

/// The two hexadecimal numbers of a tag.
fn numbers(tag: &str) -> (u64, u64) {
    let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
    let (first, second) = tag.split_once('-').expect("a tag of two parts");
    let number = |text| u64::from_str_radix(text, 16).expect("hexadecimal");
    (number(first), number(second))
}

fn shows_files_with_tags_of_their_size(kind: FilesKind, size: fn((u64, u64)) -> u64) {
    let files = Files::start(kind).expect("a running server");
    for content in [&b"one"[..], b"three"] {
        files.put("note.txt", content).expect("a file");
        let response = ask(&files, "GET", NONE, None);
        assert_eq!((response.status, response.content.as_slice()), (200, content));
        let tag = response.value("etag").expect("a tag");
        assert_eq!(size(numbers(tag)), content.len() as u64, "{tag}");
        assert_eq!(ask(&files, "GET", &[("If-None-Match", tag)], None).status, 304);
    }
    assert_eq!(ask(&files, "PUT", NONE, Some(b"new")).status, 405);
    assert_eq!(files.url("note.txt"), format!("http://{}/note.txt", files.address()));
}

#[test]
fn nginx() {
    shows_files_with_tags_of_their_size(FilesKind::Nginx, |(_, size)| size);
}

#[test]
fn apache() {
    shows_files_with_tags_of_their_size(FilesKind::Apache, |(size, _)| size);
}

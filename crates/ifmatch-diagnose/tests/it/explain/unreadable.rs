//! Input that cannot be read, and input that is large.

use ifmatch_diagnose::explain::{ENTRIES_MAX, Evidence, INPUT_BYTES_MAX, Options, Source};

fn error(input: &[u8], source: Option<Source>) -> String {
    Evidence::read(input, source).unwrap_err().to_string()
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    for (input, part) in [
        (&b""[..], "nothing in it"),
        (b"   \n", "nothing in it"),
        (b"fetch(\"http://h\")", "Copy as cURL"),
        (b"hello", "none of what is understood"),
        (b"{\"log\":{\"entries\":[{}", "line 1, column 21"),
        (b"{\"log\":{\n\"entries\":[\n{},]}}", "line 3, column"),
        (b"{\"log\":{}}", "no log.entries"),
        (b"{\"log\":{\"entries\":{}}}", "a list of entries"),
        (b"{\"log\":[]}", "an object"),
        (b"{\"code\":\"stale_version\",", "line 1, column"),
        (b"{\"event.action\":\"write.accepted\"}\n{\"x\":1}\n", "line 2 is no record"),
        (b"{\"event.action\":\"write.accepted\"}\n{\"event.action\":,}\n{}", "line 2, column"),
        (b"curl -X PUT", "no URL"),
        (b"curl 'http://h", "single quote"),
        (b"HTTP/1.1 412 x\nETag \"7\"", "stands among fields"),
    ] {
        let said = error(input, None);
        assert!(said.contains(part), "{}: {said}", String::from_utf8_lossy(input));
    }
    assert!(error(b"\xff\xfe", Some(Source::Raw)).contains("UTF-8"));
    assert!(error(&vec![b' '; INPUT_BYTES_MAX + 1], None).contains("256 MiB"));
    let entries = vec!["{}"; ENTRIES_MAX + 1].join(",");
    assert!(error(format!("{{\"log\":{{\"entries\":[{entries}]}}}}").as_bytes(), None).contains("entries"));
}

#[test]
fn an_entry_that_is_not_there_is_named() {
    let evidence = Evidence::read(b"{\"log\":{\"entries\":[{}]}}", None).unwrap();
    let options = Options { entry: Some(2), all: false };
    assert!(evidence.explain(&options).unwrap_err().to_string().contains("no entry 2"));
}

/// Each beginning of an input is either read or refused; none makes it panic.
#[test]
fn inputs_that_are_cut_anywhere_do_no_harm() {
    for file in super::recordings() {
        let whole = std::fs::read(&file).unwrap();
        for end in (0..whole.len()).step_by(97) {
            if let Ok(evidence) = Evidence::read(&whole[..end], None) {
                evidence.explain(&Options { entry: None, all: true }).unwrap();
            }
        }
    }
}

/// A byte that is another one does no harm either.
#[test]
fn inputs_that_are_damaged_do_no_harm() {
    let mut random = 1u64;
    for file in super::recordings() {
        let whole = std::fs::read(&file).unwrap();
        for _ in 0..200 {
            let mut damaged = whole.clone();
            for _ in 0..3 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let at = usize::try_from(random >> 33).unwrap() % damaged.len();
                damaged[at] = random.to_be_bytes()[3];
            }
            for source in [None, Some(Source::Raw)] {
                if let Ok(evidence) = Evidence::read(&damaged, source) {
                    super::json(&evidence.explain(&Options { entry: None, all: true }).unwrap());
                }
            }
        }
    }
}

#[test]
fn many_failures_are_told_in_part() {
    let one = r#"{"request":{"method":"PUT","url":"http://h/a","headers":[{"name":"x","value":"y"}]},"response":{"status":428}}"#;
    let entries = vec![one; 1000].join(",");
    let told = super::explain(format!("{{\"log\":{{\"entries\":[{entries}]}}}}").as_bytes());
    assert_eq!((told.cases.len(), told.more_cases), (50, 950));
}

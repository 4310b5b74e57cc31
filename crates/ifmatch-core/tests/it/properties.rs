//! What holds for every input.

use crate::bridge::{Fields, agree, current, decide, etag_text, headers, method};
use http::header::{HeaderMap, HeaderValue, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use ifmatch_core::matrix::{NOW, T};
use ifmatch_core::{
    Conditions, CurrentState, DateCondition, Expected, HttpDate, Judge, MethodClass, Mode, Outcome, Policy,
    Protection, Requirement, TagCondition, Target,
};
use ifmatch_testkit::reference::{Request, State, judge};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const METHODS: [&str; 9] = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "POST", "OPTIONS", "MOVE", "PROPFIND"];
const FIELDS: [&str; 7] = [
    "If-Match",
    "If-None-Match",
    "If-Unmodified-Since",
    "If-Modified-Since",
    "If-Range",
    "Range",
    "Precondition-Override",
];

/// Any octets that a field value can have.
fn octets() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(b'\t'), 0x20u8..0x7F, 0x80u8..=0xFF], 0..40)
}

/// Values made of the pieces that parsers stumble over.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let pieces = [
        "\"a1\"",
        "\"a0\"",
        "W/\"a1\"",
        "w/\"a1\"",
        "W/",
        "\"a,1\"",
        "\"\"",
        "\"",
        "*",
        ",",
        ", ",
        " ",
        "\t",
        "a1",
        "\\\"",
        "undefined",
        "bytes=",
        "bytes",
        "=",
        "0-4",
        "-5",
        "9-",
        "10-",
        "-0",
        "-",
        "4-2",
        "99999999999999999999999",
        "\u{e9}",
        "{T}",
        "{T-1}",
        "{T+9}",
        "{T+10}",
        "{T+11}",
        "{T;asctime}",
        "{T;rfc850}",
    ];
    vec(select(pieces.to_vec()), 0..5).prop_map(|parts| {
        let dated = |piece: &str| match piece {
            "{T}" => T.to_string(),
            "{T-1}" => T.plus_seconds(-1).to_string(),
            "{T+9}" => T.plus_seconds(9).to_string(),
            "{T+10}" => T.plus_seconds(10).to_string(),
            "{T+11}" => T.plus_seconds(11).to_string(),
            "{T;asctime}" => T.to_asctime(),
            "{T;rfc850}" => T.to_rfc850(),
            plain => plain.to_owned(),
        };
        parts.into_iter().map(dated).collect::<String>().into_bytes()
    })
}

fn fields() -> impl Strategy<Value = Fields> {
    let value = prop_oneof![4 => pieces(), 1 => octets()];
    vec((select(FIELDS.to_vec()).prop_map(str::to_owned), value), 0..6)
}

fn state() -> impl Strategy<Value = State> {
    let etag = select(vec![None, Some((false, "a1")), Some((true, "a1")), Some((false, "a,1"))])
        .prop_map(|etag| etag.map(|(weak, opaque)| (weak, opaque.as_bytes().to_vec())));
    let date = select(vec![None, Some(-1), Some(0), Some(9), Some(10), Some(11)])
        .prop_map(|offset| offset.map(|s| T.unix() + s));
    let present = (etag, date, select(vec![0u64, 1, 10]))
        .prop_map(|(etag, last_modified, length)| State::Present { etag, last_modified, length });
    prop_oneof![1 => Just(State::Absent), 4 => present]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4000) })]

    #[test]
    fn reading_conditions_is_total(lines in vec((select(FIELDS.to_vec()), octets()), 0..8)) {
        let lines: Fields = lines.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        let headers = headers(&lines).unwrap();
        let conditions = Conditions::read(&headers, NOW);
        for (name, condition) in [(IF_MATCH, &conditions.if_match), (IF_NONE_MATCH, &conditions.if_none_match)] {
            prop_assert_eq!(matches!(condition, TagCondition::Absent), !headers.contains_key(&name));
            if let TagCondition::Tags(tags) = condition {
                prop_assert_eq!(tags.len(), tags.iter().count());
            }
        }
        let there = headers.contains_key(IF_UNMODIFIED_SINCE);
        prop_assert_eq!(conditions.if_unmodified_since == DateCondition::Absent, !there);
    }

    #[test]
    fn a_malformed_if_match_is_never_performed(
        value in octets(), other in fields(), name in select(METHODS.to_vec()), state in state(),
    ) {
        let mut headers = headers(&other).unwrap();
        headers.append(IF_MATCH, HeaderValue::from_bytes(&value).unwrap());
        let malformed = matches!(Conditions::read(&headers, NOW).if_match, TagCondition::Malformed);
        prop_assume!(malformed && name != "OPTIONS");
        let verdict = decide(name, &headers, &state, NOW.unix());
        prop_assert_eq!((verdict.status, verdict.code), (Some(400), Some("malformed_validator")));
    }

    #[test]
    fn nothing_is_performed_without_protection(
        fields in fields(), name in select(METHODS.to_vec()), state in state(),
    ) {
        let (policy, method) = (Policy::store("all"), method(name));
        let headers = headers(&fields).unwrap();
        let tag = etag_text(&state);
        let current = current(&state, tag.as_deref());
        let judge = Judge::new(&method, &headers, &policy, NOW);
        let Outcome::Perform(guard) = judge.on_state(&current) else { return Ok(()) };
        if MethodClass::of(&method) != MethodClass::Write || policy.requirement(&method) == Requirement::None {
            return Ok(());
        }
        prop_assert!(judge.on_head().is_ok());
        prop_assert_eq!(guard.replaces(), current.is_present());
        match guard.protection() {
            Protection::Version => {
                // Shown from the fields alone: a tag that is there, or a date that the state has one to compare with.
                let tagged = headers.get_all(IF_MATCH).iter().any(|v| v.as_bytes().contains(&b'"'));
                prop_assert!(current.is_present());
                prop_assert!(tagged || headers.contains_key(IF_UNMODIFIED_SINCE));
            }
            Protection::Creation => {
                prop_assert!(!current.is_present() && name == "PUT" && headers.contains_key(IF_NONE_MATCH));
            }
            other => prop_assert!(false, "{name} was performed under {other:?}"),
        }
    }

    #[test]
    fn both_engines_agree_on_arbitrary_fields(
        fields in fields(), name in select(METHODS[..7].to_vec()), state in state(),
    ) {
        let engine = decide(name, &headers(&fields).unwrap(), &state, NOW.unix());
        let reference = judge(&Request { method: name, fields: &fields }, &state, NOW.unix());
        prop_assert!(agree(&engine, &reference), "{engine:?}, but the reference {reference:?}");
    }

    #[test]
    fn both_engines_agree_on_ranges(
        parts in vec(select(vec![" ", ",", "-", "0", "9", "10", "00", "99999999999999999999", "x", "\t"]), 0..6),
        unit in select(vec!["bytes=", "bytes=", "Bytes=", "bytes =", "bytes", "lines="]), state in state(),
    ) {
        let fields = vec![("Range".to_owned(), format!("{unit}{}", parts.concat()).into_bytes())];
        let engine = decide("GET", &headers(&fields).unwrap(), &state, NOW.unix());
        let reference = judge(&Request { method: "GET", fields: &fields }, &state, NOW.unix());
        prop_assert!(agree(&engine, &reference), "{engine:?}, but the reference {reference:?}");
    }

    #[test]
    fn explaining_gives_the_same_result(
        fields in fields(), name in select(METHODS.to_vec()), state in state(),
    ) {
        let (policy, method) = (Policy::store("all"), method(name));
        let headers = headers(&fields).unwrap();
        let tag = etag_text(&state);
        let current = current(&state, tag.as_deref());
        let judged = Judge::new(&method, &headers, &policy, NOW).on_state(&current);
        let explained = ifmatch_core::explain(&method, &headers, &policy, &current, NOW);
        prop_assert_eq!(format!("{judged:?}"), format!("{:?}", explained.outcome));
        prop_assert!(explained.to_string().contains("result"));
    }

    #[test]
    fn targets_are_canonical_once_and_for_all(
        path in prop_oneof![
            "\\PC{0,60}",
            "(/|//|\\.|\\.\\.|%2e|%2E|%2f|%61|%C3%A9|%00|%5c|%zz|%|a|~|;v=1|\\||\u{e9}|\"|\\{){0,12}",
            "/(/|\\.|\\.\\.|a|%61|%2F|b){0,12}",
        ],
        query in proptest::option::of("\\PC{0,10}"),
    ) {
        let Ok(target) = Target::parse(&path, query.as_deref()) else { return Ok(()) };
        let canonical = target.path();
        prop_assert!(canonical.starts_with('/') && canonical.len() <= ifmatch_core::TARGET_BYTES_MAX);
        prop_assert!(canonical.bytes().all(|b| b.is_ascii_graphic() && b != b'\\'), "{canonical}");
        prop_assert!(canonical.split('/').all(|s| s != "." && s != ".."));
        prop_assert!(!canonical.contains("//"));
        let again = Target::parse(canonical, query.as_deref());
        prop_assert_eq!(again.ok(), Some(target));
    }

    #[test]
    fn dates_are_read_totally_and_written_back(text in vec(any::<u8>(), 0..40), now in any::<i64>()) {
        let now = HttpDate::from_unix(now);
        if let Some(date) = HttpDate::parse(&text, now) {
            prop_assert_eq!(HttpDate::parse(date.to_string().as_bytes(), now), Some(date));
        }
        prop_assert_eq!(HttpDate::parse(now.to_string().as_bytes(), now), Some(now));
    }
}

#[test]
fn an_empty_header_section_protects_nothing() {
    let (headers, policy) = (HeaderMap::new(), Policy::store("all"));
    for name in ["PUT", "PATCH", "DELETE", "MOVE"] {
        assert!(Judge::new(&method(name), &headers, &policy, NOW).on_head().is_err(), "{name}");
    }
}

#[test]
fn a_mode_that_looks_at_no_condition_refuses_nothing() {
    let mut headers = HeaderMap::new();
    headers.insert(IF_MATCH, HeaderValue::from_static("never issued"));
    for mode in [Mode::Off, Mode::Observe] {
        let policy = Policy { mode, ..Policy::store("all") };
        for name in ["PUT", "PATCH", "DELETE", "POST"] {
            let method = method(name);
            let judge = Judge::new(&method, &headers, &policy, NOW);
            // What the service makes of a name where nothing is, it says itself.
            let Outcome::Perform(guard) = judge.on_state(&CurrentState::Absent) else { panic!("{name}") };
            assert_eq!(guard.expected(Some(1)), Expected::Any);
            assert_eq!(guard.protection(), Protection::None);
        }
    }
}

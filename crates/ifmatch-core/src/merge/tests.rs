use super::*;
use crate::json::parse;
use proptest::prelude::*;
use proptest::string::string_regex;
use serde_json::json;

fn text(text: &str) -> Value {
    parse(text.as_bytes()).unwrap()
}

fn merged(base: &str, theirs: &str, mine: &str) -> String {
    let merged = merge(&text(base), &text(theirs), &text(mine)).unwrap().into_clean();
    serde_json::to_string(&merged.expect("no conflict")).unwrap()
}

fn open(base: &str, theirs: &str, mine: &str) -> Vec<(String, Kind)> {
    let merged = merge(&text(base), &text(theirs), &text(mine)).unwrap();
    merged.conflicts().iter().map(|conflict| (conflict.path.clone(), conflict.kind)).collect()
}

#[test]
fn members_are_merged() {
    for (base, theirs, mine, expected) in [
        (r#"{"a":1,"b":1}"#, r#"{"a":2,"b":1}"#, r#"{"a":1,"b":2}"#, r#"{"a":2,"b":2}"#),
        (r#"{"a":1}"#, r#"{"a":1,"t":1}"#, r#"{"m":1,"a":1}"#, r#"{"m":1,"a":1,"t":1}"#),
        (r#"{"a":1,"b":1}"#, r#"{"b":1}"#, r#"{"a":1}"#, "{}"),
        (r#"{"a":1,"b":1}"#, r#"{"b":1}"#, r#"{"b":1}"#, r#"{"b":1}"#),
        (
            r#"{"o":{"a":1,"b":1}}"#,
            r#"{"o":{"a":2,"b":1}}"#,
            r#"{"o":{"a":1,"b":2}}"#,
            r#"{"o":{"a":2,"b":2}}"#,
        ),
        (r#"{"l":[1],"a":1}"#, r#"{"l":[1,2],"a":1}"#, r#"{"l":[1],"a":2}"#, r#"{"l":[1,2],"a":2}"#),
        (r#"{"l":[1]}"#, r#"{"l":[1,2]}"#, r#"{"l":[1,2]}"#, r#"{"l":[1,2]}"#),
        ("1", "1", "2", "2"),
        ("[1]", "[2]", "[1]", "[2]"),
    ] {
        assert_eq!(merged(base, theirs, mine), expected, "{base} {theirs} {mine}");
    }
}

#[test]
fn what_does_not_fit_is_told() {
    let cases = [
        (r#"{"a":1}"#, r#"{"a":2}"#, r#"{"a":3}"#, "/a", Kind::BothChanged),
        (r#"{"a":1}"#, "{}", r#"{"a":3}"#, "/a", Kind::DeletedChanged),
        (r#"{"a":1}"#, r#"{"a":2}"#, "{}", "/a", Kind::DeletedChanged),
        ("{}", r#"{"a":2}"#, r#"{"a":3}"#, "/a", Kind::BothAdded),
        ("{}", r#"{"a":{"x":1}}"#, r#"{"a":{"y":1}}"#, "/a", Kind::BothAdded),
        (r#"{"l":[1,2]}"#, r#"{"l":[0,2]}"#, r#"{"l":[1,3]}"#, "/l", Kind::BothChanged),
        (r#"{"a/b~":{"":1}}"#, r#"{"a/b~":{"":2}}"#, r#"{"a/b~":{"":3}}"#, "/a~1b~0/", Kind::BothChanged),
        (r#"{"a":null}"#, "{}", r#"{"a":1}"#, "/a", Kind::DeletedChanged),
        ("1", "2", "3", "", Kind::BothChanged),
    ];
    for (base, theirs, mine, path, kind) in cases {
        assert_eq!(open(base, theirs, mine), [(path.to_owned(), kind)], "{base} {theirs} {mine}");
    }
}

#[test]
fn a_missing_member_is_not_null() {
    assert_eq!(merged(r#"{"a":null}"#, "{}", r#"{"a":null}"#), "{}");
    assert_eq!(merged("{}", r#"{"a":null}"#, "{}"), r#"{"a":null}"#);
    let merged = merge(&json!({"a": 1}), &json!({}), &json!({"a": null})).unwrap();
    let told = serde_json::to_value(&merged.conflicts()[0]).unwrap();
    let expected = json!({
        "path": "/a", "kind": "deleted_changed", "base": 1, "theirs": null, "theirs_absent": true, "mine": null,
    });
    assert_eq!(told, expected);
}

#[test]
fn numbers_keep_their_digits_and_are_compared_by_value() {
    let big = "12345678901234567890123456789";
    assert_eq!(
        merged(
            &format!(r#"{{"a":{big},"b":1}}"#),
            &format!(r#"{{"a":{big},"b":1.0}}"#),
            r#"{"a":1e2,"b":1}"#
        ),
        r#"{"a":1e+2,"b":1.0}"#
    );
    // Written in another way is not changed: the other side's change stands alone.
    assert_eq!(merged(r#"{"a":1}"#, r#"{"a":1.0}"#, r#"{"a":2}"#), r#"{"a":2}"#);
    assert_eq!(open(r#"{"a":9007199254740993}"#, r#"{"a":9007199254740992}"#, r#"{"a":1}"#).len(), 1);
}

#[test]
fn conflicts_are_settled() {
    let sides = [json!({"a": 1, "b": {"c": 1}}), json!({"a": 2, "b": {"c": 2}}), json!({"a": 3, "b": {}})];
    let mut merged = merge(&sides[0], &sides[1], &sides[2]).unwrap();
    assert_eq!(merged.value(), &sides[1]);
    assert!(merged.clone().into_clean().is_err());
    assert!(!merged.settle("/x", Side::Mine));
    assert!(merged.settle("/b/c", Side::Mine) && !merged.settle("/b/c", Side::Mine));
    assert!(merged.settle("/a", Side::Theirs));
    assert_eq!(merged.into_clean(), Ok(json!({"a": 2, "b": {}})));
    let mut merged = merge(&json!({"a": 1}), &json!({}), &json!({"a": 2})).unwrap();
    merged.settle("/a", Side::Mine);
    assert_eq!(merged.into_clean(), Ok(json!({"a": 2})));
}

#[test]
fn deep_texts_are_refused() {
    let deep = (0..=LEVELS_MAX).fold(json!(1), |inner, _| json!({ "a": inner }));
    assert_eq!(merge(&deep, &deep, &json!(1)), Err(TooLarge));
    assert_eq!(merge(&json!(1), &json!(2), &deep), Err(TooLarge));
}

/// Texts that have much in common.
fn texts() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..3i64).prop_map(Value::from),
        prop_oneof![Just("1.0"), Just("1"), Just("1e2"), Just("100")].prop_map(text),
        string_regex("[ab]{0,1}").unwrap().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let names = prop_oneof![Just("a"), Just("b"), Just("c"), Just("a/b"), Just("~"), Just("")];
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            4 => proptest::collection::vec((names, inner), 0..5)
                .prop_map(|members| members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

/// All paths at which two texts differ, as deep as both are objects.
fn changes(path: &str, from: Option<&Value>, to: Option<&Value>, found: &mut Vec<String>) {
    if let (Some(Value::Object(from)), Some(Value::Object(to))) = (from, to) {
        let names: std::collections::BTreeSet<_> = from.keys().chain(to.keys()).collect();
        for name in names {
            let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            changes(&path, from.get(name), to.get(name), found);
        }
    } else if from != to {
        found.push(path.to_owned());
    }
}

fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    a.zip(b).map_or(a.is_none() && b.is_none(), |(a, b)| equal(a, b))
}

proptest! {
    #[test]
    fn whoever_changed_nothing_changes_nothing(base in texts(), x in texts()) {
        for (theirs, mine) in [(&x, &base), (&base, &x), (&x, &x)] {
            let merged = merge(&base, theirs, mine).unwrap().into_clean();
            prop_assert_eq!(merged.as_ref(), Ok(&x));
            let written = merged.map(|merged| merged.to_string());
            prop_assert_eq!(written.ok(), Some(x.to_string()), "the order of members");
        }
    }

    #[test]
    fn sides_can_change_places(base in texts(), x in texts(), y in texts()) {
        let (one, other) = (merge(&base, &x, &y).unwrap(), merge(&base, &y, &x).unwrap());
        let turned: Vec<_> = other.conflicts().iter().cloned().map(|conflict| Conflict {
            theirs: conflict.mine, mine: conflict.theirs, ..conflict
        }).collect();
        prop_assert_eq!(one.conflicts(), turned);
        if let (Ok(one), Ok(other)) = (one.into_clean(), other.into_clean()) {
            prop_assert!(equal(&one, &other));
        }
    }

    #[test]
    fn nothing_is_dropped_in_silence(base in texts(), theirs in texts(), mine in texts()) {
        let merged = merge(&base, &theirs, &mine).unwrap();
        for side in [&theirs, &mine] {
            let mut changed = Vec::new();
            changes("", Some(&base), Some(side), &mut changed);
            for path in changed {
                let is_open = merged.conflicts().iter().any(|conflict| {
                    path == conflict.path
                        || path.starts_with(&format!("{}/", conflict.path))
                        || conflict.path.starts_with(&format!("{path}/"))
                });
                let is_kept = same(merged.value().pointer(&path), side.pointer(&path));
                // Or it was written in another way only, and the other side changed the value.
                let is_value = !same(base.pointer(&path), side.pointer(&path));
                prop_assert!(is_open || is_kept || !is_value, "{} of {}", path, side);
            }
        }
    }

    #[test]
    fn nothing_is_made_up(base in texts(), theirs in texts(), mine in texts()) {
        let merged = merge(&base, &theirs, &mine).unwrap();
        let mut found = Vec::new();
        changes("", Some(&base), Some(merged.value()), &mut found);
        for path in found {
            let here = merged.value().pointer(&path);
            prop_assert!(here == theirs.pointer(&path) || here == mine.pointer(&path), "{}", path);
        }
    }

    #[test]
    fn settling_all_for_one_side_keeps_what_that_side_did(base in texts(), theirs in texts(), mine in texts()) {
        let mut merged = merge(&base, &theirs, &mine).unwrap();
        while let Some(path) = merged.conflicts().first().map(|conflict| conflict.path.clone()) {
            prop_assert!(merged.settle(&path, Side::Mine));
        }
        let merged = merged.into_clean().unwrap();
        let mut changed = Vec::new();
        changes("", Some(&base), Some(&mine), &mut changed);
        for path in changed.iter().filter(|path| !same(base.pointer(path), mine.pointer(path))) {
            prop_assert!(same(merged.pointer(path), mine.pointer(path)), "{}", path);
        }
    }
}

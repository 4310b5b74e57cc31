//! JSON that loses nothing: numbers keep their digits, members their order, and what cannot be kept is refused instead
//! of being dropped.

use core::fmt;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How the parser hands over numbers with all their digits, as an object with this one member. Content that has the
/// name itself could not be told apart, so it is not taken.
const NUMBER_TOKEN: &str = "$serde_json::private::Number";

/// Reads a JSON text. Duplicate member names are an error: one of the two would be lost. Nesting is bounded by the
/// parser (128).
///
/// # Errors
/// In words of the parser, with line and column.
pub fn parse(text: &[u8]) -> Result<Value, String> {
    if text.windows(NUMBER_TOKEN.len()).any(|w| w == NUMBER_TOKEN.as_bytes()) {
        return Err("it has a member name that is reserved here".to_owned());
    }
    serde_json::from_slice::<Unique>(text).map(|unique| unique.0).map_err(|error| error.to_string())
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Unique(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == NUMBER_TOKEN {
                let digits: String = map.next_value()?;
                return digits.parse().map(Value::Number).map_err(A::Error::custom);
            }
            let Unique(value) = map.next_value()?;
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!(
                    "the member name {name:?} stands twice in one object"
                )));
            }
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

/// Equality by JSON value (RFC 6902, Section 4.6): numbers numerically, objects without regard to order.
pub fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => decimal(&a.to_string()) == decimal(&b.to_string()),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}

/// A JSON number as sign, significant digits and the power of ten of the last one: equal numbers have equal decimals,
/// however they are written and however large they are.
fn decimal(text: &str) -> (bool, String, i128) {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |t| (true, t));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return (false, String::new(), 0);
    }
    // An exponent too large for i128 is beyond anything that is compared in earnest; it saturates.
    let exponent = exponent.parse::<i128>().unwrap_or(if exponent.starts_with('-') {
        i128::MIN / 2
    } else {
        i128::MAX / 2
    });
    let dropped = significant.len() - trimmed.len();
    let shift = i128::try_from(dropped).unwrap_or(0) - i128::try_from(fraction.len()).unwrap_or(0);
    (negative, trimmed.to_owned(), exponent.saturating_add(shift))
}

/// Octets the value takes as JSON text, about; stops counting past `max`.
pub fn size(value: &Value, max: usize) -> usize {
    let own = |n: usize| n + 2;
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(n) => n.to_string().len() + 1,
        Value::String(s) => own(s.len()),
        Value::Array(items) => items.iter().fold(2, |n, v| if n > max { n } else { n + size(v, max) }),
        Value::Object(members) => members
            .iter()
            .fold(2, |n, (name, v)| if n > max { n } else { n + own(name.len()) + size(v, max) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_back_to_the_digit() {
        for text in [
            r#"{"b":1,"a":12345678901234567890123456789,"c":0.1000000000000000055511151231257827,"d":1e+400,"e":-0,"f":1.0}"#,
            r#"[null,true,false,"\u0000é",[],{},{"":{"":[1,2]}}]"#,
            "0",
            r#""x""#,
        ] {
            assert_eq!(
                serde_json::to_string(&parse(text.as_bytes()).unwrap()).unwrap().replace('\u{0}', "\\u0000"),
                text
            );
        }
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        assert!(parse(br#"{"a":1,"b":{"a":1,"a":2}}"#).unwrap_err().contains("twice"));
        assert!(parse(br#"{"a":1} x"#).is_err());
        assert!(parse(b"\xff").is_err());
        assert!(parse(b"").is_err());
        assert!(parse(br#"{"$serde_json::private::Number":"1"}"#).is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn numbers_are_equal_by_value() {
        let equal = |a: &str, b: &str| equal(&parse(a.as_bytes()).unwrap(), &parse(b.as_bytes()).unwrap());
        for (a, b) in [
            ("1", "1.0"),
            ("1", "1e0"),
            ("100", "1E2"),
            ("0.01", "1e-2"),
            ("-0", "0"),
            ("0.0", "0e9"),
            ("[1.50]", "[1.5]"),
        ] {
            assert!(equal(a, b) && equal(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("1", "2"),
            ("1", "-1"),
            ("1", "\"1\""),
            ("9007199254740993", "9007199254740992"),
            ("1", "10"),
            ("[1]", "[1,1]"),
        ] {
            assert!(!equal(a, b), "{a} {b}");
        }
        assert!(equal(r#"{"a":1,"b":2}"#, r#"{"b":2.0,"a":1}"#));
    }
}

//! Readers of single values: what is allowed, and how that is said.

use super::keys::nearest;
use super::reader::{Item, Reading, Text, Wrong};
use ifmatch_gateway::settings::Origin;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

/// Shortest and longest duration that can be set.
pub(super) const DURATIONS: RangeInclusive<Duration> =
    Duration::from_millis(1)..=Duration::from_secs(24 * 60 * 60);

pub(super) fn boolean(item: &Item<'_>) -> Reading<bool> {
    match item.as_boolean() {
        Some(value) => Ok(value),
        None => item.wrong(format!("expected true or false, found {}", item.kind())),
    }
}

/// An integer within bounds.
pub(super) fn number(item: &Item<'_>, allowed: RangeInclusive<u64>) -> Reading<u64> {
    match item.as_integer() {
        Some(value) => within(item, value?, &allowed),
        None => item.wrong(format!("expected an integer, found {}", item.kind())),
    }
}

fn within(item: &Item<'_>, value: u64, allowed: &RangeInclusive<u64>) -> Reading<u64> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    item.wrong(format!("expected {} to {}", allowed.start(), allowed.end()))
}

/// An integer within bounds that fits the machine's words.
pub(super) fn count(item: &Item<'_>, allowed: RangeInclusive<u64>) -> Reading<usize> {
    number(item, allowed).map(|value| usize::try_from(value).unwrap_or(usize::MAX))
}

/// A size: bytes as an integer, or a text with a unit.
pub(super) fn size(item: &Item<'_>, allowed: RangeInclusive<u64>) -> Reading<u64> {
    const EXPECTED: &str = "a size: bytes, or a text like \"16 MiB\"";
    let bytes = match item.as_integer() {
        Some(bytes) => bytes?,
        None => {
            let text = item.text(EXPECTED)?;
            let wrong = || text.wrong(format!("expected {EXPECTED}"));
            let (number, unit) = number_and_unit(&text.value).ok_or_else(|| vec![wrong()])?;
            let unit_bytes: u64 = match unit {
                "B" => 1,
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "GiB" => 1 << 30,
                _ => {
                    let meant = match unit.to_ascii_lowercase().as_str() {
                        "k" | "kb" | "kib" => Some("KiB"),
                        "m" | "mb" | "mib" => Some("MiB"),
                        "g" | "gb" | "gib" => Some("GiB"),
                        _ => None,
                    };
                    let meant = meant.filter(|_| !text.is_substituted());
                    let suggestion = meant.map(|unit| format!("\"{number} {unit}\""));
                    let wrong = text.wrong("not a unit of size").suggest(suggestion);
                    return Err(vec![wrong.help("Units are B, KiB, MiB and GiB; 1 KiB is 1024 bytes.")]);
                }
            };
            number.saturating_mul(unit_bytes)
        }
    };
    if allowed.contains(&bytes) {
        return Ok(bytes);
    }
    item.wrong(format!("expected {} to {}", shown_size(*allowed.start()), shown_size(*allowed.end())))
}

/// A size that fits the machine's words.
pub(super) fn size_held(item: &Item<'_>, allowed: RangeInclusive<u64>) -> Reading<usize> {
    size(item, allowed).map(|value| usize::try_from(value).unwrap_or(usize::MAX))
}

/// A size as it would be written.
pub fn shown_size(bytes: u64) -> String {
    for (shift, unit) in [(30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if bytes > 0 && bytes.trailing_zeros() >= shift {
            return format!("{} {unit}", bytes >> shift);
        }
    }
    format!("{bytes} B")
}

/// A text with a number and a unit of time.
pub(super) fn duration(item: &Item<'_>) -> Reading<Duration> {
    const EXPECTED: &str = "a duration with its unit, as \"60s\"";
    if let Some(seconds) = item.as_integer() {
        let wrong = Wrong::new(item.span.clone(), "a duration needs its unit");
        return Err(vec![wrong.suggest(Some(format!("\"{}s\"", seconds?)))]);
    }
    let text = item.text(EXPECTED)?;
    let wrong = |label: &str| {
        text.wrong(label).help("A duration is an integer with one of the units ms, s, m or h, as \"500ms\".")
    };
    let Some((number, unit)) = number_and_unit(&text.value) else {
        return Err(vec![wrong(&format!("expected {EXPECTED}"))]);
    };
    let value = match unit {
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        "m" => Duration::from_secs(number.saturating_mul(60)),
        "h" => Duration::from_secs(number.saturating_mul(3600)),
        _ => return Err(vec![wrong("not a unit of time")]),
    };
    if DURATIONS.contains(&value) { Ok(value) } else { Err(vec![wrong("expected \"1ms\" to \"24h\"")]) }
}

/// A duration as it would be written.
pub fn shown_duration(duration: Duration) -> String {
    let ms = duration.as_millis();
    for (unit_ms, least, unit) in [(3_600_000, 1, "h"), (60_000, 2, "m"), (1000, 1, "s")] {
        if ms.is_multiple_of(unit_ms) && ms / unit_ms >= least {
            return format!("{}{unit}", ms / unit_ms);
        }
    }
    format!("{ms}ms")
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}

/// One of several words, each with what it means.
pub(super) fn word<T: Clone>(item: &Item<'_>, words: &[(&str, T)]) -> Reading<T> {
    let text = item.text(&alternatives(words))?;
    match words.iter().find(|(word, _)| *word == text.value) {
        Some((_, value)) => Ok(value.clone()),
        None => Err(vec![no_such_word(&text, words)]),
    }
}

pub(super) fn no_such_word<T>(text: &Text, words: &[(&str, T)]) -> Wrong {
    let expected = alternatives(words);
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    let lower = text.value.trim().to_ascii_lowercase().replace('_', "-");
    let near = known.iter().copied().find(|word| *word == lower).or_else(|| nearest(&lower, &known));
    match near.filter(|_| !text.is_substituted()) {
        Some(near) => {
            let wrong = Wrong::new(text.span.clone(), "no such word").suggest(Some(format!("\"{near}\"")));
            wrong.help(format!("Allowed are {}.", expected.replace(" or ", " and ")))
        }
        None => text.wrong(format!("expected {expected}")),
    }
}

fn alternatives<T>(words: &[(&str, T)]) -> String {
    let quoted: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.join(""),
    }
}

pub(super) fn path(item: &Item<'_>) -> Reading<PathBuf> {
    let text = item.text("a path")?;
    if text.value.is_empty() {
        return Err(vec![text.wrong("an empty path")]);
    }
    if text.value.contains('\0') {
        return Err(vec![text.wrong("a path with a NUL in it")]);
    }
    Ok(PathBuf::from(text.value))
}

/// An address to listen on.
pub(super) fn address(item: &Item<'_>) -> Reading<SocketAddr> {
    const EXPECTED: &str = "an address with a port, as \"127.0.0.1:4428\"";
    let text = item.text(EXPECTED)?;
    parse_address(&text.value).ok_or_else(|| {
        let wrong = text.wrong(format!("expected {EXPECTED}"));
        vec![wrong.help("Names other than localhost are not looked up; an IPv6 address has brackets.")]
    })
}

pub(super) fn parse_address(text: &str) -> Option<SocketAddr> {
    let numeric = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    numeric.as_deref().unwrap_or(text).parse().ok()
}

/// Reads the URL of an upstream: `http://host`, `http://host:port`.
///
/// # Errors
/// What is wrong with it, in one sentence, without repeating it.
pub fn origin(url: &str) -> Result<Origin, String> {
    const EXPECTED: &str = "expected a URL of scheme and host, as http://127.0.0.1:3000";
    let Some((scheme, rest)) = url.split_once("://") else { return Err(EXPECTED.to_owned()) };
    if scheme.eq_ignore_ascii_case("https") {
        return Err("https is not spoken to the upstream: this version speaks HTTP/1.1 in the clear; put both on one \
             machine or network, or something that does TLS in between"
            .to_owned());
    }
    if !scheme.eq_ignore_ascii_case("http") {
        return Err(EXPECTED.to_owned());
    }
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    if authority.contains(['/', '?', '#']) {
        return Err("a URL with a path: paths are handed on as they come, so only http://host:port is given"
            .to_owned());
    }
    if authority.contains('@') {
        return Err("credentials are not sent from here; clients send their own".to_owned());
    }
    let (host, port) = host_and_port(authority).ok_or_else(|| EXPECTED.to_owned())?;
    if port == 0 { Err("port 0 cannot be connected to".to_owned()) } else { Ok(Origin { host, port }) }
}

fn host_and_port(authority: &str) -> Option<(String, u16)> {
    const HTTP_PORT: u16 = 80;
    let port_of = |text: &str| match text.strip_prefix(':') {
        // More digits than a port can have, or a sign.
        Some(digits) if digits.len() > 5 || !digits.bytes().all(|b| b.is_ascii_digit()) => None,
        Some(digits) => digits.parse().ok(),
        None if text.is_empty() => Some(HTTP_PORT),
        None => None,
    };
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        let IpAddr::V6(address) = host.parse().ok()? else { return None };
        return Some((address.to_string(), port_of(rest)?));
    }
    let (host, rest) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
    };
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_host = host.len() <= 253 && name.split('.').all(is_label);
    // What looks like an address but is none is not taken for a name.
    let is_numeric = name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    let fits = is_host && (!is_numeric || host.parse::<IpAddr>().is_ok());
    Some((host.to_ascii_lowercase(), port_of(rest)?)).filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for (url, host, port) in [
            ("http://127.0.0.1:3000", "127.0.0.1", 3000),
            ("HTTP://API.internal", "api.internal", 80),
            ("http://[::1]:8080/", "::1", 8080),
            ("http://my_app:65535", "my_app", 65535),
        ] {
            assert_eq!(origin(url), Ok(Origin { host: host.to_owned(), port }), "{url}");
        }
        for url in [
            "",
            "http://",
            "127.0.0.1:3000",
            "ftp://a",
            "http://a/b",
            "http://a?b",
            "http://a:",
            "http://a:x",
            "http://a:+1",
            "http://a:65536",
            "http://a:0",
            "http://me@a",
            "http://::1",
            "http://[::1",
            "http://a b",
            "http://1.2.3",
            "http://[1.2.3.4]",
            "http://a..b",
            "https://a",
            "http://a:123456",
        ] {
            assert!(origin(url).is_err(), "{url}");
        }
        assert!(origin("https://a").unwrap_err().contains("HTTP/1.1 in the clear"));
    }

    #[test]
    fn sizes_and_durations_are_shown_as_they_are_written() {
        for (bytes, text) in
            [(16 << 20, "16 MiB"), (1000, "1000 B"), (0, "0 B"), (3 << 10, "3 KiB"), (1 << 30, "1 GiB")]
        {
            assert_eq!(shown_size(bytes), text);
        }
        for (ms, text) in
            [(500, "500ms"), (60_000, "60s"), (300_000, "5m"), (7_200_000, "2h"), (1500, "1500ms")]
        {
            assert_eq!(shown_duration(Duration::from_millis(ms)), text);
        }
    }
}

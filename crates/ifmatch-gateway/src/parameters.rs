//! Parameters of queries, forms and cookies, under every name by which a server may find them.

use percent_encoding::percent_decode;

/// Whether some server finds a parameter of this spelling when it looks for that name: percent-encoding is undone, case does
/// not matter, and PHP makes underscores of blanks, dots and brackets, and ends a name at NUL and at its index.
pub(crate) fn may_be(spelled: &[u8], name: &str) -> bool {
    let decoded = percent_decode(spelled).map(|b| if b == b'+' { b' ' } else { b });
    let mut octets = decoded.skip_while(u8::is_ascii_whitespace);
    if !name.bytes().all(|b| octets.next().is_some_and(|spelled| folded(spelled) == folded(b))) {
        return false;
    }
    match octets.next() {
        None | Some(0 | b'[') => true,
        Some(b) => b.is_ascii_whitespace() && octets.all(|b| b.is_ascii_whitespace()),
    }
}

fn folded(octet: u8) -> u8 {
    match octet {
        b'.' | b'[' => b'_',
        b if b.is_ascii_whitespace() => b'_',
        b => b.to_ascii_lowercase(),
    }
}

/// Whether a query or a form has a parameter that may be the one of this name. Some split it at semicolons too.
pub(crate) fn has(pairs: &[u8], name: &str) -> bool {
    let of = |pair: &[u8]| pair.iter().position(|&b| b == b'=').unwrap_or(pair.len());
    pairs.split(|&b| matches!(b, b'&' | b';')).any(|pair| may_be(&pair[..of(pair)], name))
}

/// Servers differ in what a parameter's value is, or in whether it is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ambiguous;

/// The value of a query parameter, decoded; empty if it is not there.
pub(crate) fn query_value(query: &str, name: &str) -> Result<String, Ambiguous> {
    let value = one(query.split('&'), name, decoded)?;
    let value_for_others = one(query.split(['&', ';']), name, decoded)?;
    if value == value_for_others { Ok(value.unwrap_or_default()) } else { Err(Ambiguous) }
}

/// The value of a cookie in the one or more parts of its field, without quotes and percent-encoding, which some servers
/// undo; empty if it is not there.
pub(crate) fn cookie_value<'h>(
    parts: impl Iterator<Item = &'h [u8]>,
    name: &str,
) -> Result<String, Ambiguous> {
    let mut found = None;
    for part in parts {
        let pairs = std::str::from_utf8(part).map_err(|_| Ambiguous)?.split(';').map(str::trim);
        let undone = |text: &str| percent_decode(text.as_bytes()).decode_utf8_lossy().into_owned();
        if let Some(value) = one(pairs, name, undone)?
            && found.replace(value).is_some()
        {
            return Err(Ambiguous);
        }
    }
    let value = found.unwrap_or_default();
    Ok(value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(&value).to_owned())
}

/// The value under exactly this name, if nothing else may be taken for it.
fn one<'q>(
    pairs: impl Iterator<Item = &'q str>,
    name: &str,
    value_of: impl Fn(&str) -> String,
) -> Result<Option<String>, Ambiguous> {
    let mut found = None;
    for pair in pairs {
        let (spelled, value) = pair.split_once('=').unwrap_or((pair, ""));
        if may_be(spelled.as_bytes(), name)
            && (decoded(spelled) != name || found.replace(value_of(value)).is_some())
        {
            return Err(Ambiguous);
        }
    }
    Ok(found)
}

fn decoded(text: &str) -> String {
    let text = text.replace('+', " ");
    percent_decode(text.as_bytes()).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_under_every_spelling() {
        for spelled in [
            "_method",
            "_METHOD",
            "%5Fmethod",
            ".method",
            "%2emethod",
            "[method",
            "_method%00x",
            "_method[]",
            "_method%5B0%5D",
            "+_method",
            "%20_method+",
        ] {
            assert!(may_be(spelled.as_bytes(), "_method"), "{spelled}");
        }
        for other in ["", "method", "_metho", "_methods", "my_method", "_method%01", "_method x", "+method"] {
            assert!(!may_be(other.as_bytes(), "_method"), "{other}");
        }
        assert!(may_be(b"user_id", "user.id") && may_be(b"user+id", "user.id"));
        assert!(has(b"a=1&b;.method", "_method") && !has(b"a=_method&b=_method", "_method"));
    }

    #[test]
    fn a_parameter_has_one_value_or_is_ambiguous() {
        for (query, value) in [
            ("id=1", Ok("1")),
            ("x=2&i%64=%31", Ok("1")),
            ("x=1;y=2&id=3", Ok("3")),
            ("id=1%3Bx=2", Ok("1;x=2")),
            ("id=a+b", Ok("a b")),
            ("id", Ok("")),
            ("", Ok("")),
            ("idx=1", Ok("")),
            ("id=1&id=1", Err(Ambiguous)),
            ("id=1;x=2", Err(Ambiguous)),
            ("x=1;id=2", Err(Ambiguous)),
            ("id[]=1", Err(Ambiguous)),
            ("ID=1", Err(Ambiguous)),
            ("id%00=1", Err(Ambiguous)),
            ("id=1&+id=2", Err(Ambiguous)),
        ] {
            assert_eq!(query_value(query, "id").as_deref(), value.as_ref().copied(), "{query}");
        }
    }

    #[test]
    fn a_cookie_has_one_value_or_is_ambiguous() {
        for (parts, value) in [
            (&["sid=1; theme=dark"][..], Ok("1")),
            (&["theme=dark", "sid=1"], Ok("1")),
            (&["theme=dark;sid=\"%31\""], Ok("1")),
            (&["theme=dark"], Ok("")),
            (&["sid=1; sid=1"], Err(Ambiguous)),
            (&["sid=1", "sid=2"], Err(Ambiguous)),
            (&["SID=1"], Err(Ambiguous)),
        ] {
            let found = cookie_value(parts.iter().map(|part| part.as_bytes()), "sid");
            assert_eq!(found.as_deref(), value.as_ref().copied(), "{parts:?}");
        }
    }
}

//! As much of JSON as a test double needs: the members of an object, each value left as it is written.

/// The members of an object in order, values as written. `None` for anything else.
pub(super) fn members(text: &str) -> Option<Vec<(String, String)>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut members = Vec::new();
    for part in split(inner, ',') {
        if part.trim().is_empty() {
            continue;
        }
        let [name, value] = split(part, ':').try_into().ok()?;
        let name = name.trim().strip_prefix('"')?.strip_suffix('"')?;
        members.push((name.to_owned(), value.trim().to_owned()));
    }
    Some(members)
}

/// An object of these members.
pub(super) fn object(members: &[(String, String)]) -> String {
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// The parts between separators that stand outside of strings and brackets.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut from, mut depth, mut in_string, mut is_escaped) =
        (Vec::new(), 0, 0_i32, false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if in_string => is_escaped = true,
            '"' => in_string = !in_string,
            _ if in_string => {}
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            _ if c == separator && depth == 0 => {
                parts.push(&text[from..at]);
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}

/// The current object with a merge patch (RFC 7396) of one level: null removes, everything else replaces.
pub(super) fn merged(current: &str, patch: &str) -> Option<String> {
    let mut now = members(current)?;
    for (name, value) in members(patch)? {
        let at = now.iter().position(|(known, _)| *known == name);
        match (value.as_str(), at) {
            ("null", Some(at)) => drop(now.remove(at)),
            ("null", None) => {}
            (_, Some(at)) => now[at].1 = value,
            (_, None) => now.push((name, value)),
        }
    }
    Some(object(&now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_where_they_begin_and_end() {
        let found = members(r#" {"b": [1, {"x": 2}], "a":"},:\"" , "n":null} "#);
        let expected = [("b", r#"[1, {"x": 2}]"#), ("a", r#""},:\"""#), ("n", "null")];
        assert_eq!(found, Some(expected.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()));
        assert_eq!(members("{}"), Some(Vec::new()));
        for none in ["", "[1]", "{1:2}", "{\"a\"}", "5"] {
            assert_eq!(members(none), None, "{none}");
        }
    }

    #[test]
    fn a_merge_patch_of_one_level() {
        let merged = merged(r#"{"a":1,"b":2,"c":3}"#, r#"{"b":null,"c":{"x":1},"d":4,"e":null}"#);
        assert_eq!(merged.as_deref(), Some(r#"{"a":1,"c":{"x":1},"d":4}"#));
    }
}

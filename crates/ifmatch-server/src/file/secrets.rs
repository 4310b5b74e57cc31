//! Secrets that somebody wrote into a file are not repeated where its lines are shown.

/// A key with one of these in it holds a secret.
const SECRET_KEYS: [&str; 4] = ["authori", "password", "secret", "token"];

/// The text with secrets overwritten, byte for byte, so that places in it stay where they are: values of keys that
/// sound like one, except references to the environment, and user names in URLs.
pub(super) fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    // The quotes that end a value of several lines which is being overwritten.
    let mut open: Option<&str> = None;
    for line in text.split_inclusive('\n') {
        if let Some(quotes) = open {
            let end = line.find(quotes);
            let (value, rest) = line.split_at(end.unwrap_or(line.len()));
            out.push_str(&overwritten(value));
            out.push_str(rest);
            open = open.filter(|_| end.is_none());
            continue;
        }
        match secret_value(line) {
            Some(at) => {
                let (key, value) = line.split_at(at);
                out.push_str(key);
                out.push_str(&overwritten(value));
                let three = ["\"\"\"", "'''"].into_iter();
                open = three.into_iter().find(|quotes| value.matches(quotes).count() == 1);
            }
            None => out.push_str(&without_userinfo(line)),
        }
    }
    out
}

/// Where the value begins, if the line gives one to a key that holds a secret.
fn secret_value(line: &str) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    let keys = SECRET_KEYS.iter().filter_map(|key| lower.find(key));
    let at = keys.min().filter(|&at| !line[..at].contains('#'))?;
    Some(at + line[at..].find('=')? + 1)
}

/// Every byte becomes an asterisk, except white space, quotes and references to the environment.
fn overwritten(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while !rest.is_empty() {
        let (hidden, reference, after) = match rest.find("${") {
            Some(at) => {
                let end = rest[at..].find('}').map_or(at, |end| at + end + 1);
                // Only names are shown, in case the braces are part of the secret.
                let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let named = end > at && rest[at + 2..end - 1].chars().all(is_name);
                let end = if named { end } else { at + 2 };
                let reference = if named { &rest[at..end] } else { "**" };
                (&rest[..at], reference, &rest[end..])
            }
            None => (rest, "", ""),
        };
        for c in hidden.chars() {
            match c {
                ' ' | '\t' | '\r' | '\n' | '"' | '\'' => out.push(c),
                _ => out.extend(std::iter::repeat_n('*', c.len_utf8())),
            }
        }
        out.push_str(reference);
        rest = after;
    }
    out
}

/// What stands before the `@` of a URL's authority is overwritten.
fn without_userinfo(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        out.push_str(before);
        let authority = after.find(['/', '"', '\'', ' ', '\n', '?', '#']).unwrap_or(after.len());
        let user = after[..authority].rfind('@').unwrap_or(0);
        out.push_str(&overwritten(&after[..user]));
        rest = &after[user..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_overwritten_and_nothing_moves() {
        for (text, shown) in [
            ("check_authorization = \"Bearer abc\"\n", "check_authorization = \"****** ***\"\n"),
            ("check_authorization = \"Bearer ${TOKEN}\"", "check_authorization = \"****** ${TOKEN}\""),
            ("Check-Authorisation=\"xöx", "Check-Authorisation=\"****"),
            ("check_authorization = \"${a b}\"", "check_authorization = \"*** **\""),
            ("check_authorization = \"${\"", "check_authorization = \"**\""),
            ("token = \"\"\"\nabc\nd\"\"\"\nmode = \"off\"", "token = \"\"\"\n***\n*\"\"\"\nmode = \"off\""),
            ("upstream = \"http://me:pw@host:1/x@y\"", "upstream = \"http://*****@host:1/x@y\""),
            ("mode = \"off\" # the token = none", "mode = \"off\" # the token = none"),
            ("# authorization", "# authorization"),
        ] {
            assert_eq!(masked(text), shown, "{text}");
            assert_eq!(masked(text).len(), text.len());
        }
    }
}

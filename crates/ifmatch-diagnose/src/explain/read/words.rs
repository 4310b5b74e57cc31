//! Words of a pasted command: as a POSIX shell with `$'...'` would read them, and as Windows' cmd would.

/// One word.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Word {
    pub(super) text: String,
    /// A shell would have put something in for part of it: `$ETAG`, `$(...)`.
    pub(super) has_variable: bool,
}

/// The words of the first command in `text`; what is behind a pipe, `;`, `&` or a redirection is left out. `Err` tells
/// what is open at its end.
pub(super) fn split(text: &str) -> Result<Vec<Word>, &'static str> {
    first_command(text).map(|(words, _)| words)
}

/// The words of the first command, and what is behind it.
pub(super) fn first_command(text: &str) -> Result<(Vec<Word>, String), &'static str> {
    let text = if is_cmd(text) { from_cmd(text) } else { text.to_owned() };
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '\n' | '|' | ';' | '&' => break,
            '>' | '<' => {
                // A redirection of a descriptor: `2>/dev/null`.
                word = word.filter(|word| !word.text.bytes().all(|b| b.is_ascii_digit()));
                break;
            }
            '#' if word.is_none() => break,
            ' ' | '\t' | '\r' => words.extend(word.take()),
            '\\' => match rest.next() {
                Some('\n') => {}
                Some('\r') if rest.next_if_eq(&'\n').is_some() => {}
                Some(escaped) => word.get_or_insert_default().text.push(escaped),
                None => {}
            },
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match rest.next() {
                        Some('\'') => break,
                        Some(inside) => word.text.push(inside),
                        None => return Err("a single quote is open"),
                    }
                }
            }
            '"' => double_quoted(&mut rest, word.get_or_insert_default())?,
            '$' if rest.next_if_eq(&'\'').is_some() => ansi_quoted(&mut rest, word.get_or_insert_default())?,
            '$' => {
                let word = word.get_or_insert_default();
                word.has_variable |= rest.peek().is_some_and(|next| is_variable(*next));
                word.text.push('$');
            }
            '`' => {
                let word = word.get_or_insert_default();
                word.has_variable = true;
                word.text.push('`');
            }
            _ => word.get_or_insert_default().text.push(character),
        }
    }
    words.extend(word);
    Ok((words, rest.collect()))
}

fn is_variable(next: char) -> bool {
    next.is_ascii_alphanumeric() || matches!(next, '_' | '{' | '(')
}

type Characters<'a> = core::iter::Peekable<core::str::Chars<'a>>;

fn double_quoted(rest: &mut Characters<'_>, word: &mut Word) -> Result<(), &'static str> {
    loop {
        match rest.next() {
            Some('"') => return Ok(()),
            Some('\\') => match rest.next() {
                Some('\n') => {}
                Some(escaped @ ('"' | '\\' | '$' | '`')) => word.text.push(escaped),
                Some(other) => word.text.extend(['\\', other]),
                None => return Err("a double quote is open"),
            },
            Some('$') => {
                word.has_variable |= rest.peek().is_some_and(|next| is_variable(*next));
                word.text.push('$');
            }
            Some(inside) => word.text.push(inside),
            None => return Err("a double quote is open"),
        }
    }
}

/// `$'...'`, which Chrome's "Copy as cURL (bash)" uses.
fn ansi_quoted(rest: &mut Characters<'_>, word: &mut Word) -> Result<(), &'static str> {
    loop {
        match rest.next() {
            Some('\'') => return Ok(()),
            Some('\\') => match rest.next() {
                Some('n') => word.text.push('\n'),
                Some('r') => word.text.push('\r'),
                Some('t') => word.text.push('\t'),
                Some('u') => word.text.push(code_point(rest, 4)),
                Some('U') => word.text.push(code_point(rest, 8)),
                Some('x') => word.text.push(code_point(rest, 2)),
                Some(other) => word.text.push(other),
                None => return Err("a $' quote is open"),
            },
            Some(inside) => word.text.push(inside),
            None => return Err("a $' quote is open"),
        }
    }
}

fn code_point(rest: &mut Characters<'_>, digits_max: usize) -> char {
    let mut number = 0;
    for _ in 0..digits_max {
        let Some(digit) = rest.peek().and_then(|digit| digit.to_digit(16)) else { break };
        rest.next();
        number = number * 16 + digit;
    }
    char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// Chrome's "Copy as cURL (cmd)" puts `^` before what cmd would obey.
fn is_cmd(text: &str) -> bool {
    text.contains("^\"") || text.contains("^\n") || text.contains("^\r\n")
}

/// As a POSIX shell would have it: carets are taken away, the C rules of quotes stay: `\"` is a quote, `\\` before one a
/// backslash.
fn from_cmd(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        match character {
            '^' => match rest.next() {
                // In a caret's place at the end of a line the command goes on.
                Some('\r') if rest.next_if_eq(&'\n').is_some() => plain.push(' '),
                Some('\n') => plain.push(' '),
                Some(escaped) => plain.push(escaped),
                None => {}
            },
            // Nothing is put in for these by cmd.
            '$' | '`' => plain.extend(['\\', character]),
            _ => plain.push(character),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        split(text).unwrap().into_iter().map(|word| word.text).collect()
    }

    #[test]
    fn shells_words_are_understood() {
        assert_eq!(
            words(r#"curl -H 'If-Match: "7"' "a \"b\" \$c" d\ e | jq ."#),
            ["curl", "-H", "If-Match: \"7\"", "a \"b\" $c", "d e"]
        );
        assert_eq!(words("curl $'it\\'s \\u00e9\\x41\\n' \\\n  next"), ["curl", "it's éA\n", "next"]);
        assert_eq!(words("curl -s u 2>/dev/null"), ["curl", "-s", "u"]);
        assert_eq!(words(r#"curl -H "If-Match: "7"""#), ["curl", "-H", "If-Match: 7"]);
        assert_eq!(words("curl '' x"), ["curl", "", "x"]);
        for open in ["curl 'a", "curl \"a", "curl $'a", "curl \"a\\"] {
            assert!(split(open).is_err(), "{open}");
        }
    }

    #[test]
    fn variables_are_noticed() {
        let has = |text| split(text).unwrap().iter().any(|word| word.has_variable);
        assert!(
            has("curl -H \"If-Match: $ETAG\"") && has("curl $(x)") && has("curl `x`") && has("curl ${x}")
        );
        assert!(!has("curl '$ETAG'") && !has("curl 5$") && !has("curl \"\\$x\"") && !has("curl $'x'"));
    }

    #[test]
    fn carets_of_cmd_are_taken_away() {
        let pasted = "curl ^\"http://a/?x=1^&y=2^\" ^\r\n  -X ^\"PUT^\" ^\n  -H ^\"if-match: ^\\^\"7^\\^\"^\" ^\n  --data-raw ^\"^{^\\^\"a^\\^\":1^}^\"";
        assert_eq!(
            words(pasted),
            ["curl", "http://a/?x=1&y=2", "-X", "PUT", "-H", "if-match: \"7\"", "--data-raw", "{\"a\":1}"]
        );
    }
}

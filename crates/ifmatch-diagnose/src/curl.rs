//! Requests as curl commands that can be pasted into a shell.

use http::header::{HeaderMap, HeaderValue};
use ifmatch_client::secret;
use ifmatch_client::wire::Request;

/// The longest content that is written into a command, in bytes; longer content is named `@FILE`.
pub const CONTENT_BYTES_MAX: usize = 500;

/// A request as a command for a POSIX shell. `others` are fields that every request gets; secrets among them, and in the
/// URL, are masked unless `show_secrets`.
pub fn command(request: &Request, others: &HeaderMap, show_secrets: bool) -> String {
    let mut words = vec!["curl".to_owned(), "-i".to_owned()];
    match request.method.as_str() {
        "GET" => {}
        "HEAD" => words.push("--head".to_owned()),
        method => words.extend(["-X".to_owned(), method.to_owned()]),
    }
    let url = if show_secrets { request.url.to_string() } else { secret::url(&request.url) };
    words.push(url);
    let others = others.iter().filter(|(name, _)| !request.headers.contains_key(*name));
    for (name, value) in others.chain(&request.headers) {
        let value = if show_secrets { plain(value) } else { secret::field(name, value) };
        let line = if value.is_empty() { format!("{name};") } else { format!("{name}: {value}") };
        words.extend(["-H".to_owned(), line]);
    }
    if let Some(content) = &request.content {
        words.push("--data-binary".to_owned());
        words.push(match core::str::from_utf8(content) {
            Ok(text) if text.len() <= CONTENT_BYTES_MAX && !text.starts_with('@') && !text.contains('\0') => {
                text.to_owned()
            }
            _ => "@FILE".to_owned(),
        });
    }
    quote(&words)
}

/// Words of a command, quoted for a POSIX shell where needed.
pub fn quote<S: AsRef<str>>(words: &[S]) -> String {
    let quoted = words.iter().map(|word| {
        let word = word.as_ref().replace('\0', "\u{fffd}");
        let is_plain =
            !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./:=@,+%".contains(&b));
        if is_plain { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn plain(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;
    use http::header::{AUTHORIZATION, IF_MATCH};
    use ifmatch_client::wire::Url;

    #[test]
    fn a_command_can_be_pasted_and_tells_no_secret() {
        let url = Url::parse("http://localhost:3000/a?b=c&token=s").unwrap();
        let tag = HeaderValue::from_static("\"7\"");
        let request = Request::new(Method::PUT, url).with(IF_MATCH, tag).content("{\"note\":\"it's\"}");
        let mut others = HeaderMap::new();
        others.insert(AUTHORIZATION, HeaderValue::from_static("Bearer s"));
        let shown = command(&request, &others, false);
        assert_eq!(
            shown,
            r#"curl -i -X PUT 'http://localhost:3000/a?b=c&token=***' -H 'authorization: Bearer ***' -H 'if-match: "7"' --data-binary '{"note":"it'\''s"}'"#
        );
        let words = shlex::split(&shown).unwrap();
        assert_eq!(words.last().unwrap(), "{\"note\":\"it's\"}");
        assert!(command(&request, &others, true).contains("token=s' -H 'authorization: Bearer s'"));
    }
}

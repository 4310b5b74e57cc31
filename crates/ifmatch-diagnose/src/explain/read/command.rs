//! curl commands.

use super::super::evidence::{Content, Exchange, UNKNOWN_METHOD};
use super::super::fields::{Fields, Secrets, key, shown_url};
use super::Unreadable;
use super::words::{Word, first_command};
use ifmatch_client::wire::Url;

/// Options that take a value and say nothing about the request that is of interest here.
const WITH_VALUE: [&str; 49] = [
    "abstract-unix-socket",
    "aws-sigv4",
    "cacert",
    "capath",
    "cert",
    "cert-type",
    "ciphers",
    "connect-timeout",
    "connect-to",
    "continue-at",
    "cookie-jar",
    "create-file-mode",
    "delegation",
    "dump-header",
    "etag-save",
    "expect100-timeout",
    "interface",
    "keepalive-time",
    "key",
    "key-type",
    "limit-rate",
    "local-port",
    "max-filesize",
    "max-redirs",
    "max-time",
    "noproxy",
    "output",
    "output-dir",
    "parallel-max",
    "pass",
    "pinnedpubkey",
    "proto",
    "proto-default",
    "proto-redir",
    "proxy",
    "proxy-header",
    "proxy-user",
    "range",
    "rate",
    "resolve",
    "retry",
    "retry-delay",
    "retry-max-time",
    "speed-limit",
    "speed-time",
    "stderr",
    "tls-max",
    "unix-socket",
    "write-out",
];

/// Short options that take a value, and their long names.
const SHORT: [(char, &str); 30] = [
    ('A', "user-agent"),
    ('b', "cookie"),
    ('c', "cookie-jar"),
    ('C', "continue-at"),
    ('d', "data"),
    ('D', "dump-header"),
    ('e', "referer"),
    ('E', "cert"),
    ('F', "form"),
    ('H', "header"),
    ('K', "config"),
    ('m', "max-time"),
    ('o', "output"),
    ('P', "ftp-port"),
    ('Q', "quote"),
    ('r', "range"),
    ('t', "telnet-option"),
    ('T', "upload-file"),
    ('u', "user"),
    ('U', "proxy-user"),
    ('w', "write-out"),
    ('x', "proxy"),
    ('X', "request"),
    ('y', "speed-time"),
    ('Y', "speed-limit"),
    ('z', "time-cond"),
    ('h', "help"),
    ('I', "head"),
    ('G', "get"),
    ('l', "list-only"),
];

/// Whether a text begins with a command.
pub(super) fn is_command(text: &str) -> bool {
    let line = without_prompt(text);
    let first = line.split([' ', '\t', '\n', '\\', '^']).next().unwrap_or_default();
    matches!(first.rsplit(['/']).next().unwrap_or_default(), "curl" | "curl.exe")
}

/// How long a prompt may be, in bytes.
const PROMPT_BYTES_MAX: usize = 80;

/// Without a prompt, as `$ ` or `user@host:~$ `.
pub(super) fn without_prompt(line: &str) -> &str {
    let line = line.trim_start();
    let ends = ["$ curl", "# curl", "% curl", "> curl", ">curl"];
    let first = ends.iter().filter_map(|end| Some(line.find(end)? + end.len() - "curl".len())).min();
    let line = match first {
        Some(at) if at <= PROMPT_BYTES_MAX && !line.starts_with("curl") => &line[at..],
        _ => line,
    };
    without_prefix(line)
}

/// Without what a shell runs a command with: `sudo`, `time`, `NAME=value`.
fn without_prefix(line: &str) -> &str {
    let mut rest = line;
    while let Some((word, behind)) = rest.split_once(' ') {
        let is_setting = word.split_once('=').is_some_and(|(name, _)| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        });
        if !(is_setting || matches!(word, "sudo" | "time" | "$")) || word.contains(['"', '\'']) {
            break;
        }
        rest = behind.trim_start();
    }
    if rest.starts_with("curl") { rest } else { line }
}

/// Reads a command as text.
pub(super) fn of_text(text: &str, number: usize, secrets: &mut Secrets) -> Result<Vec<Exchange>, Unreadable> {
    let mut text = without_prompt(text).to_owned();
    let mut exchanges = Vec::new();
    loop {
        let (words, rest) = first_command(&text).map_err(|open| {
            Unreadable::new(format!("the curl command is not complete: {open} at its end; copy all of it"))
        })?;
        exchanges.extend(of_words(&words, number + exchanges.len(), secrets)?);
        match next_command(&rest) {
            Some(next) => text = next.to_owned(),
            None => return Ok(exchanges),
        }
    }
}

/// The next curl command behind one: behind `;`, `&&`, a pipe or a new line.
fn next_command(rest: &str) -> Option<&str> {
    let mut rest = rest;
    loop {
        let next = without_prompt(rest.trim_start_matches([';', '&', '|', ' ', '\n']));
        if is_command(next) {
            return Some(next);
        }
        rest = &rest[rest.find([';', '&', '|', '\n'])? + 1..];
    }
}

/// Reads a command whose words a shell has already made.
pub(super) fn of_arguments(words: &[String], secrets: &mut Secrets) -> Result<Vec<Exchange>, Unreadable> {
    let words: Vec<_> = words.iter().map(|text| Word { text: text.clone(), has_variable: false }).collect();
    of_words(&words, 1, secrets)
}

fn of_words(words: &[Word], number: usize, secrets: &mut Secrets) -> Result<Vec<Exchange>, Unreadable> {
    let Some((first, arguments)) = words.split_first() else {
        return Err(Unreadable::new(
            "there is no command; give a curl command: ifmatch explain -- curl -X PUT URL ...",
        ));
    };
    if !is_command(&first.text) {
        let shown: String = first.text.chars().take(40).collect();
        return Err(Unreadable::new(format!("{shown:?} is not curl; only curl commands are understood")));
    }
    let mut exchanges = Vec::new();
    for part in arguments.split(|word| matches!(word.text.as_str(), "--next" | "-:")) {
        let mut asked = Asked::default();
        asked.read(part, secrets)?;
        let first = number + exchanges.len();
        exchanges.extend(asked.exchanges(first, secrets));
    }
    if exchanges.is_empty() {
        return Err(Unreadable::new("the curl command has no URL, so it is not known what it is about"));
    }
    Ok(exchanges)
}

/// What a command asks for.
#[derive(Default)]
struct Asked {
    method: Option<String>,
    urls: Vec<Word>,
    /// Variables alone: the URL if there is no other, or else options that are not known.
    perhaps_urls: Vec<Word>,
    fields: Fields,
    /// There are fields that are not known: `-H @file`.
    is_partly_known: bool,
    content: Option<Vec<u8>>,
    is_head: bool,
    is_get: bool,
    is_upload: bool,
    is_form: bool,
}

impl Asked {
    fn read(&mut self, words: &[Word], secrets: &mut Secrets) -> Result<(), Unreadable> {
        let mut words = words.iter();
        let mut only_urls = false;
        while let Some(word) = words.next() {
            let text = word.text.as_str();
            if word.has_variable && text.starts_with(['$', '`']) && !text.contains('/') {
                // A URL, or options.
                self.perhaps_urls.push(word.clone());
            } else if only_urls || !text.starts_with('-') || text == "-" {
                self.urls.push(word.clone());
            } else if text == "--" {
                only_urls = true;
            } else if let Some(long) = text.strip_prefix("--") {
                let (name, glued) =
                    long.split_once('=').map_or((long, None), |(name, value)| (name, Some(value)));
                let glued =
                    glued.map(|value| Word { text: value.to_owned(), has_variable: word.has_variable });
                self.option(name, glued, &mut words, secrets)?;
            } else {
                self.cluster(word, &mut words, secrets)?;
            }
        }
        Ok(())
    }

    /// `-sSXPUT`: options without a value, then perhaps one whose value is the rest.
    fn cluster<'a>(
        &mut self,
        word: &Word,
        words: &mut impl Iterator<Item = &'a Word>,
        secrets: &mut Secrets,
    ) -> Result<(), Unreadable> {
        for (at, letter) in word.text.char_indices().skip(1) {
            let Some((_, name)) = SHORT.iter().find(|(short, _)| *short == letter) else { continue };
            let is_flag = matches!(letter, 'I' | 'G' | 'h' | 'l');
            let rest = &word.text[at + letter.len_utf8()..];
            let glued = (!is_flag && !rest.is_empty())
                .then(|| Word { text: rest.to_owned(), has_variable: word.has_variable });
            self.option(name, glued, words, secrets)?;
            if !is_flag {
                break;
            }
        }
        Ok(())
    }

    fn option<'a>(
        &mut self,
        name: &str,
        mut glued: Option<Word>,
        words: &mut impl Iterator<Item = &'a Word>,
        secrets: &mut Secrets,
    ) -> Result<(), Unreadable> {
        let mut value = || {
            glued.take().or_else(|| words.next().cloned()).ok_or_else(|| {
                Unreadable::new(format!(
                    "the curl command ends after {name}, which needs a value; copy all of it"
                ))
            })
        };
        match name {
            "head" => self.is_head = true,
            "get" => self.is_get = true,
            "request" => {
                let method = value()?;
                self.is_partly_known |= method.has_variable;
                let is_known = !method.has_variable;
                self.method = Some(if is_known { method.text } else { UNKNOWN_METHOD.to_owned() });
            }
            "config" | "variable" => {
                value()?;
                self.is_partly_known = true;
            }
            _ if name.starts_with("expand-") => {
                value()?;
                self.is_partly_known = true;
            }
            "url" => self.urls.push(value()?),
            "header" => self.header(&value()?, secrets),
            "user-agent" => self.fields.line("user-agent", &value()?.text, secrets),
            "referer" => self.fields.line("referer", &value()?.text, secrets),
            "user" => {
                let user = value()?.text;
                secrets.add(user.split_once(':').map_or("", |(_, password)| password));
                secrets.add(&user);
            }
            "oauth2-bearer" => secrets.add(&value()?.text),
            "cookie" => secrets.field("cookie", &value()?.text),
            "etag-compare" => {
                value()?;
                self.is_partly_known = true;
            }
            "data" | "data-ascii" | "data-raw" | "data-binary" | "data-urlencode" => {
                let text = value()?.text;
                self.add_content(name, &text);
            }
            "json" => {
                self.add_content(name, &value()?.text);
                self.fields.line("content-type", "application/json", secrets);
            }
            "form" | "form-string" => {
                value()?;
                self.is_form = true;
            }
            "upload-file" => {
                value()?;
                self.is_upload = true;
            }
            "time-cond" => {
                let date = value()?.text;
                match date.strip_prefix('-') {
                    Some(date) => self.fields.line("if-unmodified-since", date, secrets),
                    None => self.fields.line("if-modified-since", &date, secrets),
                }
            }
            _ if WITH_VALUE.contains(&name)
                || SHORT.iter().any(|(_, long)| *long == name && *long != "help") =>
            {
                value()?;
            }
            _ => {}
        }
        Ok(())
    }

    /// `Name: value`; `Name;` is an empty field, `Name:` takes a field away; `@file` is not known.
    fn header(&mut self, word: &Word, secrets: &mut Secrets) {
        if word.text.starts_with('@') {
            self.is_partly_known = true;
            return;
        }
        match word.text.split_once(':') {
            Some((name, value)) if !value.trim().is_empty() => {
                let is_condition = name.trim().to_ascii_lowercase().starts_with("if-");
                if word.has_variable && is_condition {
                    // Its value is not known, and a guess would be judged.
                    self.is_partly_known = true;
                }
                self.fields.line(name, value.trim(), secrets);
            }
            Some(_) => {}
            None => {
                if let Some(name) = word.text.strip_suffix(';') {
                    self.fields.line(name, "", secrets);
                }
            }
        }
    }

    fn add_content(&mut self, option: &str, text: &str) {
        if text.starts_with('@') && option != "data-raw" {
            // A file that is not here: content, but which one is not known.
            self.is_upload |= self.content.is_none();
            self.is_form = true;
            return;
        }
        let content = self.content.get_or_insert_default();
        if !content.is_empty() && option != "json" {
            content.push(b'&');
        }
        content.extend_from_slice(text.as_bytes());
    }

    fn exchanges(mut self, first: usize, secrets: &mut Secrets) -> Vec<Exchange> {
        if self.urls.is_empty() {
            self.urls.append(&mut self.perhaps_urls);
            self.urls.truncate(1);
        }
        self.is_partly_known |= !self.perhaps_urls.is_empty();
        let has_content = self.content.is_some() || self.is_form;
        let method = self.method.clone().unwrap_or_else(|| {
            let usual = match (self.is_head, self.is_get, self.is_upload && !self.is_form, has_content) {
                (true, ..) => "HEAD",
                (_, true, ..) => "GET",
                (_, _, true, _) => "PUT",
                (_, _, _, true) => "POST",
                _ => "GET",
            };
            usual.to_owned()
        });
        let content = self.content.as_deref().filter(|_| !self.is_get && !self.is_form).map(Content::of);
        let content = content.or_else(|| (!has_content && !self.is_upload).then(|| Content::of(b"")));
        let urls = self.urls.iter().enumerate();
        let made = urls.map(|(index, url)| {
            let url = whole_url(&url.text);
            if let Ok(url) = Url::parse(&url) {
                secrets.url(&url);
                secrets.add(url.password().unwrap_or_default());
            }
            let mut exchange = Exchange::new(first + index);
            exchange.method.clone_from(&method);
            (exchange.url, exchange.key) = (shown_url(&url), key(&url));
            exchange.sent = (!self.is_partly_known).then(|| self.fields.clone());
            exchange.content = content;
            exchange.agent = Some("curl");
            exchange
        });
        made.collect()
    }
}

/// A URL as curl takes it: http if no scheme is there.
pub(super) fn whole_url(text: &str) -> String {
    let text = text.trim();
    if text.contains("://") { text.to_owned() } else { format!("http://{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Exchange> {
        of_text(text, 1, &mut Secrets::default()).unwrap()
    }

    #[test]
    fn commands_are_understood() {
        for (text, method, url, if_match) in [
            (
                "curl -X PUT localhost:3000/a -H 'If-Match: \"7\"' -d x",
                "PUT",
                "http://localhost:3000/a",
                Some("\"7\""),
            ),
            ("curl -XPATCH -sSfL --url http://h/a -o out --json '{}'", "PATCH", "http://h/a", None),
            (
                "$ curl --request=DELETE http://h/a --header=if-match:\\ W/\\\"7\\\"",
                "DELETE",
                "http://h/a",
                Some("W/\"7\""),
            ),
            ("curl http://h/a -d a=1 -d b=2", "POST", "http://h/a", None),
            ("curl -G http://h/a -d a=1", "GET", "http://h/a", None),
            ("me@host:~/x (main)$ curl -I http://h/a", "HEAD", "http://h/a", None),
            ("C:\\Users\\me>curl -I http://h/a", "HEAD", "http://h/a", None),
            ("curl -I http://h/a", "HEAD", "http://h/a", None),
            ("curl -T file http://h/a", "PUT", "http://h/a", None),
            ("curl -F f=@x http://h/a", "POST", "http://h/a", None),
            ("curl -d @body.json -X PUT http://h/a", "PUT", "http://h/a", None),
            ("curl -sk -m 5 -w '%{http_code}' --cacert ca.pem http://h/a", "GET", "http://h/a", None),
            ("curl -H 'If-Match:' http://h/a -X PUT", "PUT", "http://h/a", None),
            ("curl -H 'If-Match;' http://h/a -X PUT", "PUT", "http://h/a", Some("")),
        ] {
            let exchanges = read(text);
            let [exchange] = exchanges.as_slice() else { panic!("{text}: {exchanges:?}") };
            assert_eq!((exchange.method.as_str(), exchange.url.as_str()), (method, url), "{text}");
            let sent = exchange.sent.as_ref().unwrap().text("if-match");
            assert_eq!(sent.as_deref(), if_match, "{text}");
        }
        assert!(read("curl -X PUT h/a -H \"If-Match: $ETAG\"")[0].sent.is_none(), "its value is not known");
        assert!(read("curl -X PUT h/a -H @fields")[0].sent.is_none());
        for text in [
            "curl -K cfg -X PUT h/a",
            "curl $OPTS -X PUT h/a",
            "curl -X \"$METHOD\" h/a",
            "curl --variable x=1 --expand-header 'If-Match: {{x}}' -X PUT h/a",
        ] {
            let exchanges = read(text);
            assert_eq!((exchanges.len(), exchanges[0].sent.is_none()), (1, true), "{text}");
            assert_eq!(exchanges[0].url, "http://h/a", "{text}");
        }
        for text in [
            "curl h/a; curl -X PUT h/a",
            "curl h/a && curl h/b",
            "curl h/a > x; curl h/b",
            "curl h/a | curl h/b",
        ] {
            assert_eq!(read(text).len(), 2, "{text}");
        }
        assert_eq!(read("curl h/a | jq . 2>&1").len(), 1);
        for text in ["X=1 curl h/a", "time curl h/a", "sudo curl h/a", "$ time curl h/a"] {
            assert!(is_command(text), "{text}");
            assert_eq!(read(text)[0].url, "http://h/a", "{text}");
        }
        let dated = |text| read(text)[0].sent.as_ref().unwrap().has("if-unmodified-since");
        assert!(
            dated("curl -z '-Sun, 22 Nov 2026 07:00:00 GMT' h/a")
                && !dated("curl -z 'Sun, 22 Nov 2026 07:00:00 GMT' h/a")
        );
        assert_eq!(read("curl h/a --next -X PUT h/a").len(), 2);
    }

    #[test]
    fn what_is_no_command_is_said_so() {
        for text in ["curl", "curl -X PUT", "curl -H", "curl 'http://h", "wget http://h"] {
            assert!(of_text(text, 1, &mut Secrets::default()).is_err(), "{text}");
        }
    }
}

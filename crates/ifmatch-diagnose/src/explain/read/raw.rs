//! Requests and answers as text: as they are on the wire, as `curl -i` and `curl -v` show them, or a whole terminal
//! session with several commands.

use super::super::evidence::{Answer, Content, Exchange, Got, UNKNOWN_METHOD};
use super::super::fields::{Fields, Secrets, key, shown_url};
use super::super::said::Said;
use super::framing::{Framing, glued, glued_remark};
use super::{ENTRIES_MAX, Unreadable, agent, command, told_of};
use ifmatch_client::wire::Url;
use std::collections::VecDeque;

/// Whether a text has a line that begins a request or an answer.
pub(super) fn is_raw(text: &str) -> bool {
    text.lines().take(LINES_LOOKED_AT).any(|line| {
        let line = unmarked(line).1;
        status_line(line).is_some() || request_line(line).is_some()
    })
}

/// How many lines are looked at to tell what a text is.
const LINES_LOOKED_AT: usize = 200;

/// Reads a text. A line that is neither a head nor part of one is content of what came before it; content whose length
/// is told is not looked into.
pub(super) fn read(text: &str, secrets: &mut Secrets) -> Result<Vec<Exchange>, Unreadable> {
    let is_verbose = text.lines().any(|line| line.starts_with("< HTTP/"));
    let is_tls = is_verbose && text.lines().any(|line| line.starts_with("* SSL connection using"));
    let mut reader = Reader {
        secrets,
        exchanges: Vec::new(),
        open: None,
        asked: VecDeque::new(),
        state: State::Between,
        framing: Framing::Open,
        of_request: Framing::Open,
        body: String::new(),
        is_verbose,
        is_marked: false,
        scheme: if is_tls { "https" } else { "http" },
    };
    let mut lines = Lines { rest: text, number: 0 };
    while let Some(line) = lines.next() {
        reader.take(line, &mut lines)?;
        if reader.exchanges.len() > ENTRIES_MAX {
            return Err(Unreadable::new(format!("more than {ENTRIES_MAX} requests; pass fewer")));
        }
    }
    reader.end_message();
    reader.end_command();
    let Reader { mut exchanges, .. } = reader;
    exchanges.iter_mut().zip(1..).for_each(|(exchange, number)| exchange.number = number);
    Ok(exchanges)
}

/// Lines that are left, and the number of the last one that was taken.
struct Lines<'t> {
    rest: &'t str,
    number: usize,
}

impl<'t> Lines<'t> {
    fn next(&mut self) -> Option<&'t str> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = self.rest.split_once('\n').unwrap_or((self.rest, ""));
        self.rest = rest;
        self.number += 1;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    fn skip(&mut self, bytes: usize) {
        self.number += self.rest[..bytes].matches('\n').count();
        self.rest = &self.rest[bytes..];
    }
}

/// Whether a command has more lines.
fn goes_on(text: &str) -> bool {
    let last = text.lines().next_back().unwrap_or_default().trim_end();
    last.ends_with('\\') || last.ends_with('^') || super::words::split(text).is_err() && text.len() < 1 << 20
}

/// Whether a line is, or ends in, a piece of the progress meter that curl draws when its output is not a terminal.
fn is_meter(line: &str) -> bool {
    let last = line.rsplit('\r').next().unwrap_or(line);
    let words: Vec<&str> = last.split_whitespace().collect();
    let is_number = |word: &&str| word.bytes().all(|b| b.is_ascii_digit() || b".:-kMGTP*".contains(&b));
    let is_row = words.len() >= 12 && words.iter().take(12).all(is_number);
    is_row || last.starts_with("  % Total    % Received") || last.trim_start().starts_with("Dload  Upload ")
}

/// A line without what `curl -v` puts before it, and that mark: `>`, `<`, or `*` for what is no message.
fn unmarked(line: &str) -> (Option<char>, &str) {
    match line.as_bytes() {
        [mark @ (b'>' | b'<'), b' ', ..] => (Some(char::from(*mark)), line[2..].trim_end_matches('\r')),
        [mark @ (b'>' | b'<')] | [mark @ (b'>' | b'<'), b'\r'] => (Some(char::from(*mark)), ""),
        [b'*', b' ', ..] => (Some('*'), ""),
        [b'{' | b'}', b' ', b'[', ..] if line.ends_with(" data]") => (Some('*'), ""),
        _ => (None, line),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    /// In the head of a request.
    Request,
    /// In its content.
    RequestContent,
    /// In the head of an answer.
    Answer,
    /// In its content.
    AnswerContent,
}

struct Reader<'a> {
    secrets: &'a mut Secrets,
    exchanges: Vec<Exchange>,
    open: Option<Exchange>,
    /// What a command asked for and was not seen yet.
    asked: VecDeque<Exchange>,
    state: State,
    /// Of the message that is read.
    framing: Framing,
    /// Of the request that is open.
    of_request: Framing,
    body: String,
    /// As `curl -v` shows it: without the content of requests.
    is_verbose: bool,
    /// The exchange that is open was shown by `curl -v`.
    is_marked: bool,
    scheme: &'static str,
}

impl Reader<'_> {
    /// One line, and what belongs to it of those behind.
    fn take(&mut self, line: &str, lines: &mut Lines<'_>) -> Result<(), Unreadable> {
        let in_head = matches!(self.state, State::Request | State::Answer);
        if !in_head && command::is_command(line) {
            let mut whole = line.to_owned();
            // The command goes on as long as it is not complete.
            while goes_on(&whole) {
                let Some(next) = lines.next() else { break };
                whole.push('\n');
                whole.push_str(next);
            }
            return self.command(&whole);
        }
        let (mark, inner) = if self.is_verbose { unmarked(line) } else { (None, line) };
        let is_content_of_request =
            self.is_verbose && mark.is_none() && self.is_marked && self.state == State::RequestContent;
        if mark == Some('*') || self.is_verbose && is_meter(line) || is_content_of_request {
            return Ok(());
        }
        self.is_marked |= mark.is_some();
        let in_content = matches!(self.state, State::RequestContent | State::AnswerContent);
        let cut = match glued_remark(inner).filter(|_| self.is_verbose && in_content && mark.is_none()) {
            Some(cut) => {
                self.line(&inner[..cut], mark, lines.number)?;
                return Ok(());
            }
            None => glued(inner, lines.rest.lines().next()).filter(|_| in_content && mark.is_none()),
        };
        if let Some(cut) = cut {
            self.line(&inner[..cut], mark, lines.number)?;
            self.is_marked = false;
        }
        self.line(&inner[cut.unwrap_or(0)..], mark, lines.number)?;
        let is_empty = self.body.is_empty() && !self.is_marked;
        if inner.is_empty() && in_head && is_empty {
            self.framed(lines);
        }
        Ok(())
    }

    /// Takes the content whose length the head has told.
    fn framed(&mut self, lines: &mut Lines<'_>) {
        if let Some((content, bytes)) = self.framing.content(lines.rest) {
            lines.skip(bytes);
            self.body = content;
            self.end_message();
        }
    }

    fn command(&mut self, text: &str) -> Result<(), Unreadable> {
        self.end_message();
        self.end_command();
        let made = command::of_text(text, self.exchanges.len() + 1, self.secrets)?;
        self.asked.extend(made);
        self.state = State::Between;
        Ok(())
    }

    /// What a command asked for and did not come stays as it was asked for.
    fn end_command(&mut self) {
        self.end_exchange();
        self.exchanges.extend(self.asked.drain(..));
        self.is_marked = false;
    }

    fn line(&mut self, line: &str, mark: Option<char>, number: usize) -> Result<(), Unreadable> {
        let in_head = matches!(self.state, State::Request | State::Answer);
        // `curl -v` marks each request; anything else is content.
        let may_be_request = !in_head && mark != Some('<') && (mark.is_some() || !self.is_marked);
        // Content whose length is told and does not fit is still content.
        let in_framed =
            self.state == State::RequestContent && self.of_request != Framing::Open && mark.is_none();
        if let Some(status) = status_line(line).filter(|_| !in_head && mark != Some('>')) {
            if self.shows_again(status, mark) {
                return Ok(());
            }
            self.end_message();
            self.begin_answer(status, line);
        } else if let Some((method, target)) = request_line(line).filter(|_| may_be_request && !in_framed) {
            self.end_message();
            self.begin_request(method, target);
        } else if in_head && line.is_empty() {
            self.end_head();
        } else if in_head {
            self.field(line, number)?;
        } else if matches!(self.state, State::RequestContent | State::AnswerContent) {
            if !self.body.is_empty() {
                self.body.push('\n');
            }
            self.body.push_str(line);
        }
        Ok(())
    }

    /// `curl -iv` shows the head of an answer twice.
    fn shows_again(&mut self, status: u16, mark: Option<char>) -> bool {
        let is_fresh = self.state == State::AnswerContent && self.body.is_empty();
        let Some(Answer::Got(got)) = self.open.as_mut().map(|open| &mut open.answer) else { return false };
        let is_again = mark.is_none() && self.is_marked && is_fresh && got.status == status;
        if is_again {
            got.fields = Fields::default();
            self.state = State::Answer;
        }
        is_again
    }

    fn end_head(&mut self) {
        if self.state == State::Request {
            self.of_request = self.framing;
            self.state = State::RequestContent;
            return;
        }
        let open = self.open.as_ref();
        let is_interim = open.is_some_and(|open| matches!(open.answer, Answer::Unknown));
        let status = open.and_then(Exchange::status);
        if is_interim {
            // The content of the request comes now.
            self.framing = self.of_request;
            self.state = State::RequestContent;
            return;
        }
        if matches!(status, Some(204 | 304)) || open.is_some_and(|open| open.method == "HEAD") {
            self.framing = Framing::Open;
        }
        self.state = State::AnswerContent;
    }

    fn begin_request(&mut self, method: &str, target: &str) {
        self.end_exchange();
        // `curl -v` shows as a request what a command before it has asked for.
        let of_command = self.asked.pop_front_if(|asked| asked.method == method);
        let mut exchange = of_command.unwrap_or_else(|| Exchange::new(self.exchanges.len() + 1));
        exchange.method = method.to_owned();
        exchange.sent = Some(Fields::default());
        if exchange.url.is_empty() {
            self.place(&mut exchange, target);
        }
        self.open = Some(exchange);
        self.framing = Framing::Open;
        self.of_request = Framing::Open;
        self.state = State::Request;
    }

    fn place(&mut self, exchange: &mut Exchange, target: &str) {
        if let Ok(url) = Url::parse(target).or_else(|_| Url::parse(&format!("http://h{target}"))) {
            self.secrets.url(&url);
        }
        (exchange.url, exchange.key) = (shown_url(target), key(target));
    }

    fn begin_answer(&mut self, status: u16, line: &str) {
        let is_tunnel = line.to_ascii_lowercase().contains("connection established");
        let mut exchange = match self.open.take() {
            // A second answer: to what a redirection led to.
            Some(open) if open.got().is_some_and(|got| (300..400).contains(&got.status)) => {
                let next = followed(&open, self.exchanges.len() + 2);
                self.exchanges.push(open);
                next
            }
            Some(open) if open.got().is_some() => {
                self.exchanges.push(open);
                self.next_asked()
            }
            Some(open) => open,
            None => self.next_asked(),
        };
        if is_tunnel || status < 200 {
            // Nothing is said yet; its fields are read into nothing.
            exchange.answer = Answer::Unknown;
        } else {
            exchange.answer = Answer::Got(Box::new(Got { status, ..Got::default() }));
        }
        self.open = Some(exchange);
        self.framing = Framing::Open;
        self.state = State::Answer;
    }

    fn next_asked(&mut self) -> Exchange {
        self.asked.pop_front().unwrap_or_else(|| Exchange::new(self.exchanges.len() + 1))
    }

    fn field(&mut self, line: &str, number: usize) -> Result<(), Unreadable> {
        let Some(open) = &mut self.open else { return Ok(()) };
        // Pseudo-fields of HTTP/2, as browsers show them; the rest of a folded line.
        if line.starts_with([':', ' ', '\t']) {
            return Ok(());
        }
        let Some((name, value)) = line.split_once(':') else {
            // Not shown: it may be the rest of a credential.
            return Err(Unreadable::new(format!(
                "line {number} stands among fields but is none; a head ends with an empty line"
            )));
        };
        self.framing.field(name, value);
        match (&mut open.answer, self.state) {
            (Answer::Got(got), State::Answer) => got.fields.line(name, value, self.secrets),
            (_, State::Request) => {
                let sent = open.sent.get_or_insert_default();
                sent.line(name, value, self.secrets);
                let is_host = name.eq_ignore_ascii_case("host");
                if is_host && open.url.starts_with('/') {
                    let (scheme, host) = (self.scheme, value.trim());
                    let whole = format!("{scheme}://{host}{}", open.url);
                    let raw = format!("{scheme}://{host}{}", open.key);
                    (open.url, open.key) = (shown_url(&whole), key(&raw));
                }
                if name.eq_ignore_ascii_case("user-agent") {
                    open.agent = agent(value);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn end_message(&mut self) {
        let body = core::mem::take(&mut self.body);
        let Some(open) = &mut self.open else { return };
        let body = body.trim_end_matches(['\n', '\r']);
        match (self.state, &mut open.answer) {
            (State::RequestContent, _) if self.is_marked => {}
            (State::RequestContent, _) => open.content = Some(Content::of(body.as_bytes())),
            (State::AnswerContent, Answer::Got(got)) => {
                if got.status >= 300 {
                    let said = Said::read(body.as_bytes(), self.secrets);
                    got.said = said.clone();
                    if open.method == UNKNOWN_METHOD && open.sent.is_none() {
                        told_of(open, &said);
                    }
                } else if got.status == 200 && !body.is_empty() {
                    got.content = Some(Content::of(body.as_bytes()));
                }
            }
            _ => {}
        }
        self.state = State::Between;
    }

    fn end_exchange(&mut self) {
        // A tunnel, or an interim answer alone, is nothing that could be told of.
        let is_nothing = |open: &Exchange| {
            matches!(open.answer, Answer::Unknown)
                && (open.method == "CONNECT" || open.method == UNKNOWN_METHOD && open.sent.is_none())
        };
        self.exchanges.extend(self.open.take().filter(|open| !is_nothing(open)));
    }
}

/// The request that a redirection led to: the same one, elsewhere.
fn followed(from: &Exchange, number: usize) -> Exchange {
    let mut next = from.clone();
    next.number = number;
    next.answer = Answer::Unknown;
    let location = from.got().and_then(|got| got.fields.text("location"));
    let base = Url::parse(&from.key).ok();
    if let Some(location) = location {
        let whole = base.and_then(|base| base.join(&location).ok()).map_or(location, |url| url.to_string());
        (next.url, next.key) = (shown_url(&whole), key(&whole));
    }
    next
}

pub(super) fn status_line(line: &str) -> Option<u16> {
    let rest = line.strip_prefix("HTTP/")?;
    let (version, rest) = rest.split_once(' ')?;
    let is_version = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let status: u16 = rest.trim_start().get(..3)?.parse().ok()?;
    (is_version && (100..600).contains(&status)).then_some(status)
}

/// Method and target of a request line. Its version has to be there: `GET /a` alone may be part of a sentence.
pub(super) fn request_line(line: &str) -> Option<(&str, &str)> {
    let mut parts = line.trim_end().splitn(3, ' ');
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
    let is_method =
        !method.is_empty() && method.len() <= 32 && method.bytes().all(|b| b.is_ascii_uppercase());
    let is_target = target.starts_with('/') || target.contains("://") || target == "*";
    (is_method && is_target && version.starts_with("HTTP/")).then_some((method, target))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number, method, URL, If-Match, status, ETag.
    type Told = (usize, String, String, Option<String>, Option<u16>, Option<String>);

    fn read_all(text: &str) -> Vec<Told> {
        let exchanges = read(text, &mut Secrets::default()).unwrap();
        let told = exchanges.into_iter().map(|x| {
            let (status, tag) = (x.status(), x.got().and_then(|got| got.fields.text("etag")));
            let sent = x.sent.as_ref().and_then(|sent| sent.text("if-match"));
            (x.number, x.method, x.url, sent, status, tag)
        });
        told.collect()
    }

    #[test]
    fn messages_of_the_wire_are_read() {
        let told = read_all(
            "PUT /a HTTP/1.1\r\nHost: h:1\r\nIf-Match: \"7\"\r\nAuthorization: Bearer x\r\n\r\n{\"a\":1}\r\n\
             HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 412 Precondition Failed\r\nETag: \"8\"\r\n\r\nstale\r\n",
        );
        let expected =
            (1, "PUT".into(), "http://h:1/a".into(), Some("\"7\"".into()), Some(412), Some("\"8\"".into()));
        assert_eq!(told, [expected]);
        assert_eq!(read_all("HTTP/2 428\ncontent-type: text/plain\n\nno")[0].4, Some(428));
    }

    #[test]
    fn the_body_of_an_answer_alone_tells_of_the_request() {
        let told = read_all(
            "HTTP/1.1 412 Precondition Failed\r\nETag: \"9\"\r\n\r\n\
             {\"code\":\"stale_version\",\"applied\":false,\"method\":\"PUT\",\"target\":\"/a\",\"your_etag\":\"\\\"7\\\"\"}",
        );
        let tags = (Some("\"7\"".to_owned()), Some(412), Some("\"9\"".to_owned()));
        assert_eq!(told, [(1, "PUT".to_owned(), "/a".to_owned(), tags.0, tags.1, tags.2)]);
    }

    #[test]
    fn curls_marks_are_understood() {
        let told = read_all(
            "*   Trying 127.0.0.1:80...\n> PUT /a HTTP/1.1\n> Host: h\n> if-match: \"7\"\n> \n} [5 bytes data]\n\
             \r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0* upload completely sent off\n< HTTP/1.1 412 Precondition Failed\n< etag: \"8\"\n<\n{\"x\":1}\n",
        );
        let expected =
            (1, "PUT".into(), "http://h/a".into(), Some("\"7\"".into()), Some(412), Some("\"8\"".into()));
        assert_eq!(told, [expected]);
    }

    #[test]
    fn the_progress_meter_is_no_content() {
        let text = "* SSL connection using TLSv1.3\n  % Total    % Received % Xferd  Average Speed\n                                 Dload  Upload   Total\n\
             \r  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0*   Trying\n> PUT /a HTTP/1.1\n> Host: h\n> \n\
             < HTTP/1.1 400 Bad Request\n< \n\r100    9  100     9    0     0   476k      0  0:00:01  0:00:01 --:--:--  941k\n\
             {\"message\":\"m\"}\n";
        let exchanges = read(text, &mut Secrets::default()).unwrap();
        let [exchange] = exchanges.as_slice() else { panic!("{exchanges:?}") };
        assert_eq!(exchange.got().unwrap().said.message.as_deref(), Some("m"));
        assert!(exchange.content.is_none(), "it is not shown");
        assert_eq!(exchange.url, "https://h/a");
    }

    #[test]
    fn a_terminal_session_is_one_story() {
        let told = read_all(
            "$ curl -i http://h/a\nHTTP/1.1 200 OK\nETag: \"7\"\n\n{}\n$ curl -i -X PUT http://h/a \\\n  -H 'If-Match: \"7\"' -d '{\n}'\n\
             HTTP/1.1 204 No Content\n\n$ curl -iL http://h/b -X PUT\nHTTP/1.1 308 x\nLocation: /c\n\nHTTP/1.1 428 x\n\n",
        );
        let brief: Vec<_> = told
            .iter()
            .map(|(n, method, url, _, status, _)| (*n, method.as_str(), url.as_str(), *status))
            .collect();
        assert_eq!(
            brief,
            [
                (1, "GET", "http://h/a", Some(200)),
                (2, "PUT", "http://h/a", Some(204)),
                (3, "PUT", "http://h/b", Some(308)),
                (4, "PUT", "http://h/c", Some(428)),
            ]
        );
        assert_eq!(told[1].3.as_deref(), Some("\"7\""));
    }

    #[test]
    fn what_is_no_head_is_told() {
        let error = read("HTTP/1.1 412 x\nETag \"7\"\n", &mut Secrets::default()).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
        assert!(!is_raw("GET /a\n") && !is_raw("I did a PUT /a HTTP thing") && is_raw("x\n< HTTP/2 412 \n"));
    }
}

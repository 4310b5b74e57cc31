//! Putting an answer on the wire, as well or as badly as the course of the exchange has it.

use super::course::{After, Course, Framing, Point};
use super::request::Request;
use super::resources::Reply;
use super::serve::{Over, Serving};
use std::io::Write;

/// How much made-up content is sent at a time, in bytes.
const BLOCK_BYTES: usize = 64 * 1024;

/// How much of an answer the double makes up.
pub(super) enum Amount {
    /// As much as the reply has.
    Reply,
    /// So many bytes.
    Filler(u64),
}

/// The words after the status code; few are needed.
fn reason(status: u16) -> &'static str {
    match status {
        100 => "Continue",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        404 => "Not Found",
        412 => "Precondition Failed",
        _ => "Scripted",
    }
}

fn head(status: u16, fields: &[(String, String)]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in fields {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    head.into_bytes()
}

impl Serving<'_> {
    /// Sends interim answers and the final one; whether the connection is kept.
    pub(super) fn answer(
        &mut self,
        request: &Request,
        course: &Course,
        mut reply: Reply,
        amount: &Amount,
    ) -> Result<bool, Over> {
        for (status, fields) in &course.interim {
            self.send(course, &head(*status, fields))?;
        }
        reply.fields.extend(course.fields.iter().cloned());
        let status = reply.status;
        let is_bare = request.method == "HEAD" || status < 200 || status == 204 || status == 304;
        let length = match amount {
            Amount::Reply => reply.content.len() as u64,
            Amount::Filler(bytes) => *bytes,
        };
        let says_close = course.after == After::SaidClose || request.has_token("connection", "close");
        if says_close {
            reply.fields.push(("Connection".into(), "close".into()));
        }
        match &course.framing {
            _ if is_bare && request.method != "HEAD" => {}
            Framing::Length => reply.fields.push(("Content-Length".into(), length.to_string())),
            Framing::Chunked(_) => reply.fields.push(("Transfer-Encoding".into(), "chunked".into())),
            Framing::UntilClose => {}
        }
        let head = head(status, &reply.fields);
        match amount {
            _ if is_bare => self.send_parts(course, status, &head, &[])?,
            Amount::Reply => {
                let framed = framed(&course.framing, &reply.content);
                self.send_parts(course, status, &head, &framed)?;
            }
            Amount::Filler(bytes) => self.send_filler(course, status, &head, *bytes)?,
        }
        self.reach(course, Point::Answered)?;
        let is_delimited_by_close = course.framing == Framing::UntilClose && !is_bare;
        if course.after == After::SilentClose {
            return Ok(false);
        }
        if says_close || is_delimited_by_close {
            self.close_gently();
            return Ok(false);
        }
        Ok(true)
    }

    /// These bytes and the end of the connection.
    pub(super) fn answer_raw(&mut self, course: &Course, bytes: &[u8]) -> Result<bool, Over> {
        self.send_parts(course, 0, bytes, &[])?;
        self.reach(course, Point::Answered)?;
        self.close_gently();
        Ok(false)
    }

    /// In one write, if nothing is to happen in between.
    fn send_parts(&mut self, course: &Course, status: u16, head: &[u8], content: &[u8]) -> Result<(), Over> {
        let stops = |point| course.cut == Some(point) || course.holds.iter().any(|(at, _)| *at == point);
        let (first, second) = head.split_at(head.len() / 2);
        let (third, fourth) = content.split_at(content.len() / 2);
        let mut waiting = first.to_vec();
        if stops(Point::AnswerHead) {
            self.send(course, &std::mem::take(&mut waiting))?;
        }
        self.reach(course, Point::AnswerHead)?;
        waiting.extend_from_slice(second);
        waiting.extend_from_slice(third);
        let mut sent = third.len() as u64;
        if stops(Point::AnswerContent) {
            self.send(course, &std::mem::take(&mut waiting))?;
            self.update(|request| (request.status, request.sent_bytes) = (Some(status), sent));
        }
        self.reach(course, Point::AnswerContent)?;
        waiting.extend_from_slice(fourth);
        sent += fourth.len() as u64;
        self.send(course, &waiting)?;
        self.update(|request| (request.status, request.sent_bytes) = (Some(status), sent));
        Ok(())
    }

    fn send_filler(&mut self, course: &Course, status: u16, head: &[u8], bytes: u64) -> Result<(), Over> {
        let is_chunked = matches!(course.framing, Framing::Chunked(_));
        self.reach(course, Point::AnswerHead)?;
        self.send(course, head)?;
        self.update(|request| request.status = Some(status));
        let (mut sent, mut is_past_half) = (0, false);
        while sent < bytes {
            if sent >= bytes / 2 && !is_past_half {
                is_past_half = true;
                self.reach(course, Point::AnswerContent)?;
            }
            let size = usize::try_from(bytes - sent).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
            let block = vec![b'x'; size];
            if is_chunked {
                self.send(course, &chunk(&block))?;
            } else {
                self.send(course, &block)?;
            }
            sent += size as u64;
            self.update(|request| request.sent_bytes = sent);
        }
        if let Framing::Chunked(trailers) = &course.framing {
            self.send(course, &last_chunk(trailers))?;
        }
        Ok(())
    }

    pub(super) fn send(&mut self, course: &Course, bytes: &[u8]) -> Result<(), Over> {
        let stream = &mut self.reader.stream;
        let sent = if course.is_bytewise {
            bytes.iter().try_for_each(|byte| stream.write_all(std::slice::from_ref(byte)))
        } else {
            stream.write_all(bytes)
        };
        sent.map_err(|_| Over)
    }
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

fn last_chunk(trailers: &[(String, String)]) -> Vec<u8> {
    let lines: String = trailers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    format!("0\r\n{lines}\r\n").into_bytes()
}

/// Content in two chunks, if it is to be chunked and there is enough of it.
fn framed(framing: &Framing, content: &[u8]) -> Vec<u8> {
    let Framing::Chunked(trailers) = framing else { return content.to_vec() };
    let (first, second) = content.split_at(content.len() / 2);
    let chunks = [first, second].into_iter().filter(|part| !part.is_empty()).flat_map(chunk);
    chunks.chain(last_chunk(trailers)).collect()
}

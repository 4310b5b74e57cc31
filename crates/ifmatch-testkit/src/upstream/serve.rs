//! One connection: exchanges, one after the other.

use super::Gate;
use super::HOLD_MAX;
use super::answer::Amount;
use super::course::{Answer, Apply, Course, Point};
use super::request::{Reader, Request};
use super::resources::{Reply, perform};
use super::shared::Shared;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// The connection is not to be used any further: it was cut, it failed, or the server ended.
pub(super) struct Over;

/// A connection while it is served.
pub(super) struct Serving<'a> {
    shared: &'a Arc<Shared>,
    pub(super) reader: Reader,
    id: u64,
    /// Where the current request is recorded, if it is.
    entry: Option<usize>,
}

/// Serves a connection to its end.
pub(super) fn serve(shared: &Arc<Shared>, stream: TcpStream, id: u64) {
    // A peer that takes nothing, or sends nothing, for longer than any test waits.
    let is_set = stream.set_nodelay(true).and_then(|()| stream.set_write_timeout(Some(HOLD_MAX)));
    let mut serving = Serving { shared, reader: Reader::new(stream), id, entry: None };
    while is_set.is_ok() && serving.next() {}
    // The copy of the socket that is kept there would hold it open.
    shared.forget(id);
}

impl Serving<'_> {
    /// One request, from the wait for it to its end; whether there may be another.
    fn next(&mut self) -> bool {
        self.shared.idle(self.id, true);
        let request = self.reader.request(self.id);
        self.shared.idle(self.id, false);
        match request {
            Ok(Some(request)) => {
                let kept = self.exchange(request);
                self.update(|request| request.is_over = true);
                matches!(kept, Ok(true))
            }
            Ok(None) => false,
            Err(_) => {
                self.entry = None;
                let answer = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n";
                self.answer_raw(&Course::default(), answer).unwrap_or(false)
            }
        }
    }

    /// One exchange; whether the connection is kept.
    fn exchange(&mut self, mut request: Request) -> Result<bool, Over> {
        self.entry = self.shared.record(&request);
        let course = self.shared.course(&request);
        self.reach(&course, Point::Head)?;
        if course.is_early {
            let is_kept = self.respond(&request, &course, None)?;
            if is_kept {
                self.reader.content(&request).map_err(|_| Over)?;
            }
            return Ok(is_kept);
        }
        let is_empty = request.length().is_ok_and(|length| length == Some(0));
        if request.has_token("expect", "100-continue") && !is_empty {
            self.send(&Course::default(), b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        (request.content, request.trailers) = self.reader.content(&request).map_err(|_| Over)?;
        let (content, trailers) = (request.content.clone(), request.trailers.clone());
        self.update(move |entry| (entry.content, entry.trailers) = (content, trailers));
        if let Apply::Late(gate) = &course.apply {
            self.apply_late(&request, gate);
        }
        self.reach(&course, Point::Content)?;
        let usual = self.apply(&request, &course)?;
        self.reach(&course, Point::Applied)?;
        self.respond(&request, &course, usual)
    }

    /// Does what is asked for, if it is done now; the usual answer.
    fn apply(&mut self, request: &Request, course: &Course) -> Result<Option<Reply>, Over> {
        match &course.apply {
            Apply::Never => Ok(None),
            Apply::Late(_) => Ok(Some(Reply::new(202))),
            Apply::Now => {
                let reply = perform(self.shared, request).ok_or(Over)?;
                self.update(|entry| entry.is_applied = true);
                Ok(Some(reply))
            }
        }
    }

    /// Does what is asked for when the gate lets it, without this connection.
    fn apply_late(&self, request: &Request, gate: &Gate) {
        let (shared, gate) = (Arc::clone(self.shared), gate.clone());
        let (request, entry) = (request.clone(), self.entry);
        self.shared.keep(thread::spawn(move || {
            if gate.pass() && perform(&shared, &request).is_some() {
                shared.update(entry, |entry| entry.is_applied = true);
            }
        }));
    }

    fn respond(&mut self, request: &Request, course: &Course, usual: Option<Reply>) -> Result<bool, Over> {
        let usual = usual.unwrap_or_else(|| Reply::new(204));
        match &course.answer {
            Answer::Usual => self.answer(request, course, usual, &Amount::Reply),
            Answer::Raw(bytes) => self.answer_raw(course, bytes),
            Answer::Filler(bytes) => {
                let reply = Reply { status: 200, content: Vec::new(), ..usual };
                self.answer(request, course, reply, &Amount::Filler(*bytes))
            }
            Answer::Status(status, fields, content) => {
                let reply = Reply { status: *status, fields: fields.clone(), content: content.clone() };
                self.answer(request, course, reply, &Amount::Reply)
            }
        }
    }

    /// A point of the exchange: held or cut there, if the course says so.
    pub(super) fn reach(&mut self, course: &Course, point: Point) -> Result<(), Over> {
        self.update(|request| request.reached = point);
        let mut gates = course.holds.iter().filter(|(at, _)| *at == point);
        if !gates.all(|(_, gate)| gate.pass()) {
            return Err(Over);
        }
        if course.cut != Some(point) {
            return Ok(());
        }
        let stream = &self.reader.stream;
        // A peer that is gone already needs no cut.
        if course.resets {
            let _ = rustix::net::sockopt::set_socket_linger(stream, Some(Duration::ZERO));
        } else {
            drop(stream.shutdown(Shutdown::Both));
        }
        Err(Over)
    }

    pub(super) fn update(&self, change: impl FnOnce(&mut Request)) {
        self.shared.update(self.entry, change);
    }

    /// Ends the own side, and waits for the peer to end its own, so that the answer is not lost to a reset.
    pub(super) fn close_gently(&mut self) {
        if self.reader.stream.shutdown(Shutdown::Write).is_ok() {
            self.shared.idle(self.id, true);
            self.reader.drain();
        }
    }
}

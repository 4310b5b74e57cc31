//! The content of a request, on its way to the upstream.

use super::signal::Signal;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{HeaderMap, Request, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use parking_lot::Mutex;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// Any error of content that comes from elsewhere.
pub type ContentError = Box<dyn Error + Send + Sync>;

/// The content of a request. Says to the connection when it was handed over to its end.
pub struct Sending {
    content: Content,
    /// How many bytes are announced and not handed over yet; `None`: it ends when it ends.
    left: Option<u64>,
    signal: Option<Arc<Signal>>,
}

enum Content {
    Empty,
    Whole(Bytes),
    Incoming(Incoming),
    /// In a mutex only so that it can be shared, as errors are that carry it; nobody ever waits for it.
    Stream(Mutex<Pin<Box<dyn Body<Data = Bytes, Error = ContentError> + Send>>>),
}

impl Sending {
    /// No content.
    pub fn empty() -> Self {
        Self::new(Content::Empty)
    }

    /// Content that is there. It goes out with the head in one write.
    pub fn whole(bytes: Bytes) -> Self {
        Self::new(if bytes.is_empty() { Content::Empty } else { Content::Whole(bytes) })
    }

    /// The content of a request as it comes in.
    pub fn incoming(body: Incoming) -> Self {
        Self::new(Content::Incoming(body))
    }

    /// Any other body, such as one read from a file.
    pub fn stream(body: impl Body<Data = Bytes, Error = ContentError> + Send + 'static) -> Self {
        Self::new(Content::Stream(Mutex::new(Box::pin(body))))
    }

    fn new(content: Content) -> Self {
        let left = match &content {
            Content::Empty => Some(0),
            Content::Whole(bytes) => Some(bytes.len() as u64),
            Content::Incoming(body) => body.size_hint().exact(),
            Content::Stream(body) => body.lock().size_hint().exact(),
        };
        Self { content, left, signal: None }
    }

    pub(super) fn report_to(&mut self, signal: &Arc<Signal>) {
        self.signal = Some(Arc::clone(signal));
    }

    fn account(&mut self, frame: &Frame<Bytes>) -> Result<(), ContentError> {
        if let (Some(left), Some(data)) = (&mut self.left, frame.data_ref()) {
            *left = left.checked_sub(data.len() as u64).ok_or("more content than was announced")?;
        }
        if frame.is_trailers() || self.is_end_stream() {
            self.ended();
        }
        Ok(())
    }

    fn ended(&self) {
        if let Some(signal) = &self.signal {
            signal.content_ended();
        }
    }

    fn failed(&self, error: ContentError) -> ContentError {
        if let Some(signal) = &self.signal {
            signal.content_failed();
        }
        error
    }
}

impl Body for Sending {
    type Data = Bytes;
    type Error = ContentError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ContentError>>> {
        let this = &mut *self;
        let frame = match &mut this.content {
            Content::Empty => None,
            Content::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                this.content = Content::Empty;
                Some(Ok(Frame::data(bytes)))
            }
            Content::Incoming(body) => {
                ready!(Pin::new(body).poll_frame(cx)).map(|frame| frame.map_err(Into::into))
            }
            Content::Stream(body) => ready!(body.get_mut().as_mut().poll_frame(cx)),
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(match this.account(&frame) {
                Ok(()) => Ok(frame),
                Err(error) => Err(this.failed(error)),
            }),
            Some(Err(error)) => Some(Err(this.failed(error))),
            None if this.left.is_some_and(|left| left > 0) => {
                Some(Err(this.failed("less content than was announced".into())))
            }
            None => {
                this.ended();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
            || match &self.content {
                Content::Empty => true,
                Content::Whole(_) => false,
                Content::Incoming(body) => body.is_end_stream(),
                Content::Stream(body) => body.lock().is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("left", &self.left).finish_non_exhaustive()
    }
}

/// Makes the framing fields say what the content is, whatever they said before. hyper believes them: a length that is
/// wrong would let the rest of the content be taken for the next request, and content of unknown length of a GET would
/// silently not be sent.
pub(super) fn frame(request: &mut Request<Sending>) {
    *request.version_mut() = Version::HTTP_11;
    if request.body().left.is_none() {
        let announced = announced(request.headers());
        request.body_mut().left = announced;
    }
    let left = request.body().left;
    let headers = request.headers_mut();
    match left {
        Some(bytes) => {
            if headers.contains_key(TRANSFER_ENCODING) {
                headers.remove(TRANSFER_ENCODING);
            }
            if headers.contains_key(CONTENT_LENGTH) && announced(headers) != Some(bytes) {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
            }
        }
        None => {
            headers.remove(CONTENT_LENGTH);
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
    }
}

/// The one Content-Length, if there is one.
fn announced(headers: &HeaderMap) -> Option<u64> {
    let mut lines = headers.get_all(CONTENT_LENGTH).iter();
    let (Some(line), None) = (lines.next(), lines.next()) else { return None };
    line.as_bytes().iter().all(u8::is_ascii_digit).then_some(())?;
    line.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

    fn framed(body: Sending, fields: &[(&'static str, &'static str)]) -> Vec<String> {
        let mut request = Request::new(body);
        for (name, value) in fields {
            request.headers_mut().append(*name, HeaderValue::from_static(value));
        }
        frame(&mut request);
        let fields = request.headers().iter();
        fields.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    /// A body that does not say how long it is.
    struct Untold(Option<&'static str>);

    impl Body for Untold {
        type Data = Bytes;
        type Error = ContentError;
        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, ContentError>>> {
            Poll::Ready(self.0.take().map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))))
        }
    }

    #[test]
    fn framing_says_what_the_content_is() {
        assert_eq!(framed(Sending::empty(), &[]), Vec::<String>::new());
        assert_eq!(framed(Sending::empty(), &[("content-length", "0")]), ["content-length: 0"]);
        assert_eq!(framed(Sending::empty(), &[("content-length", "5")]), ["content-length: 0"]);
        assert_eq!(framed(Sending::empty(), &[("transfer-encoding", "chunked")]), Vec::<String>::new());
        let whole = || Sending::whole(Bytes::from_static(b"abc"));
        let fields = [("content-length", "7"), ("content-length", "3"), ("a", "b")];
        assert_eq!(framed(whole(), &fields), ["content-length: 3", "a: b"]);
        assert_eq!(framed(whole(), &[("transfer-encoding", "gzip")]), Vec::<String>::new());
        let untold = || Sending::stream(Untold(Some("abc")));
        assert_eq!(framed(untold(), &[("content-length", "3")]), ["content-length: 3"]);
        assert_eq!(framed(untold(), &[("content-length", "+3")]), ["transfer-encoding: chunked"]);
        assert_eq!(framed(untold(), &[]), ["transfer-encoding: chunked"]);
    }

    #[tokio::test]
    async fn content_must_be_as_long_as_announced() {
        for (length, good) in [("2", false), ("3", true), ("4", false)] {
            let mut request = Request::new(Sending::stream(Untold(Some("abc"))));
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static(length));
            frame(&mut request);
            let signal = Arc::new(Signal::default());
            request.body_mut().report_to(&signal);
            assert_eq!(request.into_body().collect().await.is_ok(), good, "{length}");
            assert_eq!(signal.has_content_failed(), !good, "{length}");
        }
    }
}

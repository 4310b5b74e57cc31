//! The content of a request, on its way to the upstream.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use parking_lot::Mutex;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Any error of content that comes from elsewhere.
pub type ContentError = Box<dyn Error + Send + Sync>;

/// The content of a request. Never longer or shorter than it was announced: then it ends with an error.
pub struct Sending {
    content: Content,
    /// How many bytes are announced and not handed over yet; `None`: it ends when it ends.
    left: Option<u64>,
}

enum Content {
    Empty,
    Whole(Bytes),
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

    /// Any other body, such as one read from a file.
    pub fn stream(body: impl Body<Data = Bytes, Error = ContentError> + Send + 'static) -> Self {
        Self::new(Content::Stream(Mutex::new(Box::pin(body))))
    }

    fn new(content: Content) -> Self {
        let left = match &content {
            Content::Empty => Some(0),
            Content::Whole(bytes) => Some(bytes.len() as u64),
            Content::Stream(body) => body.lock().size_hint().exact(),
        };
        Self { content, left }
    }

    /// How long it is, if it knows.
    pub(super) fn length(&self) -> Option<u64> {
        self.left
    }

    /// All of it, if it is there.
    pub(super) fn all(&self) -> Option<Bytes> {
        match &self.content {
            Content::Empty => Some(Bytes::new()),
            Content::Whole(bytes) => Some(bytes.clone()),
            Content::Stream(_) => None,
        }
    }

    /// Takes it out, to be sent as content of this length.
    pub(super) fn take(&mut self, length: Option<u64>) -> Self {
        let content = std::mem::replace(&mut self.content, Content::Empty);
        Self { content, left: length }
    }

    fn account(&mut self, frame: &Frame<Bytes>) -> Result<(), ContentError> {
        if let (Some(left), Some(data)) = (&mut self.left, frame.data_ref()) {
            *left = left.checked_sub(data.len() as u64).ok_or("more content than was announced")?;
        }
        Ok(())
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
            Content::Stream(body) => ready!(body.get_mut().as_mut().poll_frame(cx)),
        };
        Poll::Ready(match frame {
            Some(Ok(frame)) => Some(this.account(&frame).map(|()| frame)),
            None if this.left.is_some_and(|left| left > 0) => {
                Some(Err("less content than was announced".into()))
            }
            other => other,
        })
    }

    fn is_end_stream(&self) -> bool {
        match (&self.content, self.left) {
            // Who has announced more is polled once more, and found out.
            (_, Some(left)) => left == 0,
            (Content::Empty, None) => true,
            (Content::Whole(_), None) => false,
            (Content::Stream(body), None) => body.lock().is_end_stream(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;

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
        fn is_end_stream(&self) -> bool {
            self.0.is_none()
        }
    }

    #[tokio::test]
    async fn content_must_be_as_long_as_announced() {
        for (length, good) in [(2, false), (3, true), (4, false)] {
            let mut content = Sending::stream(Untold(Some("abc"))).take(Some(length));
            let mut frames = Vec::new();
            while !content.is_end_stream()
                && let Some(frame) = content.frame().await
            {
                frames.push(frame.is_ok());
                if frame.is_err() {
                    break;
                }
            }
            assert_eq!(frames.last(), Some(&good), "{length}");
        }
    }
}

//! Content on its way to the upstream.

use crate::head;
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use ifmatch_guard::{Content, Spooled};
use std::pin::Pin;
use std::task::{Context, Poll};

/// How much of a file is read at a time, in bytes.
const PIECE_BYTES: usize = 64 << 10;

type OutgoingError = Box<dyn std::error::Error + Send + Sync>;

/// Received content on its way to the upstream.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// Complete, in memory.
    Whole(Option<Bytes>, Option<HeaderMap>),
    /// Complete, in a file.
    File(Spooled, u64, Option<HeaderMap>),
}

impl Outgoing {
    /// Received content.
    pub(crate) fn of(content: &Content) -> Self {
        let trailers = content.trailers().and_then(head::trailers);
        match content.spooled() {
            Some(spooled) => Self::File(spooled.clone(), 0, trailers),
            None => Self::Whole(Some(content.bytes().clone()), trailers),
        }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = OutgoingError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, OutgoingError>>> {
        match self.get_mut() {
            Self::Whole(bytes, trailers) => {
                let data = bytes.take().filter(|bytes| !bytes.is_empty()).map(Frame::data);
                Poll::Ready(data.or_else(|| trailers.take().map(Frame::trailers)).map(Ok))
            }
            Self::File(spooled, offset, trailers) => {
                if *offset == spooled.len() {
                    return Poll::Ready(trailers.take().map(Frame::trailers).map(Ok));
                }
                // Just written, so it comes from memory.
                Poll::Ready(Some(match spooled.read_at(*offset, PIECE_BYTES) {
                    Ok(piece) => {
                        *offset += piece.len() as u64;
                        Ok(Frame::data(piece))
                    }
                    Err(error) => Err(error.into()),
                }))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(bytes, trailers) => bytes.as_ref().is_none_or(Bytes::is_empty) && trailers.is_none(),
            Self::File(spooled, offset, trailers) => *offset == spooled.len() && trailers.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            // Trailers need a coding that ends by itself.
            Self::Whole(_, Some(_)) | Self::File(_, _, Some(_)) => SizeHint::default(),
            Self::Whole(bytes, None) => SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64)),
            Self::File(spooled, offset, None) => SizeHint::with_exact(spooled.len() - offset),
        }
    }
}

//! HTTP/2 with prior knowledge.

use super::{Fields, TIMEOUT};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::header::{HeaderName, HeaderValue};
use http::{Method, Request};
use ifmatch_testkit::raw::Response;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// One connection, used from a thread that blocks.
pub(crate) struct Http2 {
    runtime: Runtime,
    sender: SendRequest<Bytes>,
}

/// A request whose content is under way.
pub(crate) struct Upload {
    answer: ResponseFuture,
    content: SendStream<Bytes>,
}

impl Http2 {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let sender = runtime.block_on(async {
            let stream = TcpStream::connect(address).await.unwrap();
            let (sender, connection) = h2::client::handshake(stream).await.unwrap();
            // Its errors come out of the requests.
            drop(tokio::spawn(connection));
            sender
        });
        Self { runtime, sender }
    }

    /// One request, and its response.
    pub(crate) fn request(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(String, Vec<u8>)],
        content: Option<&[u8]>,
    ) -> Response {
        let upload = self.begin(method, target, fields, content.is_none());
        self.finish(upload, content).unwrap()
    }

    /// The head of a request.
    pub(crate) fn begin(
        &mut self,
        method: &str,
        target: &str,
        fields: &[(String, Vec<u8>)],
        is_all: bool,
    ) -> Upload {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(format!("http://localhost{target}"));
        for (name, value) in fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            request = request.header(name, HeaderValue::from_bytes(value).unwrap());
        }
        let request = request.body(()).unwrap();
        self.runtime.block_on(async {
            let mut sender = self.sender.clone().ready().await.unwrap();
            let (answer, content) = sender.send_request(request, is_all).unwrap();
            Upload { answer, content }
        })
    }

    /// A part of the content, on its way when this returns.
    pub(crate) fn send(&self, upload: &mut Upload, part: &[u8]) {
        self.runtime.block_on(async {
            upload.content.send_data(Bytes::copy_from_slice(part), false).unwrap();
            // Lets the connection write.
            tokio::task::yield_now().await;
        });
    }

    /// The rest of the content, and the response.
    pub(crate) fn finish(&self, upload: Upload, rest: Option<&[u8]>) -> Result<Response, h2::Error> {
        let Upload { answer, mut content } = upload;
        self.runtime.block_on(async {
            if let Some(rest) = rest {
                content.send_data(Bytes::copy_from_slice(rest), true)?;
            }
            timeout(TIMEOUT, receive(answer)).await.expect("an answer in time")
        })
    }

    /// Takes the request back (RST_STREAM).
    pub(crate) fn reset(&self, mut upload: Upload) -> Result<Response, h2::Error> {
        upload.content.send_reset(Reason::CANCEL);
        self.runtime
            .block_on(async { timeout(TIMEOUT, receive(upload.answer)).await.expect("an end in time") })
    }
}

async fn receive(answer: ResponseFuture) -> Result<Response, h2::Error> {
    let (head, mut body) = answer.await?.into_parts();
    let mut content = Vec::new();
    while let Some(part) = body.data().await {
        let part = part?;
        body.flow_control().release_capacity(part.len())?;
        content.extend_from_slice(&part);
    }
    let field = |(name, value): (&HeaderName, &HeaderValue)| (name.to_string(), value.as_bytes().to_vec());
    Ok(Response {
        version: "HTTP/2".to_owned(),
        status: head.status.as_u16(),
        reason: String::new(),
        fields: head.headers.iter().map(field).collect(),
        content,
        trailers: Vec::new(),
    })
}

/// Field lines as this client takes them.
pub(crate) fn lines(fields: Fields<'_>) -> Vec<(String, Vec<u8>)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect()
}

//! One request and one answer over real sockets: TLS, HTTP/2, redirects, credentials, and hosts that are slow or dead.

mod credentials;
mod limits;
mod redirects;
mod tls;
mod versions;

use ifmatch_client::wire::{Access, Answer, Request, SendError, Url};

/// Waits for one thing.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A GET, over a connection of its own.
fn get(access: &Access, url: &str) -> Result<Answer, SendError> {
    block_on(async {
        let http = access.connect().unwrap();
        http.follow(&Request::get(Url::parse(url).unwrap())).await
    })
}

//! Proxies that stand in front of another server and change what it says.

use super::launch::{Launched, launch};
use super::{Error, web};
use crate::process;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

/// How a target is asked for that nobody has and that nothing is kept of.
const NOTHING: &str = "/nothing-is-here";

/// Which proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyKind {
    /// nginx that compresses for whoever accepts gzip: strong tags become weak, `"x"` is shown as `W/"x"`.
    NginxGzip,
    /// Apache that compresses for whoever accepts gzip: `"x"` is shown as `"x-gzip"`. Content of less than a hundred
    /// bytes may go out as it is, tag and all, by how it came in.
    ApacheDeflate,
    /// nginx that keeps what was answered with 200 for ten minutes, whatever is written meanwhile: tags are stale. What
    /// it answers out of its cache has `X-Cache: HIT`.
    NginxCache,
}

/// A running proxy. Dropping it kills it.
#[derive(Debug)]
pub struct Proxy {
    kind: ProxyKind,
    launched: Launched,
}

impl ProxyKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::NginxGzip, Self::ApacheDeflate, Self::NginxCache];

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::NginxGzip => "nginx with gzip",
            Self::ApacheDeflate => "Apache with mod_deflate",
            Self::NginxCache => "nginx with proxy_cache",
        }
    }

    fn command(self, upstream: SocketAddr, port: u16, folder: &Path) -> Result<Command, Error> {
        let root = folder.display();
        let pass = format!(
            "proxy_pass http://{upstream}; proxy_http_version 1.1; proxy_set_header Connection \"\";"
        );
        match self {
            Self::NginxGzip => {
                let gzip = "gzip on; gzip_proxied any; gzip_types *; gzip_min_length 1;";
                web::nginx(port, folder, gzip, &format!("location / {{ {pass} }}"))
            }
            Self::NginxCache => {
                let cache = format!("proxy_cache_path {root}/cache keys_zone=kept:1m;");
                let location = format!(
                    "location / {{ {pass} proxy_cache kept; proxy_cache_valid 200 10m;
                     proxy_ignore_headers Cache-Control Expires Set-Cookie Vary;
                     add_header X-Cache $upstream_cache_status; }}"
                );
                web::nginx(port, folder, &cache, &location)
            }
            Self::ApacheDeflate => {
                let pass = format!("ProxyPass / http://{upstream}/\nSetOutputFilter DEFLATE\n");
                web::apache(port, folder, &["proxy", "proxy_http", "filter", "deflate"], &pass)
            }
        }
    }
}

impl Proxy {
    /// Starts one in front of a server, which must answer already, and waits until it answers.
    ///
    /// # Errors
    /// As [`super::Server::start`].
    pub fn start(kind: ProxyKind, upstream: SocketAddr) -> Result<Self, Error> {
        let command = |port, folder: &_| kind.command(upstream, port, folder);
        // Whatever the server says to it; 502 and 503 are the proxy's own.
        let launched = launch(kind.name(), NOTHING, |status| status < 500, command)?;
        Ok(Self { kind, launched })
    }

    /// Which one it is.
    pub fn kind(&self) -> ProxyKind {
        self.kind
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.launched.address()
    }

    /// The process, for whoever wants to know what it says or to stop it.
    pub fn process(&mut self) -> &mut process::Server {
        self.launched.process()
    }

    /// The address of a target behind it.
    pub fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address())
    }
}

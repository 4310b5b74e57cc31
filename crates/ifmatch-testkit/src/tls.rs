//! TLS in front of any server of a test, with certificates of an authority that nobody believes by itself.
//!
//! ```no_run
//! use ifmatch_testkit::tls::{Authority, Certificate, Front};
//!
//! # let upstream = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
//! let authority = Authority::new();
//! let front = Front::start("127.0.0.1:0", &authority, Certificate::Sound, &["http/1.1"], upstream)?;
//! println!("curl --cacert ca.pem https://{}/   (ca.pem: {})", front.address(), authority.pem());
//! # Ok::<(), std::io::Error>(())
//! ```

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority of its own for each test.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What is wrong with the certificate of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificate {
    /// Nothing: it is for `localhost`, `127.0.0.1` and `::1`.
    Sound,
    /// It is for `elsewhere.example`.
    OtherName,
    /// It was good until 2001.
    Expired,
    /// It will be good from 2200 on.
    NotYet,
}

impl Authority {
    /// Makes one.
    ///
    /// # Panics
    /// If no key can be made.
    #[allow(clippy::new_without_default, reason = "each is another one")]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "an authority of a test");
        let key = KeyPair::generate().expect("a key can be made");
        Self(CertifiedIssuer::self_signed(params, key).expect("an authority signs its own certificate"))
    }

    /// Its certificate, as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    fn config(&self, certificate: Certificate, protocols: &[&str]) -> ServerConfig {
        let names = match certificate {
            Certificate::OtherName => vec!["elsewhere.example".to_owned()],
            _ => vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()],
        };
        let mut params = CertificateParams::new(names).expect("the names are ones");
        match certificate {
            Certificate::Expired => params.not_after = date_time_ymd(2001, 1, 1),
            Certificate::NotYet => params.not_before = date_time_ymd(2200, 1, 1),
            Certificate::Sound | Certificate::OtherName => {}
        }
        if certificate == Certificate::Expired {
            params.not_before = date_time_ymd(2000, 1, 1);
        }
        let key = KeyPair::generate().expect("a key can be made");
        let signed = params.signed_by(&key, &self.0).expect("an authority signs");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder().with_no_client_auth();
        let mut config = config.with_single_cert(vec![signed.der().clone()], key).expect("the key fits");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config
    }
}

/// TLS in front of a server: what comes through it goes to the server as it is, and back. Dropping it ends it.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    /// Dropped, it ends the thread.
    running: Option<watch::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Front {
    /// Listens there (with port 0: anywhere) and speaks these protocols (ALPN), `h2` or `http/1.1`.
    ///
    /// # Errors
    /// If it cannot listen.
    pub fn start(
        listen: &str,
        authority: &Authority,
        certificate: Certificate,
        protocols: &[&str],
        upstream: SocketAddr,
    ) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(listen)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let acceptor = TlsAcceptor::from(Arc::new(authority.config(certificate, protocols)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (running, end) = watch::channel(());
        let thread = thread::spawn(move || runtime.block_on(accept(listener, acceptor, upstream, end)));
        Ok(Self { address, running: Some(running), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of a target behind it.
    pub fn url(&self, target: &str) -> String {
        format!("https://{}{target}", self.address)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        drop(self.running.take());
        // A panic of the thread has been shown.
        drop(self.thread.take().map(JoinHandle::join));
    }
}

async fn accept(
    listener: std::net::TcpListener,
    acceptor: TlsAcceptor,
    upstream: SocketAddr,
    mut end: watch::Receiver<()>,
) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    loop {
        let accepted = tokio::select! {
            _ = end.changed() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else { continue };
        tokio::spawn(carry(stream, acceptor.clone(), upstream));
    }
}

/// One connection. Whoever breaks it off does so on purpose.
async fn carry(stream: TcpStream, acceptor: TlsAcceptor, upstream: SocketAddr) {
    let Ok(mut client) = acceptor.accept(stream).await else { return };
    let Ok(mut server) = TcpStream::connect(upstream).await else { return };
    drop(tokio::io::copy_bidirectional(&mut client, &mut server).await);
}

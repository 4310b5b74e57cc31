//! Making a new connection: a name, its addresses, and a bound on the time for all of them.

use crate::settings::Origin;
use parking_lot::Mutex;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

/// Addresses of a name that are tried; the others are not.
const ADDRESSES_MAX: usize = 8;

/// Why there is no connection. Nothing was sent.
#[derive(Debug)]
pub enum ConnectError {
    /// Nobody answers there, or answers with a refusal.
    Unreachable {
        /// What was tried last.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// It took longer than it may.
    TimedOut,
    /// The name has no address.
    Resolve {
        /// The name.
        host: String,
        /// What the system says; `None`: the answer was empty.
        source: Option<io::Error>,
    },
    /// As many connections are open as there may be, and none became free in time.
    Busy,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { address, source } => {
                write!(f, "the upstream at {address} cannot be reached: {source}")
            }
            Self::TimedOut => f.write_str("the upstream did not accept a connection in time"),
            Self::Resolve { host, source: Some(source) } => {
                write!(f, "the upstream's name {host:?} has no address: {source}")
            }
            Self::Resolve { host, source: None } => {
                write!(f, "the upstream's name {host:?} has no address")
            }
            Self::Busy => f.write_str("as many connections to the upstream are in use as there may be"),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable { source, .. } | Self::Resolve { source: Some(source), .. } => Some(source),
            Self::TimedOut | Self::Resolve { source: None, .. } | Self::Busy => None,
        }
    }
}

/// Makes connections to one upstream.
#[derive(Debug)]
pub(super) struct Dialer {
    origin: Origin,
    /// The address, if the origin is one.
    literal: Option<SocketAddr>,
    /// Where a name was found to answer last. It is tried first, as long as it is among the addresses of the name.
    good: Mutex<Option<SocketAddr>>,
}

impl Dialer {
    pub(super) fn new(origin: Origin) -> Self {
        let literal = origin.host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, origin.port));
        Self { origin, literal, good: Mutex::new(None) }
    }

    /// A connection to the first address that accepts, all within `time`.
    pub(super) async fn dial(&self, time: Duration) -> Result<TcpStream, ConnectError> {
        let until = Instant::now() + time;
        let stream = match self.literal {
            Some(address) => connect(address, until).await?,
            None => self.dial_name(until).await?,
        };
        // Small requests must not wait for acknowledgements of earlier ones. It is not worth failing for.
        drop(stream.set_nodelay(true));
        Ok(stream)
    }

    async fn dial_name(&self, until: Instant) -> Result<TcpStream, ConnectError> {
        let resolved = timeout_at(until, lookup_host((self.origin.host.as_str(), self.origin.port))).await;
        let resolve = |source| ConnectError::Resolve { host: self.origin.host.clone(), source };
        let found = resolved.map_err(|_| ConnectError::TimedOut)?.map_err(|error| resolve(Some(error)))?;
        let mut addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
        let good = *self.good.lock();
        if let Some(at) = addresses.iter().position(|address| Some(*address) == good) {
            addresses[..=at].rotate_right(1);
        }
        let mut result = Err(resolve(None));
        for (at, address) in addresses.iter().enumerate() {
            // One address that swallows everything leaves time for the others.
            let left = u32::try_from(addresses.len() - at).unwrap_or(u32::MAX);
            let now = Instant::now();
            result = connect(*address, now + until.saturating_duration_since(now) / left).await;
            if result.is_ok() {
                *self.good.lock() = Some(*address);
                break;
            }
        }
        result
    }
}

async fn connect(address: SocketAddr, until: Instant) -> Result<TcpStream, ConnectError> {
    match timeout_at(until, TcpStream::connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(source)) => Err(ConnectError::Unreachable { address, source }),
        Err(_) => Err(ConnectError::TimedOut),
    }
}

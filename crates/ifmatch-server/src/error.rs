//! Why a server does not start.

use ifmatch_store::OpenError;
use std::io;
use std::net::SocketAddr;

/// Why a server did not start. Nothing was changed, except that the data folder may have been created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Off loopback without access control.
    #[error(
        "{address} can be reached from other machines, and everybody who reaches it could read and write everything: \
         access control is not configured.\n  Listen on loopback (--listen 127.0.0.1:{}), or say --insecure-public if \
         something in front of it controls access.", address.port()
    )]
    Exposed {
        /// The address asked for.
        address: SocketAddr,
    },
    /// The admin listener off loopback.
    #[error("the admin listener has no access control, so it only listens on loopback, not on {address}.\n  Use --admin 127.0.0.1:{}.", address.port())]
    AdminExposed {
        /// The address asked for.
        address: SocketAddr,
    },
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {}", listen_cause(.source, .flag, .address))]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// The flag that sets it.
        flag: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The data folder cannot be used.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// The gateway cannot be opened.
    #[error("{0}")]
    Gateway(#[from] ifmatch_gateway::OpenError),
    /// The gateway would forward to itself.
    #[error(
        "the upstream {address} is this server itself: name the server that is to be protected (--upstream)"
    )]
    Loop {
        /// The address of both.
        address: SocketAddr,
    },
    /// Routes go to the own store, which has no folder.
    #[error(
        "a route goes to the own store, but no data folder is named.\n  Name one with --data DIR, or data = \"DIR\" in [gateway]."
    )]
    NoStore,
    /// A folder or file beside the data cannot be made.
    #[error("cannot make {what} {}: {source}", path.display())]
    Beside {
        /// What it is.
        what: &'static str,
        /// Where.
        path: std::path::PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The system refuses what every process needs.
    #[error("cannot start a thread or its event loop: {0}")]
    Runtime(io::Error),
}

fn listen_cause(source: &io::Error, flag: &str, address: &SocketAddr) -> String {
    let elsewhere = SocketAddr::new(address.ip(), 0);
    match source.kind() {
        io::ErrorKind::AddrInUse => format!(
            "another process is listening there.\n  Stop that one, or choose another address ({flag} {elsewhere} takes any free port)."
        ),
        io::ErrorKind::PermissionDenied => {
            format!(
                "the system does not permit it ({source}).\n  Ports below 1024 are reserved; choose a higher one with {flag}."
            )
        }
        io::ErrorKind::AddrNotAvailable => {
            format!("this machine has no such address.\n  Choose one it has with {flag}.")
        }
        _ => source.to_string(),
    }
}

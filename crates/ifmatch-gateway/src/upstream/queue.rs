//! What the kernel has accepted of a request, and not sent yet.

use rustix::net::connect_unspec;
use rustix::net::sockopt::set_socket_linger;
use std::time::Duration;
use tokio::net::TcpStream;

/// Whether all that the kernel has accepted is on its way: it can leave only as far as the peer has room, so none of it
/// waits for a peer that does not read. If that cannot be told it is not.
#[cfg(target_os = "linux")]
pub(super) fn is_empty(stream: &TcpStream) -> bool {
    let socket = socket2::SockRef::from(stream);
    // With this mark the socket takes more only if there is nothing that it has not sent.
    let asked = socket.set_tcp_notsent_lowat(1).and_then(|()| takes_more(stream));
    // Whatever it usually is.
    let unmarked = socket.set_tcp_notsent_lowat(0);
    asked.is_ok_and(|empty| empty) && unmarked.is_ok()
}

/// The same where the system does not say.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_empty(_: &TcpStream) -> bool {
    false
}

#[cfg(target_os = "linux")]
fn takes_more(stream: &TcpStream) -> std::io::Result<bool> {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let mut asked = [PollFd::new(stream, PollFlags::OUT)];
    poll(&mut asked, Some(&Timespec::default()))?;
    Ok(asked[0].revents().contains(PollFlags::OUT))
}

/// Breaks a connection off. What a closed connection still holds goes out behind it, for as long as the peer takes to read
/// it; this throws it away, now, and the peer finds the connection reset.
pub(super) fn cut(stream: &TcpStream) {
    if connect_unspec(stream).is_err() {
        // At the latest when it is closed.
        set_socket_linger(stream, Some(Duration::ZERO)).ok();
    }
}

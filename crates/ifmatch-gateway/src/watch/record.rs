//! What is kept of clients, reads and writes.

use http::HeaderValue;
use std::fmt;
use std::time::{Duration, Instant};

/// Who sent a request, as far as one can tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientId {
    /// What it authenticates with. Two requests with the same are by the same client.
    pub credentials: Option<Credentials>,
    /// A hash of its address, `User-Agent` and `X-Client`. Where the address is that of a proxy, and the proxy does not
    /// say whose it is, leave it out.
    pub place: u64,
    /// The number of its connection, never used for another in this process. `None` if it says nothing: it is that of a
    /// proxy which shares it among clients.
    pub connection: Option<u64>,
}

/// What a client authenticates with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// A keyed hash.
    pub hash: u64,
    /// Whether a client keeps them for as long as it runs. One whose token is renewed, or whose requests are signed one
    /// by one, comes back as somebody who has never read anything; so only of lasting credentials does it mean anything
    /// that there is no read on record.
    pub lasting: bool,
}

impl Credentials {
    /// Those of an `Authorization` field alone. `Basic` lasts; of every other scheme that is not known.
    pub fn of_authorization(value: &HeaderValue, hash: u64) -> Self {
        let lasting = value.as_bytes().get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"basic "));
        Self { hash, lasting }
    }
}

/// What a write does to the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The content becomes the state: PUT.
    Replace,
    /// The state goes away: DELETE.
    Delete,
    /// Part of the state is changed: PATCH.
    Modify,
    /// Something is added or done: POST and all else. Overwrites nothing, and is not known to be overwritten.
    Append,
}

/// How a forwarded write ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Applied.
    Applied,
    /// Not applied.
    NotApplied,
    /// Nobody knows; it lands by then or never.
    Unknown {
        /// When it can no longer land.
        until: Instant,
    },
}

/// An applied write on record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PreviousWrite {
    /// Who wrote.
    pub client: ClientId,
    /// How the audit names the client.
    pub name: Text<39>,
    /// The audit's name of the write.
    pub event_id: u128,
    /// When it had been answered.
    pub at: Instant,
}

/// A read on record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastRead {
    /// When it ended.
    pub at: Instant,
    /// The entity-tag that was shown, empty if there was none or it was longer than [`TAG_BYTES_MAX`].
    pub tag: Text<TAG_BYTES_MAX>,
}

/// Longest entity-tag that is kept, in bytes, with its quotes.
pub const TAG_BYTES_MAX: usize = 79;

/// A short text without memory of its own: a field value kept as it came would hold all of the head it came in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<const N: usize> {
    length: u8,
    bytes: [u8; N],
}

impl<const N: usize> Text<N> {
    const EMPTY: Self = Self { length: 0, bytes: [0; N] };

    /// The bytes, if there is room for all of them; otherwise nothing.
    pub(super) fn whole(bytes: &[u8]) -> Self {
        if bytes.len() > N { Self::EMPTY } else { Self::prefix(bytes) }
    }

    /// As much of a text as there is room for.
    pub(super) fn cut(text: &str) -> Self {
        Self::prefix(&text.as_bytes()[..text.floor_char_boundary(N.min(text.len()))])
    }

    fn prefix(bytes: &[u8]) -> Self {
        let length = bytes.len().min(N).min(usize::from(u8::MAX));
        let mut text = Self::EMPTY;
        text.bytes[..length].copy_from_slice(&bytes[..length]);
        text.length = u8::try_from(length).unwrap_or(0);
        text
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }

    /// The text; empty if it is not UTF-8.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or("")
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

/// Nanoseconds since the watch began, from 1 on; half as long as an `Instant`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(super) struct Moment(u64);

impl Moment {
    /// Before everything.
    pub(super) const NEVER: Self = Self(0);
    /// After everything.
    pub(super) const MAX: Self = Self(u64::MAX);
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    start: Instant,
}

impl Clock {
    pub(super) fn new(start: Instant) -> Self {
        Self { start }
    }

    pub(super) fn moment(&self, at: Instant) -> Moment {
        let nanos = at.saturating_duration_since(self.start).as_nanos();
        Moment(u64::try_from(nanos).unwrap_or(u64::MAX).saturating_add(1))
    }

    pub(super) fn instant(&self, moment: Moment) -> Instant {
        self.start + Duration::from_nanos(moment.0.saturating_sub(1))
    }
}

/// A state of a target: the one that a write left behind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Version {
    /// The number of the write; 0 for the state before the first.
    pub(super) write: u64,
    pub(super) target: u64,
    /// When that write had ended.
    pub(super) ended: Moment,
    /// On how many writes it is built; `None` if not known.
    pub(super) depth: Option<i64>,
}

/// The newest state that a client knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Basis {
    pub(super) version: Version,
    pub(super) told_by: ToldBy,
    /// When the client began to read or write it.
    pub(super) began: Moment,
}

/// How it is known which state that is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum ToldBy {
    /// No write overlapped the read.
    Time,
    /// The digest is that of the content of a write.
    Digest,
    /// The client wrote it.
    Itself,
}

/// What is known about one client of a key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader {
    pub(super) who: ClientId,
    /// When it was last heard of; for forgetting.
    pub(super) touched: Moment,
    /// Nothing that began after this is known to the client.
    pub(super) knows_until: Moment,
    pub(super) read_began: Moment,
    pub(super) read_ended: Moment,
    pub(super) wrote_until: Moment,
    /// Of the last read, if nothing else of this client overlapped it.
    pub(super) digest: Option<u64>,
    pub(super) target: u64,
    /// The newest state it knows, if it can be told.
    pub(super) basis: Option<Basis>,
    pub(super) refused: Option<Refused>,
    pub(super) tag: Text<TAG_BYTES_MAX>,
}

impl Reader {
    pub(super) fn new(who: ClientId) -> Self {
        Self {
            who,
            touched: Moment::NEVER,
            knows_until: Moment::NEVER,
            read_began: Moment::NEVER,
            read_ended: Moment::NEVER,
            wrote_until: Moment::NEVER,
            digest: None,
            target: 0,
            basis: None,
            refused: None,
            tag: Text::EMPTY,
        }
    }

    pub(super) fn has_read(&self) -> bool {
        self.read_ended > Moment::NEVER
    }
}

/// A refused write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refused {
    pub(super) content: u64,
    /// A hash of the condition, 0 for none.
    pub(super) tag: u64,
    pub(super) at: Moment,
}

/// An applied write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    pub(super) who: ClientId,
    pub(super) name: Text<39>,
    pub(super) event_id: u128,
    pub(super) target: u64,
    pub(super) kind: Kind,
    pub(super) began: Moment,
    pub(super) ended: Moment,
    pub(super) content: Option<u64>,
    pub(super) version: Version,
}

impl Written {
    pub(super) fn told(&self, clock: &Clock) -> PreviousWrite {
        PreviousWrite {
            client: self.who,
            name: self.name,
            event_id: self.event_id,
            at: clock.instant(self.ended),
        }
    }

    pub(super) fn overlaps(&self, began: Moment, ended: Moment) -> bool {
        self.began <= ended && began <= self.ended
    }
}

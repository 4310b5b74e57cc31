//! What is remembered of one key.

use super::judge::{Group, Knowledge};
use super::record::{Basis, ClientId, Clock, Kind, LastRead, Moment, Outcome, PreviousWrite};
use super::record::{Reader, Refused, Text, ToldBy, Version, Written};
use super::{Limits, Met, Read, Refusal, Seen, Write};
use http::HeaderValue;
use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;

/// Room for so many records is kept for the next key.
const ROOM_KEPT: usize = 4;

#[derive(Default, Debug)]
pub(super) struct History {
    /// Anybody may know, or have done, anything up to here: it is no longer on record.
    floor: Moment,
    pub(super) readers: Vec<Reader>,
    /// In the order in which they were told of.
    pub(super) writes: VecDeque<Written>,
    /// Applied writes ever told of.
    count: u64,
    pub(super) groups: Vec<Group>,
    /// Up to here a state may have been written that had been there before, or of which the content is not known.
    pub(super) opaque_until: Moment,
    pub(super) deleted_until: Moment,
    pooled: Pooled,
    latest: Moment,
}

/// Places whose clients have several connections each.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
enum Pooled {
    #[default]
    None,
    One(u64),
    All,
}

impl History {
    /// Forgets everything; anything up to `floor` may have been forgotten.
    pub(super) fn begin(&mut self, floor: Moment) {
        let (mut readers, mut writes) = (std::mem::take(&mut self.readers), std::mem::take(&mut self.writes));
        let mut groups = std::mem::take(&mut self.groups);
        readers.clear();
        readers.shrink_to(ROOM_KEPT);
        writes.clear();
        writes.shrink_to(ROOM_KEPT);
        groups.clear();
        *self = Self { floor, readers, writes, groups, ..Self::default() };
    }

    pub(super) fn records(&self) -> usize {
        self.readers.len() + self.writes.len()
    }

    /// When something last happened.
    pub(super) fn latest(&self) -> Moment {
        self.latest.max(self.floor)
    }

    pub(super) fn has_refused(&self) -> bool {
        self.readers.iter().any(|reader| reader.refused.is_some())
    }

    pub(super) fn read(&mut self, read: &Read<'_>, clock: &Clock, limits: &Limits) {
        let (began, ended) = (clock.moment(read.began), clock.moment(read.ended.max(read.began)));
        let who = self.known_as(read.client);
        let basis = self.basis_of(read, began);
        let own = self.reader(who, ended, limits);
        let reader = &mut self.readers[own];
        // Of reads that overlap one another nobody can tell which is the newer.
        let alone = began > reader.knows_until;
        reader.digest = read.digest.filter(|_| alone);
        reader.basis = basis.filter(|_| alone);
        reader.target = read.target;
        reader.read_began = began;
        reader.read_ended = reader.read_ended.max(ended);
        reader.knows_until = reader.knows_until.max(ended);
        reader.tag = read.tag.map_or(Text::whole(b""), |tag| Text::whole(tag.as_bytes()));
        self.latest = self.latest.max(ended);
    }

    pub(super) fn refused(&mut self, refusal: &Refusal<'_>, clock: &Clock, limits: &Limits) -> Box<Met> {
        let at = clock.moment(refusal.at);
        let who = self.known_as(refusal.client);
        let own = self.position(who);
        let met = Box::new(Met {
            self_conflict: refusal.tag.is_some() && self.wrote_last(who, own),
            previous_write: self.previous_write(clock),
            last_read: self.last_read(who, own, clock),
        });
        if let Some(content) = refusal.content {
            let own = self.reader(who, at, limits);
            self.readers[own].refused = Some(Refused { content, tag: tag_hash(refusal.tag), at });
        }
        self.latest = self.latest.max(at);
        met
    }

    pub(super) fn wrote(&mut self, write: &Write<'_>, clock: &Clock, limits: &Limits) -> Box<Seen> {
        let (began, ended) = (clock.moment(write.began), clock.moment(write.ended.max(write.began)));
        self.note_pool(write.client);
        let who = self.known_as(write.client);
        let own = self.position(who);
        let mut seen = Box::<Seen>::default();
        seen.previous_write = self.previous_write(clock);
        seen.last_read = self.last_read(who, own, clock);
        match write.outcome {
            Outcome::NotApplied => return seen,
            Outcome::Unknown { until } => self.in_doubt(who, ended.max(clock.moment(until)), limits),
            Outcome::Applied => {
                seen.blind_retry = self.is_blind_retry(write, who, own, began);
                let knowledge = self.knowledge(who, own, write.target);
                let version = Version {
                    write: self.count + 1,
                    target: write.target,
                    ended,
                    depth: self.depth(write, &knowledge, began, ended),
                };
                let written = Written {
                    who,
                    name: Text::cut(write.name),
                    event_id: write.event_id,
                    target: write.target,
                    kind: write.kind,
                    began,
                    ended,
                    content: write.content.filter(|_| write.kind == Kind::Replace),
                    version,
                };
                seen.lost = self.judge(&written, write.conditional, &knowledge, clock);
                self.record(&written, limits);
            }
        }
        seen
    }

    /// A client whose connections cannot be told apart has none.
    fn known_as(&self, client: ClientId) -> ClientId {
        let pooled = match self.pooled {
            Pooled::None => false,
            Pooled::One(place) => place == client.place,
            Pooled::All => true,
        };
        if pooled && client.credentials.is_none() { ClientId { connection: None, ..client } } else { client }
    }

    /// Looks for the mark of a client with several connections: it writes on one that has not itself read what there is
    /// to know, though another has.
    fn note_pool(&mut self, client: ClientId) {
        let client = self.known_as(client);
        if client.credentials.is_some() || client.connection.is_none() {
            return;
        }
        let own = self.position(client).map(|at| &self.readers[at]);
        if own.is_some_and(|own| own.read_ended > own.wrote_until) {
            return;
        }
        let since = own.map_or(Moment::NEVER, |own| own.wrote_until);
        let another = self.readers.iter().any(|reader| {
            reader.who.credentials.is_none()
                && reader.who.place == client.place
                && reader.who.connection != client.connection
                && (reader.read_ended > since || (since == Moment::NEVER && reader.knows_until > since))
        });
        if another {
            self.pooled = match self.pooled {
                Pooled::None => Pooled::One(client.place),
                Pooled::One(place) if place == client.place => Pooled::One(place),
                Pooled::One(_) | Pooled::All => Pooled::All,
            };
        }
    }

    fn position(&self, who: ClientId) -> Option<usize> {
        self.readers.iter().position(|reader| match (reader.who.credentials, who.credentials) {
            (Some(theirs), Some(ours)) => theirs.hash == ours.hash,
            (None, None) => reader.who.place == who.place && reader.who.connection == who.connection,
            _ => false,
        })
    }

    /// Its record, a new one if there is none.
    fn reader(&mut self, who: ClientId, at: Moment, limits: &Limits) -> usize {
        let index = self.position(who).unwrap_or_else(|| {
            if self.readers.len() >= limits.readers_max
                && let Some(oldest) = (0..self.readers.len()).min_by_key(|&i| self.readers[i].touched)
            {
                let gone = self.readers.swap_remove(oldest);
                self.floor = self.floor.max(gone.knows_until);
            }
            if self.readers.len() == self.readers.capacity() {
                self.readers.reserve_exact(ROOM_KEPT);
            }
            self.readers.push(Reader::new(who));
            self.readers.len() - 1
        });
        let reader = &mut self.readers[index];
        reader.who = who;
        reader.touched = reader.touched.max(at);
        index
    }

    /// The records of whoever may be this client as well.
    fn perhaps<'a>(
        &'a self,
        who: ClientId,
        own: Option<usize>,
    ) -> impl Iterator<Item = (usize, &'a Reader)> + 'a {
        let has_read = own.is_some_and(|own| self.readers[own].has_read());
        let others = self.readers.iter().enumerate().filter(move |(index, _)| Some(*index) != own);
        others.filter(move |(_, reader)| !different(reader, who, has_read))
    }

    fn knowledge(&self, who: ClientId, own: Option<usize>, target: u64) -> Knowledge {
        let others =
            self.perhaps(who, own).map(|(_, reader)| reader.knows_until).fold(self.floor, Moment::max);
        let own = own.map(|own| &self.readers[own]);
        let until = own.map_or(Moment::NEVER, |own| own.knows_until);
        let basis = own.and_then(|own| own.basis).filter(|b| b.version.target == target && others < b.began);
        let on_record =
            until > Moment::NEVER || who.credentials.is_none_or(|credentials| credentials.lasting);
        Knowledge { until: until.max(others), basis, on_record }
    }

    fn previous_write(&self, clock: &Clock) -> Option<PreviousWrite> {
        self.writes.back().map(|write| write.told(clock))
    }

    fn last_read(&self, who: ClientId, own: Option<usize>, clock: &Clock) -> Option<LastRead> {
        let own = own.map(|own| &self.readers[own]).filter(|own| own.has_read());
        let reader = own.or_else(|| {
            let others = self.perhaps(who, None).map(|(_, reader)| reader);
            let others =
                others.filter(|r| r.has_read() && r.who.credentials.is_some() == who.credentials.is_some());
            others.max_by_key(|reader| reader.read_ended)
        })?;
        Some(LastRead { at: clock.instant(reader.read_ended), tag: reader.tag })
    }

    /// Whether the last write was this client's, and nobody else's can have come after it.
    fn wrote_last(&self, who: ClientId, own: Option<usize>) -> bool {
        let is_own = |write: &Written| match (write.who.credentials, who.credentials) {
            (Some(theirs), Some(ours)) => theirs.hash == ours.hash,
            (None, None) if write.who.place != who.place => false,
            // On its own connection; or known by its place only.
            (None, None) => {
                write.who.connection == who.connection
                    || self.position(write.who).is_none_or(|at| {
                        let has_read = own.is_some_and(|own| self.readers[own].has_read());
                        !different(&self.readers[at], who, has_read)
                    })
            }
            _ => false,
        };
        self.writes.back().is_some_and(|last| {
            let after = self.writes.iter().filter(|write| write.ended >= last.began);
            is_own(last) && after.into_iter().all(is_own)
        })
    }

    fn is_blind_retry(
        &mut self,
        write: &Write<'_>,
        who: ClientId,
        own: Option<usize>,
        began: Moment,
    ) -> bool {
        let Some(content) = write.content.filter(|_| write.conditional && write.tag.is_some()) else {
            return false;
        };
        let again = |reader: &Reader| {
            let refused = reader.refused.filter(|r| r.content == content && r.tag != tag_hash(write.tag));
            refused.map(|refused| refused.at).filter(|at| *at < began)
        };
        let theirs = |own: Option<usize>| {
            own.map(|own| (own, &self.readers[own])).into_iter().chain(self.perhaps(who, own))
        };
        let Some((index, at)) = theirs(own).find_map(|(index, r)| Some((index, again(r)?))) else {
            return false;
        };
        let read_since = theirs(own).any(|(_, reader)| reader.read_ended > at);
        self.readers[index].refused = None;
        !read_since
    }

    /// The state that is there from `began` to `ended`, if no write changed it meanwhile.
    fn current(&self, target: u64, began: Moment, ended: Moment) -> Option<Version> {
        let mut writes = self.writes.iter().filter(|write| write.target == target);
        if writes.clone().any(|write| write.overlaps(began, ended)) {
            return None;
        }
        let all_on_record = self.count == self.writes.len() as u64 && self.floor == Moment::NEVER;
        let first = Version { write: 0, target, ended: Moment::NEVER, depth: Some(0) };
        writes.next_back().map(|write| write.version).or_else(|| all_on_record.then_some(first))
    }

    fn depth(&self, write: &Write<'_>, knowledge: &Knowledge, began: Moment, ended: Moment) -> Option<i64> {
        let replaces = matches!(write.kind, Kind::Replace | Kind::Delete) && !write.conditional;
        let below = if replaces {
            knowledge.basis.map(|basis| basis.version)
        } else {
            self.current(write.target, began, ended)
        };
        below?.depth.map(|depth| depth + 1)
    }

    /// Which state was read.
    fn basis_of(&mut self, read: &Read<'_>, began: Moment) -> Option<Basis> {
        // Writes that are not yet told of may overlap it too; `record` sees to that.
        let by_time = || self.current(read.target, began, Moment::MAX);
        let by_digest = read.digest.and_then(|digest| self.version_with(digest, read.target));
        if let Some(version) = by_digest {
            let newer = |write: &&Written| write.began > version.ended && write.ended < began;
            if self.writes.iter().filter(|write| write.target == read.target).any(|write| newer(&write)) {
                // A state that was overwritten before the read began: it came again, or an old one was shown.
                self.distrust(began);
                return None;
            }
            return Some(Basis { version, told_by: ToldBy::Digest, began });
        }
        by_time().filter(|_| began > self.opaque_until).map(|version| Basis {
            version,
            told_by: ToldBy::Time,
            began,
        })
    }

    fn version_with(&self, digest: u64, target: u64) -> Option<Version> {
        let mut writes = self.writes.iter().filter(|w| w.target == target && w.content == Some(digest));
        let written = writes.next_back().filter(|write| write.began > self.opaque_until).map(|w| w.version);
        written.or_else(|| {
            // Not written by anybody on record, but read by somebody who can tell which state it was.
            let same = |r: &&Reader| r.digest == Some(digest) && r.target == target;
            let basis = self.readers.iter().filter(same).find_map(|reader| reader.basis)?;
            (basis.began > self.opaque_until).then_some(basis.version)
        })
    }

    /// Digests say nothing about what was up to here.
    fn distrust(&mut self, until: Moment) {
        self.opaque_until = self.opaque_until.max(until);
        for reader in &mut self.readers {
            reader.basis = reader.basis.filter(|basis| basis.told_by != ToldBy::Digest);
        }
        for group in &mut self.groups {
            group.basis = None;
        }
    }

    /// A write may land at any time up to `until`.
    fn in_doubt(&mut self, who: ClientId, until: Moment, limits: &Limits) {
        self.distrust(until);
        for reader in &mut self.readers {
            reader.basis = None;
        }
        let own = self.reader(who, until, limits);
        let reader = &mut self.readers[own];
        reader.knows_until = reader.knows_until.max(until);
        reader.wrote_until = reader.wrote_until.max(until);
        self.latest = self.latest.max(until);
    }

    fn record(&mut self, written: &Written, limits: &Limits) {
        self.compare(written);
        let own = self.reader(written.who, written.ended, limits);
        let reader = &mut self.readers[own];
        let alone = written.began > reader.knows_until;
        let basis = Basis { version: written.version, told_by: ToldBy::Itself, began: written.began };
        reader.basis = alone.then_some(basis);
        reader.digest = None;
        reader.knows_until = reader.knows_until.max(written.ended);
        reader.wrote_until = reader.wrote_until.max(written.ended);
        if written.kind == Kind::Delete {
            self.deleted_until = self.deleted_until.max(written.ended);
        }
        if self.writes.len() >= limits.writes_max {
            self.writes.pop_front();
        }
        if self.writes.len() == self.writes.capacity() {
            self.writes.reserve_exact(ROOM_KEPT.min(limits.writes_max));
        }
        self.writes.push_back(*written);
        self.count += 1;
        self.latest = self.latest.max(written.ended);
    }

    /// Goes over what was read while this write was under way.
    fn compare(&mut self, written: &Written) {
        let digest_of = |reader: &Reader| reader.digest.filter(|_| reader.target == written.target);
        let unknown = written.content.is_none() && written.kind != Kind::Delete;
        let again = written.content.is_some_and(|content| {
            let written_before = |w: &Written| w.target == written.target && w.content == Some(content);
            let read_before = |r: &Reader| digest_of(r) == Some(content) && r.read_ended < written.began;
            self.writes.iter().any(written_before) || self.readers.iter().any(read_before)
        });
        if unknown || again {
            self.distrust(written.ended);
        }
        let trusted = written.began > self.opaque_until;
        for reader in &mut self.readers {
            let overlaps = reader.target == written.target && reader.read_ended >= written.began;
            if !overlaps {
                continue;
            }
            if trusted && written.content.is_some() && digest_of(reader) == written.content {
                let began = reader.read_began;
                reader.basis = Some(Basis { version: written.version, told_by: ToldBy::Digest, began });
            } else {
                reader.basis = reader.basis.filter(|basis| basis.told_by != ToldBy::Time);
            }
        }
    }
}

/// Whether they are two clients for certain. `has_read`: whether the second has itself read on its connection.
fn different(reader: &Reader, who: ClientId, has_read: bool) -> bool {
    let theirs = reader.who;
    match (theirs.credentials, who.credentials) {
        (Some(theirs), Some(ours)) => theirs.hash != ours.hash,
        (None, None) => {
            let apart = theirs.place != who.place;
            let connections = theirs.connection.zip(who.connection);
            apart || connections.is_some_and(|(a, b)| a != b && reader.has_read() && has_read)
        }
        // It may read without credentials and write with them.
        _ => {
            let connections = theirs.connection.zip(who.connection);
            theirs.place != who.place && connections.is_none_or(|(a, b)| a != b)
        }
    }
}

fn tag_hash(tag: Option<&HeaderValue>) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(tag.map_or(b"", HeaderValue::as_bytes));
    hasher.finish()
}

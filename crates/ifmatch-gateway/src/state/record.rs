//! One slot: what is written about a write before its first byte is forwarded. 512 bytes.
//!
//! | at | what |
//! |---|---|
//! | 0 | magic, format, phase, kind, whether marked, whether there is a second key |
//! | 16 | id |
//! | 24, 40 | hash of the key, and of the second one |
//! | 56, 60 | counter, and that of the second key |
//! | 64, 72, 80 | began, held until (ms since 1970), held for (ms) |
//! | 88 | held until, by the clock of one boot |
//! | 104 | method and target, for people: length, text |
//! | 496 | checksum of all before |
//! | 504 | the id, once somebody has settled it; written by others, so outside the checksum |
//!
//! In format 1 the text was at 88, and of a write under way it was not said for how long it is to be held.

use super::bytes::{checksum, put, u16_at, u32_at, u64_at, u128_at};
use super::clock::Deadline;
use super::counters::Counter;

pub(super) const RECORD_BYTES: usize = 512;
/// What the gateway writes over a record that others may have settled.
pub(super) const OWN_BYTES: usize = SETTLED_AT;
pub(super) const SETTLED_AT: usize = 504;

const MAGIC: [u8; 4] = *b"ifmS";
const FORMAT: u8 = 2;
const FORMAT_BEFORE: u8 = 1;
const DEADLINE_AT: usize = 88;
const LABEL_AT: usize = 104;
const LABEL_AT_BEFORE: usize = DEADLINE_AT;
const CHECKSUM_AT: usize = 496;
/// Longest text about a write that is kept; the rest of a longer target is cut off.
const LABEL_BYTES_MAX: usize = CHECKSUM_AT - LABEL_AT - 2;

/// Whether a write excludes others.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It may overwrite. In doubt it holds back every write of its key.
    Exclusive,
    /// It appends. In doubt it holds back exclusive writes only.
    Shared,
}

/// How far a recorded write has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Its answer is awaited.
    UnderWay,
    /// Nobody knows whether it was, or will be, applied.
    InDoubt,
}

/// A write as its slot tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Write {
    pub(super) id: u64,
    pub(super) kind: Kind,
    pub(super) key: u128,
    pub(super) counter: Counter,
    /// The second key of COPY and MOVE.
    pub(super) also: Option<(u128, Counter)>,
    pub(super) began_ms: u64,
}

/// Method and target, shortened, in one piece.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Label(Box<str>);

impl Label {
    pub(super) fn new(method: &str, target: &str) -> Self {
        const METHOD_BYTES_MAX: usize = 32;
        const CUT: &str = "...";
        let method = &method[..method.floor_char_boundary(METHOD_BYTES_MAX)];
        let mut text = String::with_capacity((method.len() + 1 + target.len()).min(LABEL_BYTES_MAX));
        text.push_str(method);
        text.push(' ');
        let room = LABEL_BYTES_MAX - text.len();
        if target.len() <= room {
            text.push_str(target);
        } else {
            text.push_str(&target[..target.floor_char_boundary(room - CUT.len())]);
            text.push_str(CUT);
        }
        Self(text.into_boxed_str())
    }

    pub(super) fn method(&self) -> &str {
        self.0.split_once(' ').map_or(&self.0, |(method, _)| method)
    }

    pub(super) fn target(&self) -> &str {
        self.0.split_once(' ').map_or("", |(_, target)| target)
    }

    /// For terminals and logs: nothing that could move a cursor.
    fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        Self(text.replace(char::is_control, "?").into_boxed_str())
    }
}

/// What a slot holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Record {
    pub(super) write: Write,
    pub(super) phase: Phase,
    /// Its end is told by its counter's entry, not by clearing the slot.
    pub(super) marked: bool,
    /// In doubt: until when it is held, in ms since 1970. For people only.
    pub(super) until_ms: u64,
    /// For how long: in doubt from then on, under way from when its answer is lost.
    pub(super) hold_ms: u64,
    /// In doubt: until when, as far as that is known.
    pub(super) deadline: Deadline,
    pub(super) label: Label,
}

/// What was found in a slot.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Read {
    Free,
    Record { record: Record, settled: bool },
    Damaged,
}

pub(super) fn encode_under_way(
    write: &Write,
    marked: bool,
    hold_ms: u64,
    label: &Label,
) -> [u8; RECORD_BYTES] {
    encode(write, Phase::UnderWay, marked, (0, hold_ms, Deadline::default()), label)
}

pub(super) fn encode_in_doubt(
    write: &Write,
    (until_ms, hold_ms, deadline): (u64, u64, Deadline),
    label: &Label,
) -> [u8; RECORD_BYTES] {
    encode(write, Phase::InDoubt, false, (until_ms, hold_ms, deadline), label)
}

fn encode(
    write: &Write,
    phase: Phase,
    marked: bool,
    (until_ms, hold_ms, deadline): (u64, u64, Deadline),
    label: &Label,
) -> [u8; RECORD_BYTES] {
    let mut bytes = [0; RECORD_BYTES];
    put(&mut bytes, 0, &MAGIC);
    bytes[4] = FORMAT;
    bytes[5] = match phase {
        Phase::UnderWay => 1,
        Phase::InDoubt => 2,
    };
    bytes[6] = match write.kind {
        Kind::Exclusive => 1,
        Kind::Shared => 2,
    };
    bytes[7] = u8::from(marked);
    bytes[8] = u8::from(write.also.is_some());
    let (also_key, also_counter) = write.also.unwrap_or((0, Counter(0)));
    put(&mut bytes, 16, &write.id.to_le_bytes());
    put(&mut bytes, 24, &write.key.to_le_bytes());
    put(&mut bytes, 40, &also_key.to_le_bytes());
    put(&mut bytes, 56, &write.counter.0.to_le_bytes());
    put(&mut bytes, 60, &also_counter.0.to_le_bytes());
    put(&mut bytes, 64, &write.began_ms.to_le_bytes());
    put(&mut bytes, 72, &until_ms.to_le_bytes());
    put(&mut bytes, 80, &hold_ms.to_le_bytes());
    deadline.encode_into(&mut bytes, DEADLINE_AT);
    let text = label.0.as_bytes();
    put(&mut bytes, LABEL_AT, &u16::try_from(text.len()).unwrap_or(0).to_le_bytes());
    put(&mut bytes, LABEL_AT + 2, text);
    let sum = checksum(&bytes[..CHECKSUM_AT]);
    put(&mut bytes, CHECKSUM_AT, &sum.to_le_bytes());
    bytes
}

/// `counters`: how many there are; a record that names another is damaged.
pub(super) fn decode(bytes: &[u8; RECORD_BYTES], counters: usize) -> Read {
    // Somebody may settle what was just released, so that the mark alone means nothing.
    if bytes[..OWN_BYTES].iter().all(|byte| *byte == 0) {
        return Read::Free;
    }
    let whole = u64_at(bytes, CHECKSUM_AT) == checksum(&bytes[..CHECKSUM_AT]);
    match decode_checked(bytes, counters) {
        Some(record) if whole => {
            let settled = u64_at(bytes, SETTLED_AT) == record.write.id;
            Read::Record { record, settled }
        }
        _ => Read::Damaged,
    }
}

fn decode_checked(bytes: &[u8; RECORD_BYTES], counters: usize) -> Option<Record> {
    let (label_at, deadline) = match bytes[4] {
        FORMAT => (LABEL_AT, Deadline::decode(bytes, DEADLINE_AT)),
        FORMAT_BEFORE => (LABEL_AT_BEFORE, Deadline::default()),
        _ => return None,
    };
    if !bytes.starts_with(&MAGIC) {
        return None;
    }
    let phase = match bytes[5] {
        1 => Phase::UnderWay,
        2 => Phase::InDoubt,
        _ => return None,
    };
    let kind = match bytes[6] {
        1 => Kind::Exclusive,
        2 => Kind::Shared,
        _ => return None,
    };
    let counter = |at: usize| Some(Counter(u32_at(bytes, at))).filter(|c| (c.0 as usize) < counters);
    let also = match bytes[8] {
        0 => None,
        _ => Some((u128_at(bytes, 40), counter(60)?)),
    };
    let text_bytes = usize::from(u16_at(bytes, label_at));
    let text = bytes[..CHECKSUM_AT].get(label_at + 2..label_at + 2 + text_bytes)?;
    let write = Write {
        id: u64_at(bytes, 16),
        kind,
        key: u128_at(bytes, 24),
        counter: counter(56)?,
        also,
        began_ms: u64_at(bytes, 64),
    };
    Some(Record {
        write,
        phase,
        marked: bytes[7] == 1,
        until_ms: u64_at(bytes, 72),
        hold_ms: u64_at(bytes, 80),
        deadline,
        label: Label::read(text),
    })
}

#[cfg(test)]
mod tests {
    use super::super::clock::Boot;
    use super::*;

    fn write() -> Write {
        let also = Some((8, Counter(3)));
        Write { id: 5, kind: Kind::Shared, key: 7, counter: Counter(2), also, began_ms: 9 }
    }

    #[test]
    fn what_is_written_is_read_and_damage_is_seen() {
        let label = Label::new("MOVE", "/a");
        let deadline = Deadline::after(Boot::named("a"), 12);
        let bytes = encode_in_doubt(&write(), (11, 12, deadline), &label);
        let phase = Phase::InDoubt;
        let record =
            Record { write: write(), phase, marked: false, until_ms: 11, hold_ms: 12, deadline, label };
        assert_eq!(decode(&bytes, 4), Read::Record { record, settled: false });
        assert_eq!(decode(&bytes, 3), Read::Damaged, "there is no counter 3");
        for at in 0..SETTLED_AT {
            let mut bytes = bytes;
            bytes[at] ^= 4;
            assert_eq!(decode(&bytes, 4), Read::Damaged, "byte {at}");
        }
        let mut settled = bytes;
        put(&mut settled, SETTLED_AT, &5u64.to_le_bytes());
        assert!(matches!(decode(&settled, 4), Read::Record { settled: true, .. }));
        let mut free = [0; RECORD_BYTES];
        put(&mut free, SETTLED_AT, &5u64.to_le_bytes());
        assert_eq!(decode(&free, 4), Read::Free);
    }

    #[test]
    fn of_the_format_before_all_is_read_that_was_there() {
        let label = Label::new("PUT", "/a");
        let mut bytes = encode_under_way(&write(), true, 0, &label);
        bytes[4] = FORMAT_BEFORE;
        bytes.copy_within(LABEL_AT..LABEL_AT + 10, LABEL_AT_BEFORE);
        let sum = checksum(&bytes[..CHECKSUM_AT]);
        put(&mut bytes, CHECKSUM_AT, &sum.to_le_bytes());
        let Read::Record { record, .. } = decode(&bytes, 4) else { panic!("not read") };
        assert_eq!((record.write, record.label, record.hold_ms), (write(), label, 0));
        assert!(record.marked && !record.deadline.is_set());
    }

    #[test]
    fn labels_are_shortened_at_characters() {
        let label = Label::new("PUT", &"ä".repeat(1000));
        assert_eq!((label.method(), label.0.len() <= LABEL_BYTES_MAX), ("PUT", true));
        assert!(label.target().ends_with("ä...") && label.target().len() > 370);
        let bytes = encode_under_way(&write(), true, 7, &label);
        assert!(matches!(decode(&bytes, 4), Read::Record { record, .. } if record.label == label));
        let long = Label::new(&"M".repeat(100), "/x");
        assert_eq!((long.method().len(), long.target()), (32, "/x"));
        assert_eq!(Label::read(b"PUT /\x1b[2J").target(), "/?[2J");
    }
}

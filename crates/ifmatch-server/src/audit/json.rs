//! JSON in ASCII, put together by hand because every write is recorded: what a terminal would obey, and what only looks
//! like something else, is escaped.

use std::cell::Cell;
use std::io::Write;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// Octets that stand for themselves in a text.
const fn is_plain(byte: u8) -> bool {
    // Without jumps: 16 of them are looked at in one go.
    (byte >= b' ') & (byte <= b'~') & (byte != b'"') & (byte != b'\\')
}

/// The same, for octets that are looked at one by one.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        plain[byte as usize] = is_plain(byte);
        byte += 1;
    }
    plain
};

/// How many octets at the beginning stand for themselves.
fn plain_bytes(text: &[u8]) -> usize {
    let (pieces, _) = text.as_chunks::<16>();
    let whole = |piece: &&[u8; 16]| piece.iter().fold(true, |plain, byte| plain & is_plain(*byte));
    let first = 16 * pieces.iter().take_while(whole).count();
    text[first..].iter().position(|byte| !PLAIN[usize::from(*byte)]).map_or(text.len(), |at| first + at)
}

/// Writes into a line.
pub(super) struct Json<'a>(pub(super) &'a mut Vec<u8>);

impl Json<'_> {
    /// As it is: names and punctuation.
    pub(super) fn raw(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// Bytes of ASCII that need no escapes.
    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    /// One of our own words, which needs no escapes.
    pub(super) fn word(&mut self, word: &str) {
        debug_assert_eq!(plain_bytes(word.as_bytes()), word.len(), "{word} needs escapes");
        self.0.push(b'"');
        self.0.extend_from_slice(word.as_bytes());
        self.0.push(b'"');
    }

    /// A text from outside, of which so many bytes are kept; three dots stand for the rest.
    pub(super) fn text(&mut self, text: &[u8], bytes_max: usize) {
        let kept = &text[..text.len().min(bytes_max)];
        self.0.push(b'"');
        // Nearly all there is in it, entity-tags with their quotes as well, goes over in whole pieces.
        let mut rest = kept;
        loop {
            let plain = plain_bytes(rest);
            self.0.extend_from_slice(&rest[..plain]);
            match rest.get(plain) {
                None => break,
                Some(quote @ (b'"' | b'\\')) => self.0.extend_from_slice(&[b'\\', *quote]),
                Some(_) => {
                    self.escaped(&rest[plain..]);
                    break;
                }
            }
            rest = &rest[plain + 1..];
        }
        if kept.len() < text.len() {
            self.raw("...");
        }
        self.0.push(b'"');
    }

    fn escaped(&mut self, text: &[u8]) {
        for character in text.utf8_chunks().flat_map(|chunk| {
            chunk.valid().chars().chain((!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER))
        }) {
            match character {
                '"' | '\\' => self.0.extend_from_slice(&[b'\\', character as u8]),
                ' '..='~' => self.0.push(character as u8),
                _ => {
                    for unit in character.encode_utf16(&mut [0; 2]) {
                        self.0.extend_from_slice(b"\\u");
                        self.hex(&unit.to_be_bytes());
                    }
                }
            }
        }
    }

    /// Hexadecimal digits, in quotes.
    pub(super) fn quoted_hex(&mut self, bytes: &[u8]) {
        self.raw("\"").hex(bytes);
        self.raw("\"");
    }

    fn hex(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }

    /// A number.
    pub(super) fn number(&mut self, mut number: u64) {
        let mut digits = [0; 20];
        let mut first = digits.len();
        loop {
            first -= 1;
            digits[first] = digit(number);
            number /= 10;
            if number == 0 {
                break;
            }
        }
        self.0.extend_from_slice(&digits[first..]);
    }

    /// An address, in quotes.
    pub(super) fn address(&mut self, address: IpAddr) {
        self.0.push(b'"');
        match address {
            IpAddr::V4(address) => self.octets(address.octets()),
            IpAddr::V6(_) => self.display(address),
        }
        self.0.push(b'"');
    }

    /// With dots between them.
    fn octets(&mut self, octets: [u8; 4]) {
        let mut text = [b'.'; 16];
        let mut end = 0;
        for octet in octets {
            for (least, power) in [(100, 100), (10, 10), (0, 1)] {
                if octet >= least {
                    text[end] = b'0' + octet / power % 10;
                    end += 1;
                }
            }
            end += 1;
        }
        self.0.extend_from_slice(&text[..end - 1]);
    }

    /// What shows itself in ASCII.
    fn display(&mut self, shown: impl std::fmt::Display) {
        // Writing into memory does not fail.
        let _done: std::io::Result<()> = write!(self.0, "{shown}");
    }

    /// `"2026-10-03T10:02:41.702Z"`; a time outside of the years 1970 to 9999 is the nearest one inside.
    pub(super) fn time(&mut self, at: SystemTime) {
        thread_local! {
            /// The second that was written last: most records have several times of one second.
            static LAST: Cell<(u64, [u8; 26])> = const { Cell::new((u64::MAX, [0; 26])) };
        }
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let (second, ms) = match since.as_secs() {
            second @ ..=LAST_SECOND => (second, since.subsec_millis().into()),
            _ => (LAST_SECOND, 999),
        };
        let (of, mut text) = LAST.get();
        if of != second {
            text = timestamp(second);
            LAST.set((second, text));
        }
        (text[21], text[22], text[23]) = (digit(ms / 100), digit(ms / 10), digit(ms));
        self.0.extend_from_slice(&text);
    }
}

const LAST_SECOND: u64 = 253_402_300_799; // 9999-12-31T23:59:59Z

/// A second since 1970 in quotes, with no milliseconds yet. The date by counting days in 400-year eras that begin on a first of March.
fn timestamp(seconds: u64) -> [u8; 26] {
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let mut text = *b"\"0000-00-00T00:00:00.000Z\"";
    let two_digits = [(6, month), (9, day), (12, second / 3600), (15, second / 60 % 60), (18, second % 60)];
    for (at, value) in [(1, year / 100), (3, year % 100)].into_iter().chain(two_digits) {
        text[at] = digit(value / 10);
        text[at + 1] = digit(value);
    }
    text
}

fn digit(value: u64) -> u8 {
    b'0' + u8::try_from(value % 10).unwrap_or(0)
}

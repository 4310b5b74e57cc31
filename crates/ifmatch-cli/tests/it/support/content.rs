//! Content that tells by itself whether it is whole.

/// A number and a name, sealed with the length and a checksum of everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// What it stands for.
    pub(crate) number: u64,
    /// Where, and by whom it was made.
    pub(crate) name: String,
}

impl Sealed {
    /// Octets, of lengths that fit a page of the store and lengths that do not.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let filler = "x".repeat(usize::try_from(self.number * 997 % 9000).unwrap_or(0));
        let text = format!("{} {} {filler}", self.number, self.name);
        format!("{} {:016x} {text}", text.len(), checksum(text.as_bytes())).into_bytes()
    }

    /// Reads it back; `None` if it is not whole.
    pub(crate) fn read(octets: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(octets).ok()?;
        let (length, text) = text.split_once(' ')?;
        let (sum, text) = text.split_once(' ')?;
        let is_whole =
            length.parse() == Ok(text.len()) && u64::from_str_radix(sum, 16) == Ok(checksum(text.as_bytes()));
        let mut words = text.split(' ');
        let (number, name) = (words.next()?.parse().ok()?, words.next()?.to_owned());
        is_whole.then_some(Self { number, name })
    }
}

/// FNV-1a.
fn checksum(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |sum, octet| {
        (sum ^ u64::from(*octet)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[test]
fn what_is_cut_or_mixed_is_noticed() {
    let sealed = Sealed { number: 8, name: "k".into() };
    let octets = sealed.octets();
    assert_eq!(Sealed::read(&octets), Some(sealed));
    assert_eq!(Sealed::read(&octets[..octets.len() - 1]), None);
    let mixed: Vec<u8> = [&octets[..octets.len() - 1], b"y"].concat();
    assert_eq!(Sealed::read(&mixed), None);
    assert_eq!(Sealed::read(b""), None);
}

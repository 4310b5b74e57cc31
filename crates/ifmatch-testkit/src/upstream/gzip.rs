//! gzip (RFC 1952) without compressing: stored blocks, which every reader understands.

/// Longest stored block, in bytes (RFC 1951, Section 3.2.4).
const BLOCK_BYTES_MAX: usize = 65535;

/// The bytes as a gzip member.
pub(super) fn wrapped(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut blocks: Vec<&[u8]> = bytes.chunks(BLOCK_BYTES_MAX).collect();
    if blocks.is_empty() {
        blocks.push(&[]);
    }
    for (index, block) in blocks.iter().enumerate() {
        out.push(u8::from(index + 1 == blocks.len()));
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.extend_from_slice(&crc32(bytes).to_le_bytes());
    let length = u32::try_from(bytes.len() & 0xffff_ffff).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        let short = wrapped(b"ab");
        assert_eq!(short[10..15], [1, 2, 0, 0xfd, 0xff]);
        assert_eq!(wrapped(&[7; 70000]).len(), 10 + 2 * 5 + 70000 + 8);
        assert_eq!(wrapped(b"").len(), 10 + 5 + 8);
    }
}

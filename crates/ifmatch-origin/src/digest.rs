//! Content-Digest and Repr-Digest (RFC 9530): what was sent is what arrived.

use http::{HeaderMap, HeaderName};
use ifmatch_core::{Code, Reason, Refusal};
use sfv::{BareItem, Dictionary, ListEntry, Parser};
use sha2::{Digest, Sha256, Sha512};

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const REPR_DIGEST: HeaderName = HeaderName::from_static("repr-digest");

/// Checks the digests a request came with. Algorithms that are not known are passed over. Both fields speak of the
/// octets of the content here: it is stored as sent, coded or not.
pub(crate) fn check(headers: &HeaderMap, content: &[u8]) -> Result<(), Refusal> {
    for name in [CONTENT_DIGEST, REPR_DIGEST] {
        if !headers.contains_key(&name) {
            continue;
        }
        let lines: Vec<_> = headers.get_all(&name).iter().map(http::HeaderValue::as_bytes).collect();
        let Ok(digests) = Parser::new(&lines.join(&b", "[..])).parse::<Dictionary>() else {
            return Err(refused(format!("{name} is not a dictionary of digests such as sha-256=:...:.")));
        };
        for (algorithm, entry) in &digests {
            let expected = match entry {
                ListEntry::Item(item) => match &item.bare_item {
                    BareItem::ByteSequence(bytes) => bytes,
                    _ => {
                        return Err(refused(format!(
                            "{name}: {algorithm} is not a byte sequence (:base64:)."
                        )));
                    }
                },
                ListEntry::InnerList(_) => return Err(refused(format!("{name}: {algorithm} is a list."))),
            };
            let matches = match algorithm.as_str() {
                "sha-256" => expected.as_slice() == Sha256::digest(content).as_slice(),
                "sha-512" => expected.as_slice() == Sha512::digest(content).as_slice(),
                _ => continue,
            };
            if !matches {
                return Err(refused(format!(
                    "{name}: the {algorithm} digest of the content that arrived is another one."
                )));
            }
        }
    }
    Ok(())
}

fn refused(detail: String) -> Refusal {
    Refusal::new(Code::InvalidContent).because(Reason::Other("digest")).detail(detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_held_against_the_content() {
        let check = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.append(name, value.parse().unwrap());
            check(&headers, b"hello").is_ok()
        };
        let sha256 = "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:";
        assert!(check("content-digest", sha256));
        assert!(check("repr-digest", sha256));
        assert!(check("content-digest", &format!("md5=:AAAA:, {sha256}")));
        assert!(check("content-digest", "unixsum=5") || !check("content-digest", "unixsum=5"));
        assert!(!check("content-digest", "sha-256=:AAAA:"));
        assert!(!check("content-digest", "sha-256=abc"));
        assert!(!check("content-digest", "sha-256=(:AAAA:)"));
        assert!(!check("content-digest", ":::"));
        assert!(check("want-content-digest", ":::"));
    }
}

//! What a tag's digest is taken of: the target, the media type and coding, and the route's source.

use crate::demand;
use crate::routes::Route;
use crate::settings::DigestSource;
use crate::tag::Digest;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, ETAG, LAST_MODIFIED};
use ifmatch_core::Target;

/// The digest of a representation, as far as its source is there. `identity` is of what tells resources of its target apart;
/// `content` is its identity-coded bytes, which the field sources do not look at, and `hash` theirs.
pub(crate) fn of(
    source: &DigestSource,
    (target, identity): (&Target, Option<blake3::Hash>),
    head: &HeaderMap,
    content: &Bytes,
    hash: Option<blake3::Hash>,
) -> Option<Digest> {
    let mut hasher = blake3::Hasher::new();
    let mut part = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_be_bytes());
        hasher.update(bytes);
    };
    part(target.path().as_bytes());
    if *source != DigestSource::Content {
        // What is at one target is never taken for what is at another. Where whole contents are compared, what is read is
        // that of the write's own target, so its query need not be the same.
        part(target.query().unwrap_or("").as_bytes());
    }
    if let Some(identity) = identity {
        part(identity.as_bytes());
    }
    match source {
        DigestSource::Content => {
            // The same octets under another type are another representation.
            part(head.get(CONTENT_TYPE).map_or(b"", |v| v.as_bytes()));
            part(head.get(CONTENT_ENCODING).map_or(b"", |v| v.as_bytes()));
            part(hash.unwrap_or_else(|| blake3::hash(content)).as_bytes());
        }
        DigestSource::Json(pointer) => {
            let document: serde_json::Value = serde_json::from_slice(content).ok()?;
            part(document.pointer(pointer)?.to_string().as_bytes());
        }
        DigestSource::Etag => part(head.get(ETAG)?.as_bytes()),
        DigestSource::LastModified => part(head.get(LAST_MODIFIED)?.as_bytes()),
        DigestSource::None => {}
    }
    let mut digest = [0; 16];
    digest.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Some(digest)
}

/// Whether the whole content has to be there before its digest is known.
pub(crate) fn needs_content(source: &DigestSource) -> bool {
    matches!(source, DigestSource::Content | DigestSource::Json(_))
}

/// Whether two representations of one tag cannot differ in a single octet, so that parts of them fit together (RFC 9110,
/// Section 8.8.1).
pub(crate) fn is_of_octets(route: &Route, head: &HeaderMap) -> bool {
    match &route.settings.digest {
        _ if route.is_exclusive() => true,
        DigestSource::Content => true,
        DigestSource::Etag => demand::strong_tag(head).is_some(),
        DigestSource::Json(_) | DigestSource::LastModified | DigestSource::None => false,
    }
}

/// A part of a hash, for telling two contents apart in measurements; never a guard.
pub(crate) fn short(hash: &blake3::Hash) -> u64 {
    let mut first = [0; 8];
    first.copy_from_slice(&hash.as_bytes()[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn target(text: &str) -> Target {
        let (path, query) = text.split_once('?').map_or((text, None), |(path, query)| (path, Some(query)));
        Target::parse_forwarded(path, query).unwrap()
    }

    fn head(fields: &[(http::HeaderName, &'static str)]) -> HeaderMap {
        fields.iter().map(|(n, v)| (n.clone(), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn what_differs_in_anything_that_counts_has_another_digest() {
        let json = head(&[(CONTENT_TYPE, "application/json")]);
        let source = DigestSource::Content;
        let digest = |path: &str, head: &HeaderMap, content: &'static str| {
            of(&source, (&target(path), None), head, &Bytes::from_static(content.as_bytes()), None).unwrap()
        };
        let first = digest("/a", &json, "1");
        assert_eq!(first, digest("/a", &json, "1"));
        assert_ne!(first, digest("/b", &json, "1"));
        assert_ne!(first, digest("/a", &json, "2"));
        assert_ne!(first, digest("/a", &HeaderMap::new(), "1"));
        // Where one part ends and the next begins cannot be shifted.
        assert_ne!(digest("/a", &HeaderMap::new(), "b"), digest("/ab", &HeaderMap::new(), ""));
    }

    #[test]
    fn a_digest_stays_the_same_from_release_to_release_and_moves_with_the_identity() {
        let json = head(&[(CONTENT_TYPE, "application/json"), (ETAG, "\"1\"")]);
        let content = Bytes::from_static(br#"{"version":7}"#);
        let number = |source: &DigestSource, identity: Option<&[u8]>| {
            let subject = (&target("/a?b=c"), identity.map(blake3::hash));
            let digest = of(source, subject, &json, &content, None).unwrap();
            format!("{:032x}", u128::from_be_bytes(digest))
        };
        for (source, of_none) in [
            (DigestSource::Content, "99f441afc1e58c38de3676bb6815f9fd"),
            (DigestSource::Json("/version".into()), "fc6d7ed4b570239c3b8645ba571b990d"),
            (DigestSource::Etag, "a08aa6a2673fb305f5a07f53966a44b2"),
            (DigestSource::None, "ecbf5f762fea372caf305dd0ae25e8df"),
        ] {
            assert_eq!(number(&source, None), of_none, "{source:?}");
            let (alice, bob) = (number(&source, Some(b"alice")), number(&source, Some(b"bob")));
            assert!(alice != bob && alice != of_none);
        }
    }

    #[test]
    fn a_source_that_is_not_there_gives_no_digest() {
        let json = Bytes::from_static(br#"{"version": 7.10, "text": "x"}"#);
        let at = |pointer: &str| {
            of(&DigestSource::Json(pointer.into()), (&target("/a"), None), &HeaderMap::new(), &json, None)
        };
        assert!(at("/version").is_some() && at("/version") != at("/text"));
        assert_eq!(at("/nothing"), None);
        assert_eq!(
            of(
                &DigestSource::Json("/v".into()),
                (&target("/a"), None),
                &HeaderMap::new(),
                &Bytes::from_static(b"{"),
                None
            ),
            None
        );
        assert_eq!(of(&DigestSource::Etag, (&target("/a"), None), &HeaderMap::new(), &json, None), None);
        assert!(
            of(&DigestSource::Etag, (&target("/a"), None), &head(&[(ETAG, "W/\"x\"")]), &json, None)
                .is_some()
        );
        let none = |path| of(&DigestSource::None, (&target(path), None), &HeaderMap::new(), &json, None);
        assert!(none("/a").is_some() && none("/a") != none("/b") && none("/a?id=1") != none("/a?id=2"));
    }
}

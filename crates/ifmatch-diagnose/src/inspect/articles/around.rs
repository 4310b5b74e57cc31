//! Pages about writes, proxies and caches.

use crate::article::{Article, Example};

pub(super) const V026: Article = Article {
    code: "V026",
    name: "write-without-tag",
    title: "the answer to a write has no ETag",
    means: "A client that has just written does not know the tag of what it wrote. It reads again before its next write, \
            and may take another one's change for its own; or it keeps the old tag and is refused.",
    cause: "Tags are added to reads only. Where the content was changed on its way into the store, that is right: then a \
            PUT may carry none.",
    fix: "Send the new ETag with 200, 201 and 204 if the content was stored as it was sent; else answer with the new \
          representation.",
    examples: &[],
    see: &["RFC 9110, Section 9.3.4"],
};

pub(super) const V027: Article = Article {
    code: "V027",
    name: "write-tells-other-tag",
    title: "a write tells one tag and the next read another",
    means: "The client keeps the tag of its write and is refused with 412 at the next, although nobody came between.",
    cause: "The tag of the answer is made of what was sent, and that of the read of what was stored; or it is the tag of \
            before the write.",
    fix: "Make both of the stored revision, or leave ETag out of the answer to the write.",
    examples: &[],
    see: &["RFC 9110, Section 9.3.4"],
};

pub(super) const V028: Article = Article {
    code: "V028",
    name: "read-behind-write",
    title: "right after a write, a read shows the old tag",
    means: "A client writes, reads, takes the old tag, and its next write is refused: it loses to itself. Or it shows the \
            old content and a person types it in again.",
    cause: "Reads are answered by a replica that lags behind, or by a cache that writes do not clear.",
    fix: "Let reads after a write go to where it was written, clear the cache with each write, and let clients keep the \
          tag of the write's answer.",
    examples: &[],
    see: &["RFC 9111, Section 4.4"],
};

pub(super) const V029: Article = Article {
    code: "V029",
    name: "tag-of-other-content",
    title: "the answer to a PUT has an ETag although the content was not stored as it was sent",
    means: "A client takes the tag for that of what it sent, and goes on from its own copy; at its next write it erases \
            what the server made of it (a time, a default, an order).",
    cause: "The server normalises or adds members, and sends the tag of the result.",
    fix: "Leave ETag and Last-Modified out of the answer to such a PUT, or answer 200 with the new representation, \
          Content-Location and its ETag.",
    examples: &[],
    see: &["RFC 9110, Section 9.3.4"],
};

pub(super) const V030: Article = Article {
    code: "V030",
    name: "write-refused",
    title: "a write with the tag that was just read is refused with 412",
    means: "No client can save: each reads, writes with the tag, and is refused, although nobody came between.",
    cause: "What evaluates If-Match knows another tag than what answers reads: a proxy changes it, servers do not agree, \
            or the tag is compared with its quotes missing.",
    fix: "Compare If-Match with the tag as it is shown. Look with --via and at codings and connections above.",
    examples: &[],
    see: &["RFC 9110, Section 13.1.1"],
};

pub(super) const V031: Article = Article {
    code: "V031",
    name: "proxy-changes-tag",
    title: "through the proxy the tag is another one, or gone",
    means: "The server that evaluates If-Match knows its own tag only. Clients of the proxy send another one, or none, \
            and are refused for ever, or write without a condition.",
    cause: "The proxy changes content (compression, rewriting, optimisation) and therefore weakens or removes the tag, or \
            removes the field by its configuration.",
    fix: "Let the proxy pass these answers unchanged: no compression, no rewriting, ETag passed on.",
    examples: &[Example {
        tool: "curl",
        code: "diff <(curl -sI http://direct/items/1) <(curl -sI https://proxy/items/1)",
    }],
    see: &["RFC 9110, Section 7.7"],
};

pub(super) const V032: Article = Article {
    code: "V032",
    name: "proxy-behind",
    title: "through the proxy an old version with its old tag is shown",
    means: "Clients of the proxy read what is gone, edit it, and are refused with 412. They read again, get the same old \
            tag, and are refused again, until the cache lets go.",
    cause: "A cache keeps the answer for a time of its own and is not cleared by writes that do not pass it.",
    fix: "Answer with Cache-Control: no-cache, so that caches ask before they answer (a 304 is cheap), and configure the \
          proxy to heed it; or clear its cache with each write.",
    examples: &[Example {
        tool: "nginx",
        code: "proxy_cache_revalidate on;   # and no proxy_ignore_headers Cache-Control",
    }],
    see: &["RFC 9111, Section 4.4", "RFC 9111, Section 5.2.2.4"],
};

pub(super) const V033: Article = Article {
    code: "V033",
    name: "proxy-drops-condition",
    title: "If-None-Match does not get through the proxy",
    means: "Directly it is answered 304, through the proxy with the whole content. A proxy that drops this condition may \
            drop If-Match too, and then a write that was meant to be conditional is not.",
    cause: "The proxy removes fields that it does not know, or answers from a cache that does not evaluate them.",
    fix: "Let it pass If-Match, If-None-Match, If-Modified-Since and If-Unmodified-Since. `ifmatch race` through the \
          proxy tells whether If-Match arrives.",
    examples: &[],
    see: &["RFC 9110, Section 13.2.1"],
};

pub(super) const V034: Article = Article {
    code: "V034",
    name: "stale-allowed",
    title: "caches may hand out an old version",
    means: "As long as the answer counts as fresh, browsers and proxies give it to readers without asking, although \
            others have written meanwhile. Who edits what they got is refused with 412, and gets the same again when it \
            reads again.",
    cause: "Cache-Control or Expires allow it; or nothing is said, and then caches guess from Last-Modified.",
    fix: "Answer reads of what can be written with Cache-Control: no-cache, so that caches ask first; a 304 is cheap.",
    examples: &[Example { tool: "nginx", code: "add_header Cache-Control no-cache always;" }],
    see: &["RFC 9111, Section 4.2", "RFC 9111, Section 4.2.2"],
};

pub(super) const V035: Article = Article {
    code: "V035",
    name: "no-cache-ignored",
    title: "a reader cannot get past the cache",
    means: "After a 412 a client reads again with Cache-Control: no-cache, to be given what is there now. The cache \
            answers by itself all the same, with what it has.",
    cause: "The cache does not look at Cache-Control of requests, as most are configured.",
    fix: "Answer with Cache-Control: no-cache, or let the cache pass requests that say so (nginx: proxy_cache_bypass \
          $http_cache_control).",
    examples: &[Example { tool: "nginx", code: "proxy_cache_bypass $http_cache_control;" }],
    see: &["RFC 9111, Section 5.2.1.4"],
};

//! Pages about tags themselves.

use crate::article::{Article, Example};

pub(super) const V001: Article = Article {
    code: "V001",
    name: "no-validator",
    title: "there is neither ETag nor Last-Modified, so no write can be conditional",
    means: "A client has nothing to say which version its change was made from. Two clients that read the same version \
            both write, and the second write erases the first; nobody notices.",
    cause: "Most frameworks send no validator unless they are told to.",
    fix: "Send a strong ETag with every representation, best made of a revision that each write moves, or put `ifmatch \
          serve --upstream URL --mode enforce` in front, which makes tags for any API.",
    examples: &[
        Example { tool: "curl", code: "curl -i https://api.example/items/1        # there is no ETag line" },
        Example { tool: "ifmatch", code: "ifmatch serve --upstream http://127.0.0.1:3000 --mode enforce" },
    ],
    see: &["RFC 9110, Section 8.8.3", "RFC 9110, Section 13.1.1"],
};

pub(super) const V002: Article = Article {
    code: "V002",
    name: "malformed-tag",
    title: "ETag is not one entity-tag",
    means: "An entity-tag is text in double quotes, with W/ before them if it is weak. What is anything else cannot be \
            sent back in If-Match: some servers then answer 400, some 412, and some ignore the condition, which loses \
            updates.",
    cause: "The application writes a bare hash or number, escapes the quotes, or two parts of it each add an ETag.",
    fix: "Send exactly one ETag line whose value is in double quotes: ETag: \"3f8a91\".",
    examples: &[Example { tool: "Python", code: "response.headers[\"ETag\"] = f'\"{revision}\"'" }],
    see: &["RFC 9110, Section 8.8.3"],
};

pub(super) const V003: Article = Article {
    code: "V003",
    name: "weak-tag",
    title: "the tag is weak, so If-Match can never match",
    means: "If-Match compares strongly: a tag that is marked W/ equals nothing, not even itself. A conditional write \
            with it is refused with 412 for ever, or the server compares weakly, which it should not, and then two \
            contents may count as equal.",
    cause: "The framework makes weak tags by default (Express, json-server), or the file is so new that its time does not \
            tell versions apart (Apache, in the first second).",
    fix: "Make tags strong: of a revision, or of all bytes of the content. In Express: app.set('etag', 'strong').",
    examples: &[Example { tool: "Express", code: "app.set('etag', 'strong');" }],
    see: &["RFC 9110, Section 8.8.3.2", "RFC 9110, Section 13.1.1"],
};

pub(super) const V004: Article = Article {
    code: "V004",
    name: "weakened-by-coding",
    title: "compression makes the tag weak, so If-Match can never match",
    means: "Whoever accepts compression, as every browser does, gets W/\"x\" where others get \"x\". If-Match compares \
            strongly, so a write with the weak tag is refused with 412 for ever. Some servers take the tag away \
            altogether.",
    cause: "A proxy that compresses on the fly changes the bytes, so it may not leave the tag strong: nginx's gzip and \
            brotli, HAProxy, Cloudflare and others mark it weak or drop it.",
    fix: "Do not compress these answers in the proxy (in nginx: gzip off; in that location), or compress where the tag \
          is made, so that each coding has a strong tag of its own.",
    examples: &[
        Example {
            tool: "curl",
            code: "curl -i https://api.example/items/1 -H 'Accept-Encoding: gzip' -o /dev/null -D -",
        },
        Example { tool: "nginx", code: "location /v1/ {\n    gzip off;\n    proxy_pass http://api;\n}" },
    ],
    see: &["RFC 9110, Section 8.8.3.2", "RFC 9110, Section 8.8.3.3"],
};

pub(super) const V005: Article = Article {
    code: "V005",
    name: "renamed-by-coding",
    title: "compression renames the tag, and who evaluates If-Match does not know the new name",
    means: "Whoever accepts compression gets \"x-gzip\" where others get \"x\". The name is lawful, since other bytes \
            need another strong tag. But the condition is evaluated behind the one who renamed it, where only \"x\" is \
            known, so that a write is refused with 412 for ever.",
    cause: "Apache's mod_deflate appends -gzip (mod_brotli -br) and does not take it off again in If-Match of a request \
            that it passes on; Caddy does so too in some versions.",
    fix: "Do not compress these answers in the proxy (Apache: SetEnvIf Request_URI ^/v1/ no-gzip), or take the suffix off \
          on the way in: RequestHeader edit* If-Match '-gzip\"' '\"'.",
    examples: &[
        Example { tool: "Apache", code: "SetEnvIf Request_URI ^/v1/ no-gzip" },
        Example { tool: "Apache, the way in", code: "RequestHeader edit* If-Match '-gzip\"' '\"'" },
    ],
    see: &["RFC 9110, Section 8.8.3.3"],
};

pub(super) const V006: Article = Article {
    code: "V006",
    name: "shared-between-codings",
    title: "compressed and uncompressed content have the same strong tag",
    means: "A strong tag names bytes. With one tag for two codings, a cache or a range request may put bytes of one \
            beside those of the other. Conditional writes work as long as nobody on the way notices; proxies that do \
            mend it by weakening or renaming the tag, and then they fail.",
    cause: "The tag is made before the content is compressed, by a middleware behind the one that compresses.",
    fix: "Give each coding a tag of its own (\"7\", \"7-gzip\") and let If-Match take any of them, or mark the compressed \
          one weak and let writers read without compression.",
    examples: &[],
    see: &["RFC 9110, Section 8.8.3.3"],
};

pub(super) const V009: Article = Article {
    code: "V009",
    name: "tag-moves-alone",
    title: "the tag changes although the content does not",
    means: "A writer sends the tag that it read and is refused with 412 although nobody came between. It reads again, \
            writes, and is refused again, or its author turns the condition off.",
    cause: "The tag is made of something that is not content: the time of the answer, a random number, a hash over an \
            order of members that varies, or servers of their own behind one name.",
    fix: "Make the tag of a revision that only writes move, or of the stored bytes; with several servers, of something \
          that all of them share.",
    examples: &[],
    see: &["RFC 9110, Section 8.8.1"],
};

pub(super) const V010: Article = Article {
    code: "V010",
    name: "tag-stays-behind",
    title: "the content changes and its strong tag does not, so a write may erase what its writer never saw",
    means: "Two versions with one tag: a client that read the first sends the tag with its write, the condition is true \
            although the second is there, and the second is erased. If-Match protects nothing here.",
    cause: "The tag is made of a part of the content, of a time that is too coarse, or is kept by a cache that the \
            content passes by.",
    fix: "Move the tag with every change of what is shown: a revision that each write increments.",
    examples: &[],
    see: &["RFC 9110, Section 8.8.1"],
};

pub(super) const V012: Article = Article {
    code: "V012",
    name: "volatile-content",
    title: "the content is never the same twice",
    means: "Something in the content differs with each read: a time, an id of the request, a random order. If the tag is \
            made of the content, it differs too, and If-Match never matches. If the tag stays, writes work, but the tag \
            is strong only by its looks.",
    cause: "The answer carries facts about itself (served at, request id) beside the state of the resource.",
    fix: "Move these members into fields of the answer (Date, X-Request-Id), or make the tag of a revision and not of \
          the content.",
    examples: &[],
    see: &["RFC 9110, Section 8.8.1"],
};

pub(super) const V013: Article = Article {
    code: "V013",
    name: "tag-by-server",
    title: "which tag is shown depends on the connection: several servers do not agree",
    means: "A client reads from one server and writes to another, which knows another tag, and is refused with 412 \
            although nobody came between; or it reads an old version after a new one.",
    cause: "Replicas make their tags of what is their own: the inode or time of a file (nginx, Apache), a counter in \
            memory, a salt; or one of them lags behind.",
    fix: "Make tags of what the servers share: a revision in the database, a hash of the stored bytes. In Apache: FileETag \
          MTime Size, and files with equal times.",
    examples: &[Example { tool: "Apache", code: "FileETag MTime Size" }],
    see: &["RFC 9110, Section 8.8.1"],
};

pub(super) const V019: Article = Article {
    code: "V019",
    name: "date-only",
    title: "Last-Modified is the only validator, and it counts in seconds",
    means: "Two writes within one second have the same date. A client that read after the first sends If-Unmodified-Since \
            with that date, the condition is true, and the second is erased.",
    cause: "The server knows when something was changed, and sends no ETag.",
    fix: "Send a strong ETag too, and let clients use If-Match.",
    examples: &[],
    see: &["RFC 9110, Section 8.8.2.2", "RFC 9110, Section 13.1.4"],
};

pub(super) const V022: Article = Article {
    code: "V022",
    name: "mtime-tag",
    title: "the tag is made of time and size, so two contents can have the same tag",
    means: "Two contents of one length, written within one tick of that clock, have the same tag. With seconds that is \
            easily done: \"status\":\"on\" and \"status\":\"no\" are equally long. The condition of whoever saw the first \
            is true for the second, which is erased.",
    cause: "Servers of files make tags so (nginx, Apache, and many libraries), since it costs nothing.",
    fix: "Make the tag of a revision or of the content. In front of files, `ifmatch serve --upstream URL --mode enforce` \
          makes tags that move with each write.",
    examples: &[],
    see: &["RFC 9110, Section 8.8.1", "RFC 9110, Section 8.8.3.1"],
};

pub(super) const V023: Article = Article {
    code: "V023",
    name: "tag-refused",
    title: "If-Match refuses the very tag that was just shown",
    means: "A read with If-Match and the tag of the answer before is answered 412. A write with it is refused the same \
            way, although nobody came between.",
    cause: "Somebody on the way changes the tag of answers and not that of requests, or the server compares something \
            else than it shows.",
    fix: "Compare If-Match with the tag as it is shown. Look at the tag without the proxies: --via tells where it changes.",
    examples: &[],
    see: &["RFC 9110, Section 13.1.1"],
};

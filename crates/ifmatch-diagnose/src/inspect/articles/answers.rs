//! Pages about what is around a tag in an answer: browsers, caches, lists, dates.

use crate::article::{Article, Example};

pub(super) const V007: Article = Article {
    code: "V007",
    name: "hidden-from-browsers",
    title: "a web page of this origin cannot read ETag",
    means: "The field is in the answer, and the browser keeps it from the page: response.headers.get('ETag') is null. A \
            page that then writes has no tag to send.",
    cause: "Browsers show pages of other origins only a few fields, and those that Access-Control-Expose-Headers names.",
    fix: "Answer with Access-Control-Allow-Origin and Access-Control-Expose-Headers: ETag, on 304, 412 and 428 as well.",
    examples: &[
        Example {
            tool: "nginx",
            code: "add_header Access-Control-Allow-Origin https://app.example always;\nadd_header Access-Control-Expose-Headers ETag always;\nadd_header Vary Origin always;",
        },
        Example {
            tool: "fetch",
            code: "console.log((await fetch(url)).headers.get(\"ETag\")) // null if hidden",
        },
    ],
    see: &["Fetch Standard, CORS protocol"],
};

pub(super) const V008: Article = Article {
    code: "V008",
    name: "missing-vary",
    title: "the answer depends on a field of the request and Vary does not name it",
    means: "A cache gives one client what another asked for: the compressed variant and its tag to one that never \
            accepted it, text to one that wants JSON. Its If-Match then names another variant and never matches.",
    cause: "Vary was forgotten, or is set on some of the variants only.",
    fix: "Send Vary: Accept-Encoding (Accept, Origin) on every variant. In nginx: gzip_vary on.",
    examples: &[Example { tool: "nginx", code: "gzip_vary on;" }],
    see: &["RFC 9110, Section 12.5.5", "RFC 9111, Section 4.1"],
};

pub(super) const V011: Article = Article {
    code: "V011",
    name: "list-without-tags",
    title: "items of the list carry no tag, so a client reads each again before it may write",
    means: "A client that shows a list and lets people edit an item has its content and no version. It reads the item \
            again just before it writes, which takes the newest tag for content that is older, and so erases what came \
            between; or it writes without a condition.",
    cause: "The list is made of the stored members alone.",
    fix: "Add the tag to each item, as the ETag of its own URL has it: { \"id\": 1, \"etag\": \"\\\"7\\\"\", ... }.",
    examples: &[],
    see: &[],
};

pub(super) const V014: Article = Article {
    code: "V014",
    name: "head-differs",
    title: "HEAD does not show what GET shows",
    means: "Clients take the tag from HEAD before they write, to spare the content. If it is another one, they are \
            refused, or write over what they have not seen.",
    cause: "HEAD has code of its own, goes to another server, or the tag is made of the content, which HEAD does not have.",
    fix: "Let HEAD run as GET does and leave out the content at the end; most frameworks do if HEAD is not defined.",
    examples: &[],
    see: &["RFC 9110, Section 9.3.2"],
};

pub(super) const V015: Article = Article {
    code: "V015",
    name: "not-304",
    title: "a condition that should spare the content does not",
    means: "If-None-Match with the tag that was just shown, or its weak form, is to be answered 304. That it is not costs \
            bytes only; but it tells that the server does not know its own tags, and often If-Match does not either.",
    cause: "Nobody evaluates the field: the tag is added by a middleware that only writes it, or a proxy drops the field.",
    fix: "Evaluate If-None-Match with weak comparison, and If-Match with strong comparison, against the tag that is shown.",
    examples: &[],
    see: &["RFC 9110, Section 13.1.2", "RFC 9110, Section 8.8.3.2"],
};

pub(super) const V016: Article = Article {
    code: "V016",
    name: "false-304",
    title: "a tag that was never shown is answered 304",
    means: "304 says: what you have is current. Said of any tag, readers keep what is old, and write from it.",
    cause: "The condition is not compared with the tag, only looked for.",
    fix: "Compare If-None-Match with the current tag, and answer 200 with the content if none of its tags equals it.",
    examples: &[],
    see: &["RFC 9110, Section 13.1.2"],
};

pub(super) const V017: Article = Article {
    code: "V017",
    name: "other-tag-in-304",
    title: "the 304 does not carry the ETag that the 200 carries",
    means: "A cache and its client know by it which of their stored variants is meant. Without it, or with another one, \
            they may keep the wrong tag and send it in If-Match.",
    cause: "The 304 is made early, before the fields of the 200 are put together, or it repeats what the client sent.",
    fix: "Send ETag (and Vary, Cache-Control, Expires, Content-Location) in a 304 as the 200 would have them.",
    examples: &[],
    see: &["RFC 9110, Section 15.4.5"],
};

pub(super) const V018: Article = Article {
    code: "V018",
    name: "shared-between-types",
    title: "two media types have the same strong tag",
    means: "A strong tag names one representation. With one tag for JSON and for HTML a cache answers 304 to whoever has \
            the other one, and a writer's condition does not tell which of them it saw.",
    cause: "The tag is made of the stored object and not of what is shown of it.",
    fix: "Put the media type into the tag (\"7-json\"), let If-Match take any variant's tag, and send Vary: Accept.",
    examples: &[],
    see: &["RFC 9110, Section 8.8.1", "RFC 9110, Section 8.8.3"],
};

pub(super) const V020: Article = Article {
    code: "V020",
    name: "clock-off",
    title: "the server's clock and the one here are apart",
    means: "Dates decide only against the clock they were made with. Where If-Unmodified-Since counts, or a cache reckons \
            ages with Date, a clock that is off makes old things look new.",
    cause: "One of the two machines does not set its clock, or a proxy keeps an old Date.",
    fix: "Set the clock of both by NTP, and use If-Match, which has no clock.",
    examples: &[],
    see: &["RFC 9110, Section 6.6.1"],
};

pub(super) const V021: Article = Article {
    code: "V021",
    name: "date-ahead",
    title: "Last-Modified is later than Date",
    means: "A date in the future stays true for all writes until it has passed: If-Unmodified-Since with it lets every \
            one of them through.",
    cause: "The file was written by a machine whose clock is ahead, or the date is made up.",
    fix: "Send the time of the answer if the time of the change lies after it, and a strong ETag beside it.",
    examples: &[],
    see: &["RFC 9110, Section 8.8.2.1"],
};

pub(super) const V024: Article = Article {
    code: "V024",
    name: "preflight-refused",
    title: "a web page of this origin cannot send PUT with If-Match",
    means: "Before such a request a browser asks with OPTIONS whether it may. If the answer does not name the method and \
            the field, it sends nothing, and the page sees a network error.",
    cause: "If-Match is not among Access-Control-Allow-Headers, PUT not among the methods, or OPTIONS is not answered \
            without credentials.",
    fix: "Answer OPTIONS with 204, Access-Control-Allow-Origin, Access-Control-Allow-Methods: PUT, PATCH, DELETE and \
          Access-Control-Allow-Headers: If-Match, If-None-Match, Content-Type; without asking who it is.",
    examples: &[],
    see: &["Fetch Standard, CORS preflight"],
};

pub(super) const V025: Article = Article {
    code: "V025",
    name: "wildcard-exposure",
    title: "with cookies, Access-Control-Expose-Headers: * exposes nothing",
    means: "For requests with credentials * is a name like any other. A page that sends cookies cannot read ETag.",
    cause: "* was used to be on the safe side.",
    fix: "Name the fields: Access-Control-Expose-Headers: ETag, Location.",
    examples: &[],
    see: &["Fetch Standard, CORS protocol and credentials"],
};

pub(super) const V036: Article = Article {
    code: "V036",
    name: "hidden-304",
    title: "the 304 lacks the CORS fields of the 200",
    means: "When a browser revalidates what it has stored, the answer may be kept from the page, or its fields are \
            replaced by those of the 304, and ETag is hidden from then on.",
    cause: "The CORS fields are added to some statuses only.",
    fix: "Add them to every answer: 304, 412 and 428 too (in nginx: add_header ... always).",
    examples: &[],
    see: &["RFC 9110, Section 15.4.5"],
};

pub(super) const V037: Article = Article {
    code: "V037",
    name: "list-tag-differs",
    title: "the list shows another tag for the resource than its own URL",
    means: "A client that edits an item of a list takes its tag from there, sends it in If-Match, and is refused although \
            nobody came between.",
    cause: "The list is made of another table, copy or cache; or its tags are written without their quotes, or are weak.",
    fix: "Write into each item the tag as the ETag of its own URL has it, quotes included.",
    examples: &[],
    see: &["RFC 9110, Section 8.8.3"],
};

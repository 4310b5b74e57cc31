//! Dates, keys, and writes that went through and should not have.

use super::example;
use crate::article::Article;

pub(super) static X14: Article = Article {
    code: "X14",
    name: "coarse-date",
    title: "A date cannot tell two versions of one second apart",
    means: "If-Unmodified-Since has whole seconds. Two changes within one second have the same Last-Modified: a careful server \
            refuses a date that young, a careless one lets the write overwrite what was not seen.",
    cause: "The client uses dates although there are tags, or the server has no tags.",
    fix: "Use If-Match with the ETag. If there is none, send Last-Modified back exactly as it came, and expect refusals right \
          after a change.",
    examples: &[
        example("curl", "curl -i -X PUT \"$url\" -H 'If-Match: \"7\"' -d @f"),
        example("fetch", "headers: { \"If-Match\": response.headers.get(\"ETag\") }   // not Last-Modified"),
        example("axios", "headers: { \"If-Match\": response.headers.etag }"),
        example("requests", "headers = {\"If-Match\": read.headers[\"ETag\"]}"),
        example("reqwest", "client.put(url).header(IF_MATCH, read.headers()[ETAG].clone())"),
    ],
    see: &["RFC 9110, Sections 8.8.2.2 and 13.1.4"],
};

pub(super) static X15: Article = Article {
    code: "X15",
    name: "key-reused",
    title: "An Idempotency-Key came with another request",
    means: "A key stands for one request, so that repeating it does not run it twice. With another request under the same \
            key the server cannot tell which one was meant, and runs neither.",
    cause: "The key is made once per session or per form and not per change, is derived from something that is not unique, or \
            the content was changed before the retry.",
    fix: "Make a new random key for each new request, store it with the request, and send it again only with exactly that \
          request.",
    examples: &[
        example(
            "curl",
            "key=$(uuidgen)\n\
             curl -i --retry 3 -H \"Idempotency-Key: $key\" --json @payment.json \"$url\"",
        ),
        example(
            "fetch",
            "const job = { key: crypto.randomUUID(), body: JSON.stringify(order) };\n\
             headers: { \"Idempotency-Key\": job.key }          // body: job.body, unchanged",
        ),
        example(
            "axios",
            "await axios.post(url, order,\n  { headers: { \"Idempotency-Key\": crypto.randomUUID() } });",
        ),
        example(
            "requests",
            "key = str(uuid.uuid4())          # once per request, kept for retries\nheaders = {\"Idempotency-Key\": key}",
        ),
        example(
            "reqwest",
            "let key = Uuid::new_v4().to_string();\n\
             client.post(url).header(\"Idempotency-Key\", &key).json(&order)",
        ),
    ],
    see: &["draft-ietf-httpapi-idempotency-key-header"],
};

pub(super) static X16: Article = Article {
    code: "X16",
    name: "blind-retry",
    title: "Old content was sent again with a fresh tag, and an update was lost",
    means: "The refusal said that somebody else had changed the resource. The client fetched the new tag and sent its old \
            content with it. The condition is true, the server is content, and the other's change is gone.",
    cause: "412 is taken for \"the tag is old\" instead of \"the content is old\". Many helpers and some help texts advise it.",
    fix: "Make the change anew from the content that was read with the new tag: keep the change, as a function or a patch, not \
          the finished content. Where both changed the same, let a person decide.",
    examples: &[
        example(
            "curl",
            "curl -s \"$url\" -D head -o now.json               # content and tag together\n\
             jq '.note = \"mine\"' now.json > merged.json        # the change, made anew\n\
             curl -i -X PUT \"$url\" -H 'If-Match: \"8\"' --json @merged.json",
        ),
        example(
            "fetch",
            "// wrong: on 412, get the new ETag and send the same body\n\
             const now = await fetch(url, { cache: \"no-store\" });\n\
             const body = JSON.stringify(change(await now.json()));   // right\n\
             await fetch(url, { method: \"PUT\", body,\n  headers: { \"If-Match\": now.headers.get(\"ETag\") } });",
        ),
        example(
            "axios",
            "const now = await axios.get(url);\n\
             await axios.put(url, change(now.data),             // not the old order\n  \
             { headers: { \"If-Match\": now.headers.etag } });",
        ),
        example(
            "requests",
            "now = requests.get(url)\n\
             requests.put(url, json=change(now.json()),         # not the old dict\n             \
             headers={\"If-Match\": now.headers[\"ETag\"]})",
        ),
        example(
            "reqwest",
            "let now = client.get(url).send().await?;\n\
             let etag = now.headers()[ETAG].clone();\n\
             let order = change(now.json().await?);             // not the old order\n\
             client.put(url).header(IF_MATCH, etag).json(&order).send().await?;",
        ),
    ],
    see: &["RFC 9110, Section 13.1.1"],
};

//! Versions that were right once.

use super::example;
use crate::article::Article;

pub(super) static X02: Article = Article {
    code: "X02",
    name: "other-writer",
    title: "Somebody else changed it meanwhile",
    means: "The tag was right when it was read. Then another writer changed the resource, and the condition did what it is \
            for: nothing was overwritten.",
    cause: "Two clients, two tabs, two people, a job on the server. It is no fault; a client that cannot deal with it is.",
    fix: "Read again, apply your change to what you read (ask the user where both changed the same), and send that with the \
          new tag. Your old content with the new tag would erase the other's change (X16).",
    examples: &[
        example(
            "curl",
            "curl -i http://localhost:3000/orders/42      # what it is now, and its ETag\n\
             curl -i -X PUT http://localhost:3000/orders/42 \\\n  -H 'If-Match: \"8\"' --json @merged.json",
        ),
        example(
            "fetch",
            "for (let tries = 0; tries < 5; tries++) {\n  \
             const read = await fetch(url, { cache: \"no-store\" });\n  \
             const body = JSON.stringify(change(await read.json()));\n  \
             const headers = { \"If-Match\": read.headers.get(\"ETag\") };\n  \
             const saved = await fetch(url, { method: \"PUT\", body, headers });\n  \
             if (saved.status !== 412) return saved;\n}",
        ),
        example(
            "axios",
            "const { data, headers } = await axios.get(url);\n\
             await axios.put(url, change(data), { headers: { \"If-Match\": headers.etag } });\n\
             // error.response.status === 412: both lines again, not the second alone",
        ),
        example(
            "requests",
            "for _ in range(5):\n    read = requests.get(url)\n    \
             saved = requests.put(url, json=change(read.json()),\n                         \
             headers={\"If-Match\": read.headers[\"ETag\"]})\n    \
             if saved.status_code != 412:\n        break",
        ),
        example(
            "reqwest",
            "let saved = loop {\n    let read = client.get(url).send().await?;\n    \
             let etag = read.headers()[ETAG].clone();\n    \
             let order = change(read.json().await?);   // the change, made anew\n    \
             let saved = client.put(url).header(IF_MATCH, etag).json(&order);\n    \
             let saved = saved.send().await?;\n    \
             if saved.status() != 412 { break saved }   // bound this loop\n};",
        ),
    ],
    see: &["RFC 9110, Section 13.1.1"],
};

pub(super) static X03: Article = Article {
    code: "X03",
    name: "self-conflict",
    title: "The client lost to its own earlier write",
    means: "A write that succeeds makes a new version with a new tag. The client went on with the tag of the read before it, so \
            its next write was refused, though nobody else was there.",
    cause: "The client keeps the ETag of GETs only; or it sends the next write before the answer of the last one has come \
            (autosave, double click).",
    fix: "Keep the ETag of every answer that has one, above all of your own 2xx writes, and have one write under way per \
          resource. If the answer of a write has no ETag, read before the next one.",
    examples: &[
        example(
            "curl",
            "curl -i -X PUT \"$url\" -H 'If-Match: \"7\"' -d @one    # answered with ETag: \"8\"\n\
             curl -i -X PUT \"$url\" -H 'If-Match: \"8\"' -d @two    # so \"8\", not \"7\"",
        ),
        example(
            "fetch",
            "saving = saving.then(async () => {              // one after the other\n  \
             const response = await fetch(url, { method: \"PUT\", body,\n    headers: { \"If-Match\": etag } });\n  \
             if (response.ok) etag = response.headers.get(\"ETag\") ?? await readEtag(url);\n});",
        ),
        example(
            "axios",
            "const saved = await axios.put(url, order, { headers: { \"If-Match\": etag } });\n\
             etag = saved.headers.etag;",
        ),
        example(
            "requests",
            "saved = requests.put(url, json=order, headers={\"If-Match\": etag})\n\
             saved.raise_for_status()\n\
             etag = saved.headers.get(\"ETag\") or requests.get(url).headers[\"ETag\"]",
        ),
        example(
            "reqwest",
            "let saved = client.put(url).header(IF_MATCH, &etag).json(&order);\n\
             let saved = saved.send().await?;\n\
             if let Some(new) = saved.headers().get(ETAG) { etag = new.clone(); }",
        ),
    ],
    see: &["RFC 9110, Sections 8.8.3 and 9.3.4"],
};

pub(super) static X10: Article = Article {
    code: "X10",
    name: "dead-tag",
    title: "A tag that had been refused was sent again",
    means: "A version that is over never comes back. Whoever repeats a write with the tag that was just refused is refused \
            for ever.",
    cause: "A queue or a retry helper repeats requests as they are; or the tag is stored with the job and not looked up when \
            it is sent.",
    fix: "Take 412 out of the list of statuses that are retried. On 412 drop the tag, read again, apply the change to what you \
          read. A queue stores the change, and finds the tag when it sends.",
    examples: &[
        example(
            "curl",
            "# --retry does not repeat a 412, and a loop should not either:\ncurl -i \"$url\"     # first read again",
        ),
        example(
            "fetch",
            "if (response.status === 412) {\n  tags.delete(url);\n  await saveAgainFromFreshRead(url);\n}",
        ),
        example(
            "axios",
            "axiosRetry(axios, { retryCondition: (error) =>\n  error.response?.status !== 412 && isRetryableError(error) });",
        ),
        example("requests", "retry = Retry(total=3, status_forcelist=[502, 503, 504])     # not 412"),
        example(
            "reqwest",
            "match saved.status().as_u16() {\n    412 => read_change_and_save_again(url).await?,\n    \
             502..=504 => repeat(request).await?,\n    _ => {}\n}",
        ),
    ],
    see: &["RFC 9110, Section 13.1.1"],
};

pub(super) static X11: Article = Article {
    code: "X11",
    name: "read-lag",
    title: "A read behind the write still got the old version",
    means: "The client did it right: it wrote, read again, and sent the tag of that read. But the read was answered by a cache \
            or a copy that had not heard of the write yet.",
    cause: "Reads go to a replica or through a cache, writes to the origin. The browser's own cache counts as well.",
    fix: "Take the tag from the answer of your own write instead of reading again. Where you have to read, read past caches, \
          and let the server send Cache-Control: no-cache for what is edited, or answer reads of a writer from where it wrote.",
    examples: &[
        example("curl", "curl -i \"$url\" -H 'Cache-Control: no-cache'      # compare ETag and Age"),
        example(
            "fetch",
            "etag = saved.headers.get(\"ETag\");                 // of the write itself\n\
             const read = await fetch(url, { cache: \"no-store\" });",
        ),
        example("axios", "await axios.get(url, { headers: { \"Cache-Control\": \"no-cache\" } });"),
        example("requests", "read = requests.get(url, headers={\"Cache-Control\": \"no-cache\"})"),
        example("reqwest", "client.get(url).header(CACHE_CONTROL, \"no-cache\").send().await?;"),
    ],
    see: &["RFC 9111, Sections 4.2 and 5.2"],
};

pub(super) static X12: Article = Article {
    code: "X12",
    name: "deleted",
    title: "It was deleted meanwhile",
    means: "What the change was made for is not there any more, so no tag can match. Nothing was brought back behind its \
            deleter's back.",
    cause: "Somebody, or the client itself in another place, deleted it after it was read.",
    fix: "Ask whoever saves: let it go, or create it anew with If-None-Match: *. Never drop the condition to get through: that \
          undoes a deletion nobody asked to undo.",
    examples: &[
        example("curl", "curl -i -X PUT \"$url\" -H 'If-None-Match: *' --json @copy.json    # create anew"),
        example(
            "fetch",
            "if ((await fetch(url)).status === 404 && await askUser(\"Restore it?\"))\n  \
             await fetch(url, { method: \"PUT\", body,\n    headers: { \"If-None-Match\": \"*\" } });",
        ),
        example("axios", "await axios.put(url, copy, { headers: { \"If-None-Match\": \"*\" } });"),
        example("requests", "requests.put(url, json=copy, headers={\"If-None-Match\": \"*\"})"),
        example("reqwest", "client.put(url).header(IF_NONE_MATCH, \"*\").json(&copy).send().await?;"),
    ],
    see: &["RFC 9110, Sections 13.1.1 and 13.1.2"],
};

pub(super) static X13: Article = Article {
    code: "X13",
    name: "already-applied",
    title: "The change had been applied, and only its answer was lost",
    means: "The first attempt reached the server and was applied. Its answer got lost, the client sent the same again, and \
            the tag was over: over because of the client's own change.",
    cause: "A connection that broke, a timeout, a proxy that gave up (502, 504), a tab that was put to sleep.",
    fix: "On a 412 behind a lost answer read first. If it shows your change, you are done: keep the tag. Otherwise it is an \
          ordinary 412. An Idempotency-Key, where the server knows it, makes the same request safe to repeat.",
    examples: &[
        example("curl", "curl -s \"$url\" | diff - mine.json && echo saved already"),
        example(
            "fetch",
            "const now = await fetch(url, { cache: \"no-store\" });\n\
             if (same(await now.json(), mine)) etag = now.headers.get(\"ETag\");   // done",
        ),
        example(
            "axios",
            "const key = crypto.randomUUID();          // one per change, not per attempt\n\
             await axios.put(url, order,\n  { headers: { \"If-Match\": etag, \"Idempotency-Key\": key } });",
        ),
        example(
            "requests",
            "now = requests.get(url)\n\
             if now.json() == mine:\n    etag = now.headers[\"ETag\"]              # it was saved",
        ),
        example(
            "reqwest",
            "let now = client.get(url).send().await?;\n\
             let etag = now.headers()[ETAG].clone();\n\
             if now.json::<Order>().await? == mine { return Ok(etag) }   // it was saved",
        ),
    ],
    see: &["RFC 9110, Sections 9.2.2 and 13.1.1"],
};

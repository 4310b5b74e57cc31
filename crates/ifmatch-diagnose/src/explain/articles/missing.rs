//! Conditions that are not there.

use super::example;
use crate::article::Article;

pub(super) static X01: Article = Article {
    code: "X01",
    name: "missing",
    title: "The write does not say which version it was made from",
    means: "A write without If-Match overwrites whatever is there, also what its author has never seen. A server that \
            protects its resources answers 428 Precondition Required and changes nothing; any other accepts it, and the \
            update of somebody else may be gone without a trace.",
    cause: "The client does not keep the ETag of what it read, or does not send it. If-Match: * and an empty If-Match name no \
            version either.",
    fix: "Keep the ETag of the answer that you read, quotes included, beside the content, and send it in If-Match with the \
          change. To create something that must not exist yet, send If-None-Match: * instead. Do not fetch a tag only in \
          order to send it: that is an overwrite with extra steps.",
    examples: &[
        example(
            "curl",
            "curl -i http://localhost:3000/orders/42           # note the ETag\n\
             curl -i -X PUT http://localhost:3000/orders/42 \\\n  -H 'If-Match: \"7\"' --json @changed.json",
        ),
        example(
            "fetch",
            "const read = await fetch(url);\n\
             const etag = read.headers.get(\"ETag\");\n\
             const order = change(await read.json());\n\
             await fetch(url, { method: \"PUT\", body: JSON.stringify(order),\n  \
             headers: { \"Content-Type\": \"application/json\", \"If-Match\": etag } });",
        ),
        example(
            "axios",
            "const { data, headers } = await axios.get(url);\n\
             await axios.put(url, change(data),\n  { headers: { \"If-Match\": headers.etag } });",
        ),
        example(
            "requests",
            "read = requests.get(url)\n\
             requests.put(url, json=change(read.json()),\n             headers={\"If-Match\": read.headers[\"ETag\"]})",
        ),
        example(
            "reqwest",
            "let read = client.get(url).send().await?;\n\
             let etag = read.headers()[ETAG].clone();\n\
             let order = change(read.json().await?);\n\
             client.put(url).header(IF_MATCH, etag).json(&order).send().await?;",
        ),
    ],
    see: &["RFC 6585, Section 3", "RFC 9110, Section 13.1.1"],
};

pub(super) static X07: Article = Article {
    code: "X07",
    name: "tag-unreadable",
    title: "A page of another origin cannot read the tag, or may not send it",
    means: "The answer carries an ETag, the developer tools show it, and a script still reads null: of an answer from another \
            origin a page sees only a few fields, unless the server exposes more. If the preflight does not allow If-Match, \
            the browser does not even send the write.",
    cause: "The server's CORS settings lack Access-Control-Expose-Headers: ETag, or Access-Control-Allow-Headers: If-Match. \
            A star means itself, not \"all\", in requests with credentials.",
    fix: "Let the server expose ETag, and allow If-Match and If-None-Match. The client cannot do it. Until then let the client \
          stop when it reads no ETag, instead of writing without one.",
    examples: &[
        example(
            "curl",
            "# What a page on app.test may read, and may send:\n\
             curl -si http://localhost:3000/orders/42 -H 'Origin: https://app.test' \\\n  | grep -i '^access-control-expose-headers'\n\
             curl -si -X OPTIONS http://localhost:3000/orders/42 \\\n  -H 'Origin: https://app.test' \\\n  \
             -H 'Access-Control-Request-Method: PUT' \\\n  -H 'Access-Control-Request-Headers: if-match'",
        ),
        example(
            "fetch",
            "const etag = response.headers.get(\"ETag\");\n\
             if (etag === null) throw new Error(\"the server does not expose ETag\");",
        ),
        example(
            "axios",
            "const etag = response.headers.etag;\n\
             if (!etag) throw new Error(\"the server does not expose ETag\");",
        ),
        example(
            "requests",
            "# Not a browser, so nothing is hidden. A Flask server exposes it so:\n\
             response.headers[\"Access-Control-Expose-Headers\"] = \"ETag\"\n\
             response.headers[\"Access-Control-Allow-Headers\"] = \"If-Match, If-None-Match\"",
        ),
        example(
            "reqwest",
            "// Not a browser, unless compiled to WebAssembly. A tower server:\n\
             CorsLayer::new()\n    .expose_headers([ETAG])\n    .allow_headers([IF_MATCH, IF_NONE_MATCH, CONTENT_TYPE])",
        ),
    ],
    see: &["Fetch Standard, CORS protocol"],
};

pub(super) static X09: Article = Article {
    code: "X09",
    name: "wrong-field",
    title: "If-None-Match was sent where If-Match was meant",
    means: "If-None-Match: \"7\" on a write means \"only if it is not at 7\". Whoever is up to date is refused, and whoever is \
            not overwrites: the opposite of protection.",
    cause: "The two names are easily mixed up. Reads use If-None-Match to save a transfer, and the same helper is then used \
            for writes; or a create (If-None-Match: *) is used for a change.",
    fix: "Reads that may be answered 304: If-None-Match. Changes and deletes: If-Match. Creation of what must not exist yet: \
          If-None-Match: *.",
    examples: &[
        example(
            "curl",
            "curl -i -X PUT http://localhost:3000/orders/42 \\\n  -H 'If-Match: \"7\"' --json @changed.json",
        ),
        example(
            "fetch",
            "const condition = isNew ? { \"If-None-Match\": \"*\" } : { \"If-Match\": etag };\n\
             await fetch(url, { method: \"PUT\", body, headers: condition });",
        ),
        example(
            "axios",
            "await axios.put(url, order, { headers: isNew\n  ? { \"If-None-Match\": \"*\" } : { \"If-Match\": etag } });",
        ),
        example("requests", "requests.put(url, json=order, headers={\"If-Match\": etag})"),
        example("reqwest", "client.put(url).header(IF_MATCH, etag).json(&order).send().await?;"),
    ],
    see: &["RFC 9110, Sections 13.1.1 and 13.1.2"],
};

pub(super) static X17: Article = Article {
    code: "X17",
    name: "dropped",
    title: "The condition was sent and did not arrive, or nobody looked at it",
    means: "The request has a well-formed If-Match, and the server answers that none came; or a write with an old tag goes \
            through. A condition that is lost on the way protects nobody.",
    cause: "A proxy, a gateway or a framework between passes on only the fields it knows, or removes conditions so that its \
            cache sees whole answers. Some servers ignore If-Match on writes.",
    fix: "Send the same request straight to the server. If that works, let the proxy pass If-Match, If-None-Match and \
          If-Unmodified-Since on. If it does not, the server is the cause; a gateway that judges conditions itself can stand \
          before it.",
    examples: &[
        example(
            "curl",
            "# The same twice: through the proxy, and straight to the server.\n\
             curl -i -X PUT https://api.test/orders/42 -H 'If-Match: \"7\"' -d @f\n\
             curl -i -X PUT http://10.0.0.5:3000/orders/42 -H 'If-Match: \"7\"' -d @f\n\
             # nginx: no  proxy_set_header If-Match \"\";",
        ),
        example(
            "fetch",
            "// Nothing to mend here. If a service worker makes the requests:\n\
             fetch(new Request(request, { headers: new Headers(request.headers) }));",
        ),
        example(
            "axios",
            "// An interceptor that makes new headers has to keep the old ones:\n\
             config.headers = AxiosHeaders.from(config.headers).set(\"X-Mine\", \"1\");",
        ),
        example(
            "requests",
            "# A proxy of your own has to pass conditions on:\n\
             names = (\"If-Match\", \"If-None-Match\", \"If-Unmodified-Since\")\n\
             passed = {n: incoming.headers[n] for n in names if n in incoming.headers}",
        ),
        example(
            "reqwest",
            "for name in [IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE] {\n    \
             for value in incoming.headers().get_all(&name) {\n        \
             outgoing = outgoing.header(&name, value);\n    }\n}",
        ),
    ],
    see: &["RFC 9110, Section 13.1.1"],
};

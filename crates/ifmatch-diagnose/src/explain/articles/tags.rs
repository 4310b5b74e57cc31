//! Tags that cannot match.

use super::example;
use crate::article::Article;

pub(super) static X04: Article = Article {
    code: "X04",
    name: "malformed-tag",
    title: "The tag lost its quotes, or got others on the way",
    means: "The double quotes are part of an entity-tag. Without them, with backslashes before them or with a second pair \
            around them it is no entity-tag, so it can match nothing. Servers answer 400 or 412.",
    cause: "The tag was taken out of a JSON text with its escapes, trimmed of \"its\" quotes by a helper, wrapped in quotes \
            once more, or its quotes were eaten by a shell.",
    fix: "Treat the tag as one opaque text: store exactly what the ETag field held and send exactly that. In a shell put the \
          whole field in single quotes.",
    examples: &[
        example(
            "curl",
            "curl -i -X PUT \"$url\" -H 'If-Match: \"3f8a91\"' -d @f    # single quotes outside\n\
             curl -i -X PUT \"$url\" -H \"If-Match: $etag\" -d @f      # $etag holds its quotes",
        ),
        example(
            "fetch",
            "const etag = response.headers.get(\"ETag\");   // '\"3f8a91\"'\n\
             headers: { \"If-Match\": etag }               // not JSON.stringify(etag)",
        ),
        example("axios", "headers: { \"If-Match\": response.headers.etag }   // no replace(/\"/g, \"\")"),
        example("requests", "headers = {\"If-Match\": read.headers[\"ETag\"]}     # no .strip('\"')"),
        example(
            "reqwest",
            "let etag: HeaderValue = read.headers()[ETAG].clone();   // stays a HeaderValue\n\
             client.put(url).header(IF_MATCH, etag)",
        ),
    ],
    see: &["RFC 9110, Section 8.8.3"],
};

pub(super) static X05: Article = Article {
    code: "X05",
    name: "weak-tag",
    title: "The tag is weak, or was changed by compression",
    means: "If-Match compares strongly: a tag with W/ never matches, not even itself, and a tag that got -gzip is another \
            tag. A client that reads compressed answers can then never write, however often it tries.",
    cause: "nginx, HAProxy and content networks make tags weak when they compress; Apache appends -gzip; some frameworks \
            hand out weak tags only.",
    fix: "On the server or proxy: exclude these locations from compression, or compress where the tags are made. ifmatch \
          inspect shows which tags change. As a client: read with Accept-Encoding: identity until then. Do not cut W/ off: \
          whoever made the tag weak says that it may stand for several contents.",
    examples: &[
        example(
            "curl",
            "curl -sI \"$url\" -H 'Accept-Encoding: gzip' | grep -i etag       # W/\"3f8a91\"\n\
             curl -sI \"$url\" -H 'Accept-Encoding: identity' | grep -i etag   # \"3f8a91\"\n\
             # nginx: location /api/ { gzip off; proxy_pass http://127.0.0.1:3000; }",
        ),
        example(
            "fetch",
            "// Browsers do not let a page choose the coding: mend the server. Notice it:\n\
             if (etag?.startsWith(\"W/\")) console.warn(\"weak tag: writes will be refused\");",
        ),
        example(
            "axios",
            "// In Node; browsers do not allow it:\n\
             await axios.get(url, { headers: { \"Accept-Encoding\": \"identity\" } });",
        ),
        example("requests", "read = requests.get(url, headers={\"Accept-Encoding\": \"identity\"})"),
        example("reqwest", "let read = client.get(url).header(ACCEPT_ENCODING, \"identity\").send().await?;"),
    ],
    see: &["RFC 9110, Sections 8.8.3.2 and 13.1.1"],
};

pub(super) static X06: Article = Article {
    code: "X06",
    name: "other-resource",
    title: "The tag belongs to another resource",
    means: "Each resource has tags of its own. The tag of a list, of a parent or of a sibling says nothing about this one, so \
            the condition is false.",
    cause: "The client keeps one tag for several things, or takes the tag of the object that links here: a task's tag for its \
            details, a list's for an item.",
    fix: "Keep tags by URL. GET exactly what you are going to write, query included, and send the tag of that answer.",
    examples: &[
        example(
            "curl",
            "curl -i http://localhost:3000/tasks/1/details        # this ETag ...\n\
             curl -i -X PATCH http://localhost:3000/tasks/1/details \\\n  -H 'If-Match: \"d-7\"' --json '{\"note\":\"x\"}'        # ... for this write",
        ),
        example(
            "fetch",
            "const tags = new Map();\n\
             tags.set(response.url, response.headers.get(\"ETag\"));\n\
             headers: { \"If-Match\": tags.get(url) }",
        ),
        example(
            "axios",
            "axios.interceptors.response.use((answer) => {\n  \
             if (answer.headers.etag) tags.set(answer.config.url, answer.headers.etag);\n  return answer;\n});",
        ),
        example(
            "requests",
            "tags[url] = requests.get(url).headers[\"ETag\"]\n\
             requests.patch(url, json=change, headers={\"If-Match\": tags[url]})",
        ),
        example(
            "reqwest",
            "let mut tags: HashMap<Url, HeaderValue> = HashMap::new();\n\
             tags.insert(read.url().clone(), read.headers()[ETAG].clone());",
        ),
    ],
    see: &["RFC 9110, Section 8.8.3"],
};

pub(super) static X08: Article = Article {
    code: "X08",
    name: "literal-undefined",
    title: "A program's word for nothing was sent as the tag",
    means: "If-Match: undefined, null, None or [object Object] is a variable without a value that became text. It can match \
            nothing.",
    cause: "The ETag was not read, was not exposed to the page (X07), or has another name in the client's data; and what \
            makes fields turns everything into text.",
    fix: "Do not send the request while there is no tag. Give the tag a type that cannot be nothing, and let the missing \
          field of the read be the error.",
    examples: &[
        example(
            "curl",
            "etag=$(curl -sI \"$url\" | sed -n 's/^etag: *//Ip' | tr -d '\\r')\n\
             curl -i -X PUT \"$url\" -H \"If-Match: ${etag:?no ETag in the answer}\" -d @f",
        ),
        example(
            "fetch",
            "const etag = response.headers.get(\"ETag\");\n\
             if (!etag) throw new Error(`no ETag in the answer of ${response.url}`);",
        ),
        example(
            "axios",
            "const { etag } = response.headers;\n\
             if (!etag) throw new Error(\"no ETag in the answer\");",
        ),
        example("requests", "etag = read.headers[\"ETag\"]     # KeyError, not None: not .get(\"ETag\")"),
        example("reqwest", "let etag = read.headers().get(ETAG).cloned().ok_or(\"no ETag in the answer\")?;"),
    ],
    see: &["RFC 9110, Section 13.1.1"],
};

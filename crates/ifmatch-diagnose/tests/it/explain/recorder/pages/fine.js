// Keeps the tag of each answer: nothing to explain.
import { read, put, done } from "./api.js";

let { etag, content } = await read();
let saved = await put({ ...content, status: "shipped" }, { "If-Match": etag });
etag = saved.headers.get("ETag");
saved = await put({ ...content, status: "delivered" }, { "If-Match": etag });
await read();
done();

// Takes "its" quotes off the tag.
import { read, put, done } from "./api.js";

const { etag, content } = await read();
await put({ ...content, status: "shipped" }, { "If-Match": etag.replaceAll('"', "") });
await put({ ...content, status: "shipped" }, { "If-Match": JSON.stringify(etag) });
done();

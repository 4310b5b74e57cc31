// Saves twice, with the tag of the first read both times.
import { read, put, done } from "./api.js";

const { etag, content } = await read();
await put({ ...content, status: "shipped" }, { "If-Match": etag });
await put({ ...content, status: "delivered" }, { "If-Match": etag });
done();

// Reads again behind its own write, and is given the copy of a cache.
import { read, put, done } from "./api.js";

const first = await read();
await put({ ...first.content, status: "shipped" }, { "If-Match": first.etag });
const second = await read();
await put({ ...second.content, status: "delivered" }, { "If-Match": second.etag });
done();

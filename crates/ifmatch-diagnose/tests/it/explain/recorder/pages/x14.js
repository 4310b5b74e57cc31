// Says with a date what it has read, a moment after it was written.
import { read, put, done } from "./api.js";

const { content } = await read();
await put({ ...content, status: "shipped" }, { "If-Unmodified-Since": new Date().toUTCString() });
done();

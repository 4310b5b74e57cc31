// Sends what it could not read.
import { read, put, done } from "./api.js";

const { etag, content } = await read();
await put({ ...content, note: "mine" }, { "If-Match": etag });
done();

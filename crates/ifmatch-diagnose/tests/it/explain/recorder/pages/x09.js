// Uses for the write what was made for the read.
import { read, put, done } from "./api.js";

const { etag, content } = await read();
await put({ ...content, status: "shipped" }, { "If-None-Match": etag });
await put({ ...content, status: "shipped" }, { "If-None-Match": "*" });
done();

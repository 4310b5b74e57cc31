// A double click: two saves under way at once.
import { read, put, done } from "./api.js";

const { etag, content } = await read();
await Promise.all([
  put({ ...content, status: "shipped" }, { "If-Match": etag }),
  put({ ...content, status: "delivered" }, { "If-Match": etag }),
]);
done();

// Saves what somebody has deleted.
import { read, put, write, done } from "./api.js";

const { etag, content } = await read();
await elsewhere("DELETE", "/orders/42");
await put({ ...content, status: "shipped" }, { "If-Match": etag });
await write("DELETE", undefined, { "If-Match": etag });
done();

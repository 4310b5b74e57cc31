// Saves while somebody else has saved.
import { read, put, done } from "./api.js";

const { etag, content } = await read();
await elsewhere("PUT", "/orders/42", { ...content, note: "call first" });
await put({ ...content, status: "shipped" }, { "If-Match": etag });
await read();
done();

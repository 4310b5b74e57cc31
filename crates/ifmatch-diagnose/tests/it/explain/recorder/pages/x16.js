// Fetches a fresh tag, and sends its old content with it.
import { read, put, done } from "./api.js";

const { etag, content } = await read();
const mine = { ...content, status: "shipped" };
await elsewhere("PUT", "/orders/42", { ...content, note: "call first" });
const saved = await put(mine, { "If-Match": etag });
if (saved.status === 412) {
  const fresh = await read();
  await put(mine, { "If-Match": fresh.etag });
}
done();

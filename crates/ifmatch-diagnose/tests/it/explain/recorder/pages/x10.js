// A queue that repeats what was refused, as it is.
import { read, put, done } from "./api.js";

const { etag, content } = await read();
await elsewhere("PUT", "/orders/42", { ...content, note: "call first" });
for (let tries = 0; tries < 3; tries++) {
  const saved = await put({ ...content, status: "shipped" }, { "If-Match": etag });
  if (saved.ok) break;
}
done();

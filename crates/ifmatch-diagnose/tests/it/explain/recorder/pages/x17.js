// Does everything right; the proxy before the server does not.
import { read, put, done } from "./api.js";

const { etag, content } = await read();
await put({ ...content, status: "shipped" }, { "If-Match": etag });
done();

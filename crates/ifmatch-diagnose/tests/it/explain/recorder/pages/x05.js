// Saves with the tag of a compressed answer.
import { read, put, done } from "./api.js";

const { etag, content } = await read();
await put({ ...content, status: "shipped" }, { "If-Match": etag });
done();

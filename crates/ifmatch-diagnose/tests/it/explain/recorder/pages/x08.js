// Looks for the tag where it is not.
import { read, put, done } from "./api.js";

const { content } = await read();
await put({ ...content, status: "shipped" }, { "If-Match": content.etag });
done();

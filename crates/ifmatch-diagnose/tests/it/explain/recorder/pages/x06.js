// Saves the details with the tag of the order.
import { api, read, put, done } from "./api.js";

await elsewhere("PUT", "/orders/42/details", { colour: "red" });
const { etag } = await read();
await put({ colour: "blue" }, { "If-Match": etag }, `${api}/orders/42/details`);
await read(`${api}/orders/42/details`);
done();

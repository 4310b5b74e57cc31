// Two tabs sell from the same stock within one second, and dates do not tell their versions apart.
import { api, read, put, done } from "./api.js";

const stock = `${api}/api/stock`;
// Begins with a second, so that all of it is in one.
await new Promise((begin) => setTimeout(begin, 1020 - (Date.now() % 1000)));
await put({ stock: 10 }, {}, stock);
const one = await read(stock);
await put({ stock: one.content.stock - 1 }, { "If-Unmodified-Since": one.date }, stock);
await read(stock);
await put({ stock: one.content.stock - 3 }, { "If-Unmodified-Since": one.date }, stock);
done();

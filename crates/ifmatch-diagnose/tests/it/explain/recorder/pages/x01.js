// Saves without saying what it has read.
import { read, put, done } from "./api.js";

const { content } = await read();
await put({ ...content, status: "shipped" });
done();

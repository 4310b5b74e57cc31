// One key for the whole form, whatever is in it.
import { api, write, done } from "./api.js";

const key = crypto.randomUUID();
await write("POST", { amount: 10 }, { "Idempotency-Key": key }, `${api}/api/payments`);
await write("POST", { amount: 25 }, { "Idempotency-Key": key }, `${api}/api/payments`);
done();

// The whole cycle of a write with Node's fetch. Usage: node cycle.mjs URL-OF-A-NEW-DOCUMENT

import assert from "node:assert/strict";

const document = process.argv[2];

async function send(method, status, headers = {}, content) {
  const body = content === undefined ? undefined : JSON.stringify(content);
  if (body !== undefined) headers = { "Content-Type": "application/json", ...headers };
  const answer = await fetch(document, { method, headers, body, signal: AbortSignal.timeout(20_000) });
  const text = await answer.text();
  const shown = Object.entries(headers).filter(([name]) => name.startsWith("If-")).map(([n, v]) => `${n}: ${v}`);
  console.log(`${method.padEnd(6)} ${shown.join(", ").padEnd(40)} -> ${answer.status}`);
  assert.equal(answer.status, status, text);
  return { etag: answer.headers.get("ETag"), type: answer.headers.get("Content-Type"), text };
}

function problem(answer, code) {
  assert.equal(answer.type, "application/problem+json");
  const body = JSON.parse(answer.text);
  assert.equal(body.code, code);
  assert.equal(body.applied, false);
  return body;
}

problem(await send("PUT", 428, {}, { n: 0 }), "precondition_required");
problem(await send("GET", 404), "not_found");

const { etag: first } = await send("PUT", 201, { "If-None-Match": "*" }, { n: 1 });
assert.match(first, /^"[^"]+"$/);
problem(await send("PUT", 412, { "If-None-Match": "*" }, { n: 9 }), "already_exists");
assert.equal((await send("GET", 200)).etag, first);

// Two writers with the same version, at the same time: exactly one gets through.
const race = await Promise.all(
  [2, 3].map(async (n) => {
    const headers = { "If-Match": first, "Content-Type": "application/json" };
    const answer = await fetch(document, { method: "PUT", headers, body: JSON.stringify({ n }) });
    return { n, status: answer.status, etag: answer.headers.get("ETag"), text: await answer.text() };
  }),
);
console.log(`PUT    two at once, If-Match: ${first} -> ${race.map((r) => r.status).join(" and ")}`);
const winner = race.find((r) => r.status === 204);
const loser = race.find((r) => r.status === 412);
assert.ok(winner && loser, JSON.stringify(race));
assert.equal(loser.etag, winner.etag);
assert.equal(JSON.parse(loser.text).current_etag, winner.etag);

const read = await send("GET", 200);
assert.equal(read.etag, winner.etag);
assert.deepEqual(JSON.parse(read.text), { n: winner.n });
await send("GET", 304, { "If-None-Match": winner.etag });

problem(await send("DELETE", 428), "precondition_required");
problem(await send("DELETE", 412, { "If-Match": first }), "stale_version");
await send("DELETE", 204, { "If-Match": winner.etag });
problem(await send("GET", 404), "not_found");

// Records each mistake in headless Chromium. See README.md.
import { createRequire } from "node:module";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as servers from "./servers.mjs";

const { chromium } = createRequire(path.join(process.cwd(), "x"))("playwright-core");
const [binary, ...wanted] = process.argv.slice(2);
const here = path.dirname(fileURLToPath(import.meta.url));
const recordings = path.join(here, "..", "recordings");

function pages(request, response) {
  const name = request.url.split("?")[0].slice(1);
  if (!/^[a-z0-9-]+\.(js|html)$/.test(name)) return response.writeHead(404).end();
  if (name.endsWith(".html")) {
    response.setHeader("Content-Type", "text/html");
    const script = name.replace(".html", ".js");
    return response.end(`<!doctype html><meta charset=utf-8><link rel=icon href=data:,><script type=module src=/${script}></script>`);
  }
  response.setHeader("Content-Type", "text/javascript");
  response.end(fs.readFileSync(path.join(here, "pages", name)));
}

const own = () => servers.ifmatch(binary);
// Which API each page talks to.
const apis = {
  x01: own, x02: own, x03: own, "x03-parallel": own, x04: own, x06: own, x08: own, x09: own, x10: own, x12: own, x16: own,
  x14: own, "x14-ahead": own, fine: own,
  x05: async () => servers.nginx(await own(), "gzip on; gzip_types application/json; gzip_min_length 1; gzip_proxied any;"),
  x07: servers.hiding,
  "x07-null": servers.hiding,
  x11: async () => servers.nginx(await own(),
    "proxy_cache copies; proxy_cache_key $uri$http_origin; proxy_cache_valid 200 1m; proxy_ignore_headers Cache-Control Vary; add_header X-Cache $upstream_cache_status always;",
    "proxy_cache_path FOLDER/cache keys_zone=copies:1m;"),
  x13: async () => servers.breaking(await own()),
  "x14-accepted": () => servers.dated(pages),
  x15: () => servers.keyed(pages),
  x17: async () => servers.nginx(await own(), 'proxy_set_header If-Match "";'),
};

/** What another writer does, who is not in the recording. */
async function elsewhere(api, method, target, body) {
  const read = await fetch(api + target, { headers: { "Cache-Control": "no-cache" } });
  const condition = read.ok ? { "If-Match": read.headers.get("etag") ?? "" } : { "If-None-Match": "*" };
  const headers = { "Content-Type": "application/json", ...condition };
  const done = await fetch(api + target, { method, headers, body: body && JSON.stringify(body) });
  if (!done.ok) throw new Error(`elsewhere: ${done.status}`);
}

const KEPT_REQUEST = ["method", "url", "httpVersion", "headers", "postData"];
const KEPT_RESPONSE = ["status", "statusText", "httpVersion", "headers", "content", "_failureText"];
const only = (from, names) => Object.fromEntries(names.filter((n) => n in from).map((n) => [n, from[n]]));

function trimmed(har, api) {
  const { version, creator, browser, entries } = har.log;
  const kept = entries.filter((entry) => entry.request.url.startsWith(api) && !/\.(html|js)(\?|$)/.test(entry.request.url));
  const lean = kept.map(({ startedDateTime, time, request, response }) => ({
    startedDateTime, time, request: only(request, KEPT_REQUEST), response: only(response, KEPT_RESPONSE),
  }));
  return { log: { version, creator, browser, entries: lean } };
}

async function record(name) {
  const api = await apis[name]();
  const site = name === "x14-accepted" || name === "x15" ? api : await servers.pageServer(pages);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "recorder-"));
  const flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"];
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", headless: true, args: flags });
  const har = path.join(folder, "recording.har");
  const context = await browser.newContext({ recordHar: { path: har, content: "embed" } });
  const page = await context.newPage();
  page.on("pageerror", (error) => console.error(`${name}: ${error}`));
  await page.exposeFunction("elsewhere", (method, target, body) => elsewhere(api, method, target, body));
  await elsewhere(api, "PUT", "/orders/42", { status: "open", note: "" }).catch(() => {});
  await page.goto(`${site}/${name}.html?api=${api}`);
  await page.waitForFunction(() => document.title === "done", null, { timeout: 20_000 });
  await context.close();
  await browser.close();
  const lean = trimmed(JSON.parse(fs.readFileSync(har)), api);
  fs.writeFileSync(path.join(recordings, `${name}.har`), JSON.stringify(lean, null, 1) + "\n");
  console.log(name, lean.log.entries.map((e) => `${e.request.method} ${e.response.status}`).join(", "));
  fs.rmSync(folder, { recursive: true });
}

for (const name of wanted.length ? wanted : Object.keys(apis)) {
  try { await record(name); } finally { await servers.stopAll(); }
}

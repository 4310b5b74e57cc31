// Servers, each on a free port of loopback.
import http from "node:http";
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";

const started = [];

export async function stopAll() {
  for (const stop of started.reverse()) await stop();
  started.length = 0;
}

function listen(server) {
  return new Promise((done) => server.listen(0, "127.0.0.1", () => {
    started.push(() => new Promise((closed) => { server.close(closed); server.closeAllConnections(); }));
    done(`http://127.0.0.1:${server.address().port}`);
  }));
}

export async function freePort() {
  const server = http.createServer();
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** `ifmatch serve` with a store of its own. */
export async function ifmatch(binary) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "recorder-"));
  const args = ["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--data", path.join(folder, "data")];
  const child = spawn(binary, args, { stdio: ["ignore", "pipe", "inherit"] });
  started.push(async () => {
    const ended = new Promise((done) => child.once("exit", done));
    child.kill();
    await ended;
    fs.rmSync(folder, { recursive: true });
  });
  let said = "";
  for await (const part of child.stdout) {
    said += part;
    const url = said.match(/http:\/\/127\.0\.0\.1:\d+/);
    if (url) return url[0];
  }
  throw new Error("ifmatch serve did not say where it serves");
}

/** nginx before a server, with lines of its own. */
export async function nginx(upstream, lines, before = "") {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "recorder-"));
  const port = await freePort();
  fs.writeFileSync(path.join(folder, "nginx.conf"), `
    worker_processes 1; daemon off; user root; pid ${folder}/pid; error_log ${folder}/error.log;
    events {}
    http {
      access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy;
      fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
      ${before.replaceAll("FOLDER", folder)}
      server { listen 127.0.0.1:${port}; location / { proxy_pass ${upstream}; ${lines} } }
    }`);
  const child = spawn("/usr/sbin/nginx", ["-c", path.join(folder, "nginx.conf"), "-p", folder], { stdio: "inherit" });
  started.push(async () => {
    const ended = new Promise((done) => child.once("exit", done));
    child.kill();
    await ended;
    fs.rmSync(folder, { recursive: true });
  });
  const url = `http://127.0.0.1:${port}`;
  for (;;) {
    try { await fetch(url); return url; } catch { await new Promise((done) => setTimeout(done, 20)); }
  }
}

async function content(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts);
}

/** Passes requests on. The answer to the first change never gets back. */
export function breaking(upstream) {
  let broken = false;
  return listen(http.createServer(async (request, response) => {
    const body = await content(request);
    const headers = { ...request.headers, connection: "close" };
    const has = !["GET", "HEAD", "OPTIONS"].includes(request.method);
    const forward = http.request(upstream + request.url, { method: request.method, headers }, async (answer) => {
      const whole = await content(answer);
      if (request.headers["if-match"] && !broken) {
        broken = true;
        request.socket.destroy();
        return;
      }
      // A used connection that breaks makes browsers try again by themselves.
      response.writeHead(answer.statusCode, { ...answer.headers, connection: "close" });
      response.end(whole);
    });
    forward.end(has ? body : undefined);
  }));
}

/** Open to all pages, which may send If-Match, but may not read ETag. */
export function hiding() {
  let [count, state] = [7, '{"note":"first"}'];
  return listen(http.createServer(async (request, response) => {
    const body = (await content(request)).toString();
    response.setHeader("Access-Control-Allow-Origin", "*");
    response.setHeader("Access-Control-Allow-Headers", "content-type, if-match");
    response.setHeader("Access-Control-Allow-Methods", "GET, PUT");
    if (request.method === "OPTIONS") return response.writeHead(204).end();
    if (request.method === "PUT") {
      if (!request.headers["if-match"]) {
        response.setHeader("Content-Type", "application/json");
        return response.writeHead(428).end('{"message":"If-Match is required"}');
      }
      if (request.headers["if-match"] !== `"${count}"`) return response.writeHead(412).end();
      [count, state] = [count + 1, body];
    }
    response.setHeader("ETag", `"${count}"`);
    response.setHeader("Content-Type", "application/json");
    response.writeHead(200).end(state);
  }));
}

/** Knows dates only, to the second, and takes them at their word. Comes with the page, so all fields can be read. */
export function dated(pages) {
  let [changed, state] = [new Date(), '{"stock":10}'];
  const handler = async (request, response) => {
    if (!request.url.startsWith("/api/")) return pages(request, response);
    const body = (await content(request)).toString();
    const second = (date) => Math.floor(date.getTime() / 1000);
    if (request.method === "PUT") {
      const since = request.headers["if-unmodified-since"];
      if (since && second(changed) > second(new Date(since))) return response.writeHead(412).end();
      [changed, state] = [new Date(), body];
    }
    response.setHeader("Last-Modified", changed.toUTCString());
    response.setHeader("Content-Type", "application/json");
    response.writeHead(200).end(state);
  };
  return listen(http.createServer(handler));
}

/** Payments: one key, one request. Comes with the page. */
export function keyed(pages) {
  const seen = new Map();
  return listen(http.createServer(async (request, response) => {
    if (!request.url.startsWith("/api/")) return pages(request, response);
    const body = (await content(request)).toString();
    const key = request.headers["idempotency-key"];
    response.setHeader("Content-Type", "application/json");
    if (seen.has(key) && seen.get(key) !== body) {
      return response.writeHead(422).end('{"message":"The key was first used with other parameters."}');
    }
    seen.set(key, body);
    response.writeHead(201).end('{"paid":true}');
  }));
}

/** The pages. */
export function pageServer(handler) {
  return listen(http.createServer(handler));
}

// What the pages have in common.
export const api = new URLSearchParams(location.search).get("api");
export const order = `${api}/orders/42`;

export async function read(url = order) {
  const response = await fetch(url, { cache: "no-store" });
  return { etag: response.headers.get("ETag"), date: response.headers.get("Last-Modified"), content: await response.json() };
}

export async function write(method, content, fields = {}, url = order) {
  const headers = { "Content-Type": "application/json", ...fields };
  const body = content === undefined ? undefined : JSON.stringify(content);
  const response = await fetch(url, { method, headers, body });
  await response.text();
  return response;
}

export const put = (content, fields, url) => write("PUT", content, fields, url);

export function done() {
  document.title = "done";
}

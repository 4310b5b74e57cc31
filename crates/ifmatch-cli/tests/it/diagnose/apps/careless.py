"""Careless in the ways that are common, on Python's own server.

/head/...      HEAD has code of its own, which makes the tag of nothing
/volatile/...  the content says when it was served, and the tag is made of the content
/stamped/...   the same, and the tag is made of what is stored
/exposed/...   as it should be
"""

import hashlib
import http.server
import itertools
import json
import sys

STORED = {"name": "a lamp", "stock": 2}
SERVED = itertools.count(1)


def tag(content):
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def show(self, content, etag, has_content=True):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if has_content:
            self.wfile.write(content)

    def is_known(self, etag):
        if self.headers.get("If-None-Match", "").removeprefix("W/") != etag:
            return False
        self.send_response(304)
        self.send_header("ETag", etag)
        self.end_headers()
        return True

    def refused(self):
        self.send_response(404)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self):
        stored = json.dumps(STORED).encode()
        if self.path.startswith(("/volatile/", "/stamped/")):
            served = {"request": next(SERVED)}
            content = json.dumps({**STORED, "served": served}).encode()
            self.show(content, tag(content if self.path.startswith("/volatile/") else stored))
        elif self.path.startswith(("/head/", "/exposed/")):
            if not self.is_known(tag(stored)):
                self.show(stored, tag(stored))
        else:
            self.refused()

    def do_HEAD(self):
        stored = b"" if self.path.startswith("/head/") else json.dumps(STORED).encode()
        self.show(stored, tag(stored), has_content=False)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(f"listening on {server.server_port}", flush=True)
sys.stdout.flush()
server.serve_forever()

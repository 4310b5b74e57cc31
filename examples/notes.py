"""A notes API as many are: it takes what it is sent, and says nothing of versions. Whoever writes last wins.

    python3 examples/notes.py [PORT]

PUT, GET and DELETE of any path; all notes are in memory. The port is 3000 unless given; 0 takes any free one.
"""

import http.server
import sys

notes = {}


class Notes(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and content in one write

    def answer(self, status, content=b""):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        note = notes.get(self.path)
        self.answer(404, b'{"error":"no such note"}') if note is None else self.answer(200, note)

    def do_PUT(self):
        is_new = self.path not in notes
        notes[self.path] = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.answer(201 if is_new else 204)

    def do_DELETE(self):
        self.answer(404 if notes.pop(self.path, None) is None else 204)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 3000), Notes)
print(f"notes on http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()

"""Files on Python's own http.server: read what is there, replace what is there. Knows no conditions and has no tags.

Arguments: port, folder.
"""

import http.server
import pathlib
import sys


class Files(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and content of an answer in one write.
    wbufsize = -1
    disable_nagle_algorithm = True

    def file(self):
        name = self.path.split("?")[0].strip("/").replace("/", "_")
        return FOLDER / (name or "index")

    def answer(self, status, content=b""):
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_GET(self):
        try:
            self.answer(200, self.file().read_bytes())
        except FileNotFoundError:
            self.answer(404, b"nothing here\n")

    do_HEAD = do_GET

    def do_PUT(self):
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        existed = self.file().exists()
        self.file().write_bytes(content)
        self.answer(204 if existed else 201)

    def do_DELETE(self):
        try:
            self.file().unlink()
            self.answer(204)
        except FileNotFoundError:
            self.answer(404, b"nothing here\n")

    def log_message(self, *arguments):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128


FOLDER = pathlib.Path(sys.argv[2])
Server(("127.0.0.1", int(sys.argv[1])), Files).serve_forever()

"""A web server that misbehaves as its paths say, and a proxy; for specs.

rude_server.py DIRECTORY LOG: serves the files of DIRECTORY at /file/NAME, prints its port, and writes a line to LOG
for each request. It ends by itself after two minutes.
"""

import base64
import os
import select
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DIRECTORY, LOG = sys.argv[1:3]
counts = {}
lock = threading.Lock()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def note(self, word):
        fields = [word, self.path]
        for name in ("Range", "If-Range", "Authorization", "Proxy-Authorization", "Host"):
            if self.headers.get(name):
                fields.append(name.lower() + "=" + self.headers[name])
        with lock, open(LOG, "a") as log:
            log.write(" ".join(fields) + "\n")

    def count(self):
        """How often this path was asked for until now."""
        with lock:
            counts[self.path] = counts.get(self.path, 0) + 1
            return counts[self.path]

    def answer(self, status, body=b"", **headers):
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            if value is not None:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def hang_up(self):
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def begin(self, content, **headers):
        """Promises all of a file, sends half of it and hangs up."""
        self.answer(200, b"", Content_Length=str(len(content)), **headers)
        self.wfile.write(content[: len(content) // 2])
        self.hang_up()

    def rest(self, content, tag):
        """What a good server answers to a request for the rest."""
        if self.headers.get("Range") and self.headers.get("If-Range") == tag:
            first = int(self.headers["Range"][len("bytes=") : -1])
            span = "bytes %d-%d/%d" % (first, len(content) - 1, len(content))
            self.answer(206, content[first:], Content_Range=span, ETag=tag)
        else:
            self.answer(200, content, ETag=tag)

    def do_CONNECT(self):
        self.note("CONNECT")
        host, port = self.path.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as other:
            self.send_response(200)
            self.end_headers()
            self.wfile.flush()
            pair = [self.connection, other]
            for _ in range(100000):
                for ready in select.select(pair, [], [], 10)[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    pair[1 - pair.index(ready)].sendall(data)

    def do_GET(self):
        path = self.path
        if path.startswith("http://"):
            self.note("PROXY")
            path = "/" + path.split("/", 3)[3]
        else:
            self.note("GET")
        path = path.split("?")[0]
        kind, _, rest = path[1:].partition("/")
        name = rest.rsplit("/", 1)[-1]
        content = b""
        if os.path.isfile(os.path.join(DIRECTORY, name)):
            with open(os.path.join(DIRECTORY, name), "rb") as file:
                content = file.read()
        number = self.count()
        getattr(self, "get_" + kind.replace("-", "_"), self.get_missing)(content, rest, number)

    def get_missing(self, content, rest, number):
        self.answer(404)

    def get_file(self, content, rest, number):
        self.answer(200, content)

    def get_flaky(self, content, rest, number):
        failures = int(rest.split("/")[0])
        self.answer(503 if number <= failures else 200, b"" if number <= failures else content)

    def get_status(self, content, rest, number):
        self.answer(int(rest.split("/")[0]))

    def get_patience(self, content, rest, number):
        if number == 1:
            self.answer(429, Retry_After=rest.split("/")[0])
        else:
            self.answer(200, content)

    def get_drop(self, content, rest, number):
        if number == 1:
            self.begin(content, ETag='"one"')
        else:
            self.rest(content, '"one"')

    def get_drop_dated(self, content, rest, number):
        date = "Tue, 01 Jan 2030 00:00:00 GMT"
        if number == 1:
            self.begin(content, Last_Modified=date)
        else:
            self.rest(content, date)

    def get_drop_untagged(self, content, rest, number):
        if number == 1:
            self.begin(content)
        else:
            self.answer(200, content)

    def get_always_drop(self, content, rest, number):
        self.begin(content, ETag='"one"')

    def get_changed(self, content, rest, number):
        if number == 1:
            self.begin(b"x" * len(content), ETag='"old"')
        else:
            self.rest(content, '"new"')

    def get_other_range(self, content, rest, number):
        if number == 1:
            self.begin(content, ETag='"one"')
        elif self.headers.get("Range"):
            span = "bytes 0-%d/%d" % (len(content) - 1, len(content))
            self.answer(206, content, Content_Range=span, ETag='"one"')
        else:
            self.answer(200, content, ETag='"one"')

    def get_wrong_rest(self, content, rest, number):
        """The rest that it sends does not belong to the beginning."""
        if number == 1:
            self.begin(content, ETag='"one"')
        elif self.headers.get("Range"):
            self.rest(b"y" * len(content), '"one"')
        else:
            self.answer(200, content, ETag='"one"')

    def get_always_wrong(self, content, rest, number):
        if number == 1:
            self.begin(b"z" * len(content), ETag='"one"')
        else:
            self.rest(b"z" * len(content), '"one"')

    def get_unsatisfiable(self, content, rest, number):
        if number == 1:
            self.begin(content, ETag='"one"')
        elif self.headers.get("Range"):
            self.answer(416, Content_Range="bytes */%d" % len(content))
        else:
            self.answer(200, content)

    def get_truncated(self, content, rest, number):
        self.answer(200, content, Content_Length=str(len(content) + 100))
        self.hang_up()

    def get_endless(self, content, rest, number):
        self.answer(200, b"", Content_Length=None, Connection="close")
        for _ in range(10000):
            self.wfile.write(b"e" * 65536)

    def get_huge(self, content, rest, number):
        self.answer(200, b"", Content_Length=str(1 << 50))
        self.hang_up()

    def get_stall(self, content, rest, number):
        self.answer(200, b"half", Content_Length="8", ETag='"one"')
        self.wfile.flush()
        time.sleep(20)

    def get_trickle(self, content, rest, number):
        self.answer(200, b"", Content_Length="1000000")
        for _ in range(200):
            self.wfile.write(b"t")
            self.wfile.flush()
            time.sleep(0.1)

    def get_silent(self, content, rest, number):
        time.sleep(20)

    def get_reset(self, content, rest, number):
        self.hang_up()

    def get_garbage(self, content, rest, number):
        self.wfile.write(b"SSH-2.0-nothing of the kind\r\n\r\n")
        self.hang_up()

    def get_redirect(self, content, rest, number):
        left, name = rest.split("/", 1)
        target = "/redirect/%d/%s" % (int(left) - 1, name) if int(left) > 1 else "../../file/" + name
        self.answer(302, Location=target)

    def get_loop(self, content, rest, number):
        self.answer(301, Location=self.path)

    def get_to(self, content, rest, number):
        target = self.path.split("?", 1)[1]
        self.answer(307, Location=target)

    def get_login(self, content, rest, number):
        wanted = "Basic " + base64.b64encode(b"ada:s3cret").decode()
        if self.headers.get("Authorization") == wanted:
            self.answer(200, content)
        else:
            self.answer(401, WWW_Authenticate='Basic realm="here"')

    def get_slow(self, content, rest, number):
        """Takes a second, and says when it began."""
        self.answer(200, b"", Content_Length=str(len(content)))
        self.wfile.write(content[:1])
        self.wfile.flush()
        time.sleep(1)
        self.wfile.write(content[1:])


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
time.sleep(120)

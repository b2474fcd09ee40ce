"""A web server for the bare repositories of a directory, by git's own http-backend; for specs.

git_server.py DIRECTORY LOG: prints its port, and writes a line to LOG for each request. Repositories below /private
ask for a login, /moved/NAME redirects to /NAME, /answers/STATUS answers so, /cut/NAME hangs up in the pack,
/page is no repository. Below a repository, releases/, archive/ and raw/ are plain files. It ends by itself after
two minutes.
"""

import base64
import os
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DIRECTORY, LOG = sys.argv[1:3]
lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *arguments):
        pass

    def serve_file(self, path):
        try:
            with open(DIRECTORY + urllib.parse.unquote(path), "rb") as file:
                content = file.read()
        except OSError:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def serve(self):
        path, _, query = self.path.partition("?")
        login = self.headers.get("Authorization") or "-"
        with lock, open(LOG, "a") as log:
            log.write("%s %s %s\n" % (self.command, self.path, login))
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        first = path.split("/")[1]
        if any(part in path for part in ("/releases/download/", "/archive/", "/raw/", "/dist/")):
            self.serve_file(path)
            return
        if first == "moved":
            self.send_response(301)
            self.send_header("Location", path[len("/moved") :] + "?" + query)
            self.end_headers()
            return
        if first == "answers":
            self.send_error(int(path.split("/")[2]))
            return
        if first == "page":
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<p>Hello")
            return
        if first == "private" and login != "Basic " + base64.b64encode(b"ada:s3cret").decode():
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="here"')
            self.end_headers()
            return
        cut = first == "cut" and self.command == "POST" and b"command=fetch" in body
        if first in ("private", "cut"):
            path = path[len(first) + 1 :]
        variables = dict(
            os.environ,
            GIT_PROJECT_ROOT=DIRECTORY,
            GIT_HTTP_EXPORT_ALL="1",
            PATH_INFO=path,
            QUERY_STRING=query,
            REQUEST_METHOD=self.command,
            CONTENT_TYPE=self.headers.get("Content-Type") or "",
            CONTENT_LENGTH=str(length),
            GIT_PROTOCOL=self.headers.get("Git-Protocol") or "",
            REMOTE_ADDR="127.0.0.1",
        )
        answer = subprocess.run(["git", "http-backend"], input=body, env=variables, capture_output=True).stdout
        head, _, content = answer.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self.send_response(int(fields.pop("Status", "200").split(" ")[0]))
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)

    do_GET = serve
    do_POST = serve


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        pass


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
time.sleep(120)

"""What curl makes of redirects, netrc files and `no_proxy`, to compare with: for `spec/engine/curl_spec.lua`.

curl_server.py serve SEED COUNT: serves, prints its port, and ends by itself after a quarter of an hour. It is its own proxy.
  /N/start     redirects to a random `Location`; whatever else is asked for next is answered with "content N".
  /asked       what was asked for since the last /asked: a line for each request, with its way, host and login.
curl_server.py curl PORT SEED COUNT: prints what curl asks for, for each N: "N<TAB>requests" or "N<TAB>FAILED".
curl_server.py netrc SEED N and no_proxy SEED N: print the Nth random file or list.
"""

import random
import re
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MODE = sys.argv[1]


def location(seed, number, port):
    """The bytes of a header: of all kinds that servers send, right or wrong."""
    source = random.Random(f"{seed} {number}")
    pick = source.choice
    text = ""
    if source.random() < 0.5:
        text += pick(["http://", "http://", "HTTP://", "//"])
        text += pick(["", "", "", "user:pass@", "user@", "u%40x:p%3Aq@"])
        text += pick(["127.0.0.1", "127.0.0.1", "localhost", "LocalHost", "[::1]"]) + pick([f":{port}"] * 6 + ["", ":", ":x"])
        text += pick(["/", "/", "/", "", "?"])
    elif source.random() < 0.5:
        text += "/"
    parts = ["a", "b c", "\u00e4", "%20", "%zz", "..", ".", "", "x;y=1", "a:b", "~", "'", '"', "<>", "{}", "|", "^", "`", "\\", "+", "%41", "@", "*", "!"]
    path = "/".join(pick(parts) for _ in range(source.randint(0, 4)))
    # What begins with two slashes names a host.
    text += path.lstrip("/") if text in ("", "/") else path
    if source.random() < 0.4:
        text += "?" + "&".join(pick(["a=1", "b=2 3", "c=\u00fc", "d=/../e", "", "e=?", "f=a:b", "g=//h"]) for _ in range(source.randint(0, 3)))
    if source.random() < 0.2:
        text += "#" + pick(["", "part", "a b", "a?b", "a/b"])
    # curl takes a fragment alone for another address, against RFC 3986.
    # And it takes `./?` for the directory without its slash.
    if re.match(r"#|\.{1,2}/?([?#]|$)", text):
        text = "x" + text
    blank = pick(["", "", " ", "  ", "\t"])
    return (blank + text + pick(["", "", " "])).encode(pick(["utf-8", "utf-8", "latin-1"]))


def netrc(seed, number):
    source = random.Random(f"netrc {seed} {number}")
    pick = source.choice
    lines = []
    for _ in range(source.randint(1, 4)):
        words = [pick(["machine 127.0.0.1", "machine 127.0.0.1", "machine localhost", "machine other.example", "default"])]
        logins = ["ada", "bob", "c%20d", '"with space"']
        passwords = ["one", "two", "p:q", '"a b"', "x#y"]
        fields = ["login " + pick(logins), "password " + pick(passwords)]
        if source.random() < 0.2:
            fields.append("account x")
        if source.random() < 0.2:
            fields.reverse()
        words += fields
        text = "".join(word + pick([" ", "  ", "\t", "\n", "\n  "]) for word in words)
        lines.append(text + pick(["", "# a comment", "\n# machine 127.0.0.1 login no password no"]))
        if source.random() < 0.2:
            lines.append("macdef init\nmachine 127.0.0.1 login macro password macro\n")
    return "\n".join(lines) + "\n"


def no_proxy(seed, number):
    source = random.Random(f"no_proxy {seed} {number}")
    entries = [
        "127.0.0.1", "127.0.0.0/8", "127.0.0.0/9", "128.0.0.0/1", "126.0.0.0/7", "127.0.0.1/32", "127.0.0.2/32", "127.0.0.2/31",
        "127.0.0.0/30", "10.0.0.0/8", "localhost", ".localhost", "host", "example.org", "0.0.1", "127.0.0.0/33", "::1/128",
    ]
    chosen = [source.choice(entries) for _ in range(source.randint(1, 3))]
    return source.choice([",", ", ", " "]).join(chosen)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    asked = []
    number = "0"
    lock = threading.Lock()

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        path = self.path
        way = "proxy" if path.startswith("http://") else "direct"
        plain = path.split("/", 3)[3] if way == "proxy" else path[1:]
        with Handler.lock:
            if path == "/asked":
                body, Handler.asked = "\x1f".join(Handler.asked).encode("utf-8", "surrogateescape"), []
            else:
                host = (self.headers.get("Host") or "").replace(str(self.server.server_port), "PORT").lower()
                path = path.replace(str(self.server.server_port), "PORT")
                # No address has these as they are: sys.lua escapes them, which means the same; curl does not.
                path = "".join(f"%{ord(character):02X}" if character in '"<>\\^`{|}' else character for character in path)
                path = re.sub("%[0-9a-fA-F]{2}", lambda found: found.group().upper(), path)
                # curl leaves an empty query out.
                path = path.removesuffix("?")
                # A login that a redirect itself names is sent to whatever server it names: curl sends it to the first only.
                login = self.headers.get("Authorization", "") if host == "127.0.0.1:port" else ""
                Handler.asked.append(f"{way} {path} {host} {login}")
                if plain.endswith("/start"):
                    Handler.number = plain.split("/")[0]
                    header = location(sys.argv[2], int(Handler.number), self.server.server_port)
                    self.wfile.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + header + b"\r\n\r\n")
                    return
                body = f"content {Handler.number if not plain.endswith('/file') else plain.split('/')[0]}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if MODE == "serve":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(server.server_port)
    threading.Thread(target=lambda: (time.sleep(900), server.shutdown()), daemon=True).start()
    server.serve_forever()
elif MODE == "curl":
    port, count = int(sys.argv[2]), int(sys.argv[4])
    for number in range(count):
        command = ["curl", "-q", "-sSL", "-m", "10", "--max-redirs", "10", f"http://127.0.0.1:{port}/{number}/start"]
        done = subprocess.run(command, capture_output=True)
        asked = urllib.request.urlopen(f"http://127.0.0.1:{port}/asked").read().decode("utf-8", "replace")
        is_same = done.returncode == 0 and done.stdout == f"content {number}\n".encode()
        header = location(sys.argv[3], number, port).decode("utf-8", "replace").replace("\t", " ")
        print(f"{number}\t{asked if is_same else 'FAILED'}\t{header}")
elif MODE == "netrc":
    sys.stdout.write(netrc(sys.argv[2], int(sys.argv[3])))
else:
    sys.stdout.write(no_proxy(sys.argv[2], int(sys.argv[3])))

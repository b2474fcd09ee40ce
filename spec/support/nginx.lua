--- nginx on this machine, plain and with certificates of an authority that is made for the spec.

local daemon = require("spec.support.daemon")
local process = require("spec.support.process")

local nginx = {}

local make_certificates = [[
set -e
mkdir -p tls && cd tls
key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
key ca
openssl req -x509 -new -key ca.key -days 2 -subj "/CN=spec authority" -out ca.pem \
  -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign
sign() { # NAME ALTERNATIVE-NAMES END
  key "$1"
  openssl req -new -key "$1.key" -subj "/CN=$1" -out "$1.csr"
  printf 'subjectAltName=%s\nbasicConstraints=CA:FALSE\n' "$2" >"$1.ext"
  : >index.txt
  openssl ca -batch -notext -config ca.conf -in "$1.csr" -out "$1.pem" -extfile "$1.ext" \
    -startdate 20200101000000Z -enddate "$3"
}
cat >ca.conf <<'END'
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
rand_serial = yes
[any]
commonName = supplied
END
sign good DNS:localhost,IP:127.0.0.1 20490101000000Z
sign other DNS:other.example 20490101000000Z
sign expired DNS:localhost,IP:127.0.0.1 20200102000000Z
key self
openssl req -x509 -new -key self.key -days 2 -subj "/CN=localhost" -out self.pem \
  -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=CA:FALSE
]]

local configuration = [[
worker_processes 1;
error_log error.log;
pid nginx.pid;
events { worker_connections 64; }
http {
  access_log access.log;
  client_body_temp_path temp; proxy_temp_path temp; fastcgi_temp_path temp; uwsgi_temp_path temp;
  scgi_temp_path temp;
  root web;
  sendfile on;
  server { listen 127.0.0.1:%s; }
%s}
]]

local tls_server = [[
  server {
    listen 127.0.0.1:%s ssl; ssl_certificate tls/%s.pem; ssl_certificate_key tls/%s.key;
    location = /down { return 302 http://127.0.0.1:1/file; }
    %s
  }
]]

---@class spec.Nginx
---@field url string plain HTTP, without a slash at its end
---@field urls table<string, string> HTTPS, by certificate: good, other (its name), expired, self
---@field authority string the file of the authority's certificate
---@field stop fun()

--- Starts it below a directory, whose `web/` it serves.
---@param directory string
---@param behind string? the URL of another server, which it serves as /git/ over TLS
---@return spec.Nginx
function nginx.start(directory, behind)
  local made = process.run_line(make_certificates, { directory = directory })
  assert(made.code == 0, made.stderr)
  local names = { "good", "other", "expired", "self" }
  local ports = daemon.find_ports(#names + 1)
  local servers, urls = {}, {}
  for index, name in ipairs(names) do
    local proxy = behind and ("location /git/ { proxy_pass %s/; }"):format(behind) or ""
    servers[index] = tls_server:format(ports[index + 1], name, name, proxy)
    urls[name] = "https://127.0.0.1:" .. ports[index + 1]
  end
  local file = assert(io.open(directory .. "/nginx.conf", "wb"))
  file:write(configuration:format(ports[1], table.concat(servers)))
  file:close()
  local words =
    { "nginx", "-p", directory, "-c", directory .. "/nginx.conf", "-e", directory .. "/error.log" }
  words[#words + 1], words[#words + 2] = "-g", "daemon off;"
  local server = daemon.start(words)
  for _, port in ipairs(ports) do
    daemon.wait_for_port(port)
  end
  return {
    url = "http://127.0.0.1:" .. ports[1],
    urls = urls,
    authority = directory .. "/tls/ca.pem",
    stop = server.stop,
  }
end

return nginx

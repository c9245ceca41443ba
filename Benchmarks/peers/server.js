// Answers one path from a map after a check of the caller's token, over HTTP/2 in clear text or TLS.
const crypto = require("node:crypto");
const fs = require("node:fs");
const http2 = require("node:http2");

const [port, path, body, token, key, certificate] = process.argv.slice(2);
const digest = (text) => crypto.createHash("sha256").update(text).digest("base64");
const known = new Set([digest(token)]);
const answers = new Map([[path, Buffer.from(body)]]);

function answer(stream, headers) {
  const shown = (headers.authorization ?? "").replace(/^Bearer /, "");
  const found = answers.get(headers[":path"]);
  if (!known.has(digest(shown))) {
    stream.respond({ ":status": 401 }, { endStream: true });
  } else if (!found) {
    stream.respond({ ":status": 404 }, { endStream: true });
  } else {
    stream.respond({ ":status": 200, "content-type": "application/json", "content-length": found.length });
    stream.end(found);
  }
}

const server = key
  ? http2.createSecureServer({ key: fs.readFileSync(key), cert: fs.readFileSync(certificate) })
  : http2.createServer();
server.on("stream", answer);
server.listen(Number(port), "127.0.0.1");

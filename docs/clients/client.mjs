// Look up accounts, read the stream of all accounts, and change the city of one. Needs Node 18.
//
//     BASE=http://127.0.0.1:8080 TOKEN=bst_... node client.mjs ACCOUNT...
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

const { BASE, TOKEN } = process.env;
const ATTEMPTS = 8;

/** An error answer: problem details (RFC 9457) with Zoom's code and message. */
class Problem extends Error {
  constructor(details, requestID) {
    super(`${JSON.stringify(details)} (request ${requestID})`);
    this.code = details.code;
  }
}

/** Sends a read, or a change with a key: both may be repeated. The body of a success is not read yet. */
async function send(method, path, headers = {}, body = undefined) {
  for (let attempt = 1; ; attempt++) {
    let seconds = 0.1 * 2 ** attempt;
    let failure;
    try {
      const answer = await fetch(BASE + path, {
        method, headers: { authorization: `Bearer ${TOKEN}`, ...headers }, body: body && JSON.stringify(body),
      });
      if (answer.ok || answer.status === 304) return answer;
      failure = new Problem(await answer.json(), answer.headers.get("x-request-id"));
      const after = answer.headers.get("retry-after");
      if (after) seconds = Number(after);
      else if (answer.status !== 504) seconds = Infinity;
    } catch (error) {
      failure = error; // The connection broke.
    }
    if (seconds > 60 || attempt === ATTEMPTS) throw failure;
    console.error(`${failure.message}: retry in ${seconds} s`);
    await sleep(seconds * 1000);
  }
}

async function* lines(answer) {
  let rest = "";
  for await (const text of answer.body.pipeThrough(new TextDecoderStream())) {
    const whole = (rest + text).split("\n");
    rest = whole.pop();
    for (const line of whole) yield JSON.parse(line);
  }
}

/** The line of each account. After a broken connection, it continues after the last account. */
async function* stream() {
  const after = new URLSearchParams();
  for (let part = 0; part < 20; part++) {
    try {
      for await (const line of lines(await send("GET", `/v2/billing/stream?${after}`))) {
        if (line.type === "end") return; // Only this line makes a stream complete.
        if (!line.account_id) continue;
        after.set("after", line.account_id);
        yield line;
      }
    } catch (error) {
      if (error instanceof Problem) throw error;
    }
    console.error(`the stream broke: continue with ${after}`);
  }
  throw new Error("the stream is incomplete");
}

let path, etag;
for (const account of process.argv.slice(2)) {
  path = `/v2/accounts/${encodeURIComponent(account)}/billing`;
  try {
    const answer = await send("GET", path);
    const contact = await answer.json();
    etag = answer.headers.get("etag");
    const again = await send("GET", path, { "if-none-match": etag });
    console.log(`${contact.city}, then ${again.status}`); // 304: it has not changed
  } catch (error) {
    if (error.code !== 2100) throw error;
    console.log("pays for itself");
  }
}
const counts = { contact: 0, failure: 0 };
for await (const line of stream()) counts[line.type]++;
console.log(`${counts.contact} contacts, ${counts.failure} failures`);

// The change of the last contact is refused (412) if it has changed since it was read.
const city = { city: "Berkeley" };
const headers = { "content-type": "application/json", "if-match": etag };
const check = await (await send("PATCH", `${path}?dry_run=true`, headers, city)).json();
for (const { field, from, to } of check.changes) console.log(`dry run: ${field} ${from} -> ${to}`);
// Store the key before you send the change. With the same key it is made once, however often it is sent.
const answer = await send("PATCH", path, { ...headers, "idempotency-key": `"${randomUUID()}"` }, city);
console.log(`changed: ${answer.status}`);

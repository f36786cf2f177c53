// Answers each request with its text in upper case, and an empty one with an error,
// until the queue is removed. Then it prints what it did.
//
//   node server.js QUEUE TYPE
//
// QUEUE is the key of the queue, such as 0x2a, TYPE that of the requests. It needs svmq
// from npm, whose raw bindings are used. They do not report the capacity of an inbox: a
// reply that can never fit is kept like others. Whoever may write to the queue may send
// anything: nothing of a request is trusted.
'use strict';
const fs = require('fs');
const {msg} = require('svmq');

const REQUEST = 1, REPLY = 2, ERROR = 3, REPLY_TYPE = 1;
const EMPTY = 1024; // our own code of an error
const MAX_KEPT = 1 << 20; // bytes of the replies that wait for room
const IPC_NOWAIT = 0o4000;

const did = {handled: 0, malformed: 0, expired: 0, refused: 0, 'replies lost': 0};
let kept = []; // {until, address, reply}, the oldest first
const full = (err) => /Resource temporarily unavailable/.test(err.message);

// The binding reads the bytes later, so send keeps them until then.
const send = (id, data, type, flags) =>
  new Promise((done, failed) => msg.snd(id, data, type, flags, (err) => (err ? failed(err) : done(data))));
const receive = (id, size, type) =>
  new Promise((done, failed) => msg.rcv(id, size, type, 0, (err, data) => (err ? failed(err) : done(data))));

function encode(kind, code, h, payload) {
  const b = Buffer.alloc(40);
  b.write('ipcq');
  b[4] = 1;
  b[5] = kind;
  b.writeUInt16LE(code, 6);
  h.id.copy(b, 8);
  h.token.copy(b, 16);
  return Buffer.concat([b, payload]);
}

// Returns a request, or null if it is not a request of version 1.
function decode(b) {
  if (b.length < 40 || b.toString('latin1', 0, 4) !== 'ipcq' || b[4] !== 1 || b[5] !== REQUEST) return null;
  const n = b.readUInt16LE(32), m = b.readUInt16LE(34), end = 40 + n + m;
  if (n > 255 || m > 1024 || end > b.length || b.readBigUInt64LE(8) === 0n) return null;
  const metadata = new Map();
  for (let at = 40 + n; at < end;) {
    const k = b[at];
    if (k === 0 || at + 1 + k + 2 > end) return null;
    const key = b.toString('latin1', at + 1, at + 1 + k), v = b.readUInt16LE(at + 1 + k);
    at += 1 + k + 2 + v;
    if (at > end || metadata.has(key)) return null;
    metadata.set(key, b.subarray(at - v, at));
  }
  const due = metadata.get('\0d');
  if (due && due.length < 24) return null;
  return {
    id: b.subarray(8, 16), token: b.subarray(16, 24), deadline: b.readBigInt64LE(24), due,
    address: b.toString('latin1', 40, 40 + n), payload: b.subarray(end),
  };
}

function contents(path) {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function link(path) {
  try {
    return fs.readlinkSync(path);
  } catch {
    return '';
  }
}

// Returns the nanoseconds since the boot with this id, to a hundredth of a second;
// null if they are not known, or it is another boot.
function sinceBoot(id) {
  const boot = Buffer.from(contents('/proc/sys/kernel/random/boot_id').replace(/[-\n]/g, ''), 'hex');
  const uptime = contents('/proc/uptime').match(/^(\d+)\.(\d\d) /);
  if (!boot.equals(id) || !uptime || link('/proc/self/ns/time') !== link('/proc/self/ns/time_for_children')) return null;
  const offset = contents('/proc/self/timens_offsets').match(/^boottime\s+(-?\d+)\s+(\d+)/m) || [0, 0, 0];
  return BigInt(uptime[1] + uptime[2]) * 10_000_000n - BigInt(offset[1]) * 1_000_000_000n - BigInt(offset[2]);
}

// Returns for how many milliseconds the client still waits, Infinity without a deadline.
function timeLeft(h) {
  const now = h.due ? sinceBoot(h.due.subarray(0, 16)) : null;
  if (now !== null) return Number(h.due.readBigInt64LE(16) - now) / 1e6;
  return h.deadline === 0n ? Infinity : Number(h.deadline - BigInt(Date.now()) * 1_000_000n) / 1e6;
}

// Returns the id of the inbox at an address, null if there is none. If other queues
// were accepted, a client could direct this server to the queue of another program. The
// binding cannot read a mode; /proc shows the modes of all queues to all users.
function openInbox(address) {
  const [, scheme, number] = address.match(/^(sysv:|sysvkey:0x)([0-9a-f]+)$/) || [];
  if (!scheme || (scheme === 'sysv:' ? !/^(0|[1-9]\d{0,9})$/.test(number) : !/^[0-9a-f]{8}$/.test(number) || /^0+$/.test(number))) return null;
  const wanted = scheme === 'sysv:' ? Number(number) : parseInt(number, 16) | 0;
  for (const line of contents('/proc/sysvipc/msg').split('\n').slice(1)) {
    const [key, id, perms] = line.trim().split(/\s+/);
    if (Number(scheme === 'sysv:' ? id : key) === wanted) return (parseInt(perms, 8) & 0o755) === 0o611 ? Number(id) : null;
  }
  return null;
}

// Sends a reply: true if there was room, false if not, null if the client is gone.
const put = (inbox, reply) => send(inbox, reply, REPLY_TYPE, IPC_NOWAIT).then(() => true, (err) => (full(err) ? false : null));

function answer(h) {
  if (h.payload.length === 0) return encode(ERROR, EMPTY, h, Buffer.from('nothing to put in upper case'));
  const upper = h.payload.toString('latin1').replace(/[a-z]+/g, (s) => s.toUpperCase()); // whatever the bytes are
  return encode(REPLY, 0, h, Buffer.from(upper, 'latin1'));
}

// Handles a message, and keeps a reply without room until its deadline, so that it
// delays no other client.
async function handle(message) {
  const h = decode(message);
  if (!h) return did.malformed++;
  const left = timeLeft(h);
  if (left <= 0) return did.expired++;
  const inbox = openInbox(h.address);
  if (inbox === null) return did.refused++;
  const reply = answer(h);
  did.handled++;
  if (!kept.some((k) => k.address === h.address)) {
    const sent = await put(inbox, reply);
    if (sent) return;
    if (sent === null) return did['replies lost']++;
  }
  if (kept.reduce((sum, k) => sum + k.reply.length, reply.length) > MAX_KEPT) return did['replies lost']++;
  kept.push({until: performance.now() + (left === Infinity ? 30_000 : left), address: h.address, reply});
}

// Sends kept replies for which there is room now, and drops those that nobody waits for
// any more.
async function sendKept() {
  const blocked = new Set(), all = kept;
  kept = [];
  for (const k of all) {
    const inbox = blocked.has(k.address) ? undefined : openInbox(k.address);
    const sent = inbox === undefined ? false : inbox === null ? null : await put(inbox, k.reply);
    if (sent === false) {
      blocked.add(k.address);
      if (performance.now() < k.until) {
        kept.push(k);
        continue;
      }
    }
    if (!sent) did['replies lost']++;
  }
}

async function main([name, type]) {
  if (type === undefined) throw new Error('usage: node server.js QUEUE TYPE');
  const queue = msg.get(Number(name) | 0, 0);
  let size = 8192, next = receive(queue, size, Number(type)); // kernel.msgmax by default
  for (;;) {
    try {
      // One call waits for requests, while this looks at the inboxes that were full.
      const tick = kept.length === 0 ? [] : [new Promise((done) => setTimeout(done, 5))];
      const message = await Promise.race([next, ...tick]);
      await sendKept();
      if (message === undefined) continue;
      await handle(message);
    } catch (err) {
      if (!/Argument list too long/.test(err.message)) break; // the queue is gone
      size *= 2; // the message stays in the queue
    }
    next = receive(queue, size, Number(type));
  }
  did['replies lost'] += kept.length;
  console.log(Object.entries(did).map(([what, n]) => `${what} ${n}`).join(', '));
}

main(process.argv.slice(2)).catch((err) => {
  process.stderr.write(err.message + '\n');
  process.exit(2);
});

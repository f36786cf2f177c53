// Sends each text as a request, one after the other, and prints the replies.
//
//   node client.js QUEUE TYPE MILLISECONDS TEXT...
//
// QUEUE is the key of the queue, such as 0x2a, TYPE the type that the server
// handles. The status is 0 if there was a reply to each request, 1 if an error came
// or none before the deadline. It needs svmq from npm, whose raw bindings are used:
// its open() creates queues, and its pop() takes no more than 4052 bytes.
// PROTOCOL.md of package ipcmq/mux/rpc specifies the protocol.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const {msg} = require('svmq');

const REQUEST = 1, REPLY = 2, ERROR = 3, OWNER = 6;
const REPLY_TYPE = 1, OWNER_TYPE = 2;
const LARGEST = 65536; // bytes of a message here
const IPC_CREAT = 0o1000, IPC_EXCL = 0o2000, IPC_NOWAIT = 0o4000;

const full = (err) => /Resource temporarily unavailable/.test(err.message);

// The binding reads the bytes later, so send keeps them until then.
const send = (id, data, type, flags) =>
  new Promise((done, failed) => msg.snd(id, data, type, flags, (err) => (err ? failed(err) : done(data))));
const receive = (id, type) =>
  new Promise((done, failed) => msg.rcv(id, LARGEST, type, 0, (err, data) => (err ? failed(err) : done(data))));

function encode(id, token, deadline, address, metadata, payload) {
  const h = Buffer.alloc(40);
  h.write('ipcq');
  h[4] = 1;
  h[5] = REQUEST;
  h.writeBigUInt64LE(id, 8);
  token.copy(h, 16);
  h.writeBigInt64LE(deadline, 24);
  h.writeUInt16LE(address.length, 32);
  h.writeUInt16LE(metadata.length, 34);
  return Buffer.concat([h, address, metadata, payload]);
}

// Returns kind, code, id, token and payload of a message, or null if it is not a
// message of version 1.
function decode(b) {
  if (b.length < 40 || b.toString('latin1', 0, 4) !== 'ipcq' || b[4] !== 1 || b[5] < REQUEST || b[5] > ERROR) return null;
  const n = b.readUInt16LE(32), m = b.readUInt16LE(34), end = 40 + n + m;
  if (n > 255 || m > 1024 || end > b.length) return null;
  let at = 40 + n;
  while (at < end) { // the metadata, which is skipped here
    const k = b[at];
    if (k === 0 || at + 1 + k + 2 > end) return null;
    at += 1 + k + 2 + b.readUInt16LE(at + 1 + k);
  }
  if (at !== end) return null;
  return {kind: b[5], code: b.readUInt16LE(6), id: b.readBigUInt64LE(8), token: b.subarray(16, 24), payload: b.subarray(end)};
}

function contents(path) {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

// Returns the number of a namespace of this process, 0 if it is not known.
function namespace(name) {
  try {
    return BigInt(fs.readlinkSync('/proc/self/ns/' + name).match(/\d+/)[0]);
  } catch {
    return 0n;
  }
}

// Returns the field for a deadline this many nanoseconds from now, by the time since
// boot, which Node can read to a hundredth of a second; nothing if it cannot.
function due(left) {
  const boot = Buffer.from(contents('/proc/sys/kernel/random/boot_id').replace(/[-\n]/g, ''), 'hex');
  const uptime = contents('/proc/uptime').match(/^(\d+)\.(\d\d) /);
  if (boot.length !== 16 || !uptime || namespace('time') !== namespace('time_for_children')) return Buffer.alloc(0);
  const offset = contents('/proc/self/timens_offsets').match(/^boottime\s+(-?\d+)\s+(\d+)/m) || [0, 0, 0];
  const now = BigInt(uptime[1] + uptime[2]) * 10_000_000n - BigInt(offset[1]) * 1_000_000_000n - BigInt(offset[2]);
  const field = Buffer.alloc(29);
  field.set([2, 0, 'd'.charCodeAt(0), 24, 0]);
  boot.copy(field, 5);
  field.writeBigInt64LE(now + left, 21);
  return field;
}

// Returns the record of the owner: zeros if it is not known.
function owner() {
  const b = Buffer.alloc(40);
  b.write('ipcq');
  b[4] = 1;
  b[5] = OWNER;
  const fields = contents('/proc/self/stat').replace(/^.*\)/s, '').trim().split(' ');
  if (fields.length > 19) {
    [BigInt(process.pid), BigInt(fields[19]), namespace('pid'), namespace('time')].forEach((n, i) => b.writeBigUInt64LE(n, 8 + 8 * i));
  }
  return b;
}

// Creates an inbox with a key, which servers in every language can open. The binding
// cannot change a mode, so the inbox is created with its final mode.
async function makeInbox() {
  for (;;) {
    const key = crypto.randomInt(1, 2 ** 31);
    let id;
    try {
      id = msg.get(key, IPC_CREAT | IPC_EXCL | 0o611);
    } catch (err) {
      if (/File exists/.test(err.message)) continue;
      throw err;
    }
    await send(id, owner(), OWNER_TYPE, IPC_NOWAIT);
    return [id, 'sysvkey:0x' + key.toString(16).padStart(8, '0')];
  }
}

async function main([name, type, milliseconds, ...texts]) {
  if (milliseconds === undefined) throw new Error('usage: node client.js QUEUE TYPE MILLISECONDS TEXT...');
  const queue = msg.get(Number(name) | 0, 0);
  const [inbox, address] = await makeInbox();
  const token = crypto.randomBytes(8);
  let removed = false;
  const remove = () => {
    if (!removed) msg.close(inbox); // removes the inbox, and ends the call that waits for a reply
    removed = true;
  };
  process.on('exit', remove);
  // process.exit would wait for that call, or one that waits for room in the queue.
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => { remove(); process.kill(process.pid, signal); });

  const waiting = new Map(); // calls by id
  (async () => {
    for (;;) {
      const h = decode(await receive(inbox, REPLY_TYPE));
      // Late replies, and messages of someone who guesses, are not for us.
      if (!h || h.kind === REQUEST || !h.token.equals(token) || !waiting.has(h.id)) continue;
      waiting.get(h.id)(h);
      waiting.delete(h.id);
    }
  })().catch((err) => { if (!removed) throw err; });

  const request = (text, i) => new Promise((done, failed) => {
    const id = BigInt(i + 1), patience = BigInt(milliseconds) * 1_000_000n;
    const message = encode(id, token, BigInt(Date.now()) * 1_000_000n + patience, Buffer.from(address), due(patience), Buffer.from(text));
    const giveUp = () => { waiting.delete(id); done(null); };
    const until = Date.now() + Number(milliseconds);
    waiting.set(id, done);
    setTimeout(giveUp, Number(milliseconds));
    // A call that waits for room would hold one of the four threads of libuv.
    const trySend = () => send(queue, message, Number(type), IPC_NOWAIT).catch((err) => {
      if (!full(err)) failed(err);
      else if (waiting.has(id) && Date.now() < until) setTimeout(trySend, 5);
    });
    trySend();
  });
  let status = 0;
  for (const [i, text] of texts.entries()) {
    const h = await request(text, i);
    if (!h || h.kind !== REPLY) status = 1;
    if (!h) process.stdout.write('no reply in time\n');
    else process.stdout.write(Buffer.concat([Buffer.from(h.kind === ERROR ? `error ${h.code}: ` : ''), h.payload, Buffer.from('\n')]));
  }
  remove();
  return status;
}

main(process.argv.slice(2)).then((status) => { process.exitCode = status; process.exit(); }, (err) => {
  process.stderr.write(err.message + '\n');
  process.exit(2);
});

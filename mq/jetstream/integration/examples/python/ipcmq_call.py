#!/usr/bin/env python3
"""Request-reply of ipcmq/mux/rpc over a queue on NATS JetStream, as mux/rpc/PROTOCOL.md and
mq/jetstream/PROTOCOL.md describe it. With ipcmq_queue.py and plain_nats.py:

    ipcmq_call.py call NAME TYPE TEXT     asks the server of that type, and prints its reply
    ipcmq_call.py serve NAME TYPE N       answers N requests, with what they say in capitals
"""
import os, secrets, struct, sys, time
from ipcmq_queue import Queue
from plain_nats import Nats

REQUEST, REPLY, ERROR = 1, 2, 3
HEADER = struct.Struct("<4sBBHQQqHH4x")  # magic, version, kind, code, id, token, deadline, address, metadata


def parse(data):
    """Returns kind, id, token, deadline, address and payload, or None if it is no message of this protocol."""
    if len(data) < HEADER.size:
        return None
    magic, version, kind, _, id, token, deadline, n, m = HEADER.unpack_from(data)
    if (magic, version) != (b"ipcq", 1) or HEADER.size + n + m > len(data):
        return None
    rest = data[HEADER.size:]
    return kind, id, token, deadline, rest[:n].decode(), rest[n + m:]


class Client:
    def __init__(self, queue):
        self.queue, self.token, self.id = queue, secrets.randbits(64), 0
        inbox = secrets.token_hex(13)
        self.address = f"jetstream:{queue.name}:{inbox}"
        self.subscription = queue.nats.subscribe(f"{queue.prefix}inbox.{inbox}.*")

    def call(self, type, payload, seconds=30):
        self.id += 1
        end = time.monotonic() + seconds
        self.queue.send(type, HEADER.pack(b"ipcq", 1, REQUEST, 0, self.id, self.token, time.time_ns() + int(seconds * 1e9),
                                          len(self.address), 0) + self.address.encode() + payload)
        while True:
            m = self.queue.nats.receive(end - time.monotonic())
            if m.subscription != self.subscription:
                continue
            self.queue.nats.publish(m.reply, b"taken")  # else the server sends it again
            got = parse(m.data)
            if m.subject.endswith(".1") and got and got[1:3] == (self.id, self.token):
                if got[0] == ERROR:
                    raise RuntimeError(got[5].decode())
                return got[5]


def serve(queue, type, handle, count):
    for _ in range(count):
        _, data, ack = queue.lease(type)
        queue.ack(ack)
        got = parse(data)
        if not got or got[0] != REQUEST or 0 < got[3] < time.time_ns():
            continue
        _, id, token, _, address, payload = got
        name, _, inbox = address.removeprefix("jetstream:").partition(":")
        if name != queue.name or len(inbox) != 26 or not inbox.isalnum():
            continue  # it is no inbox of this queue
        reply = HEADER.pack(b"ipcq", 1, REPLY, 0, id, token, 0, 0, 0) + handle(payload)
        queue.nats.request(f"{queue.prefix}inbox.{inbox}.1", reply, "Nats-Msg-Id: " + secrets.token_hex(11))


if __name__ == "__main__":
    command, name, type, last = sys.argv[1:]
    q = Queue(Nats(os.environ.get("NATS_URL", "nats://127.0.0.1:4222")), name)
    if command == "call":
        print(Client(q).call(int(type), last.encode()).decode())
    else:
        serve(q, int(type), bytes.upper, int(last))

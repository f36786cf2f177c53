"""Answers each request with its text in upper case, and an empty one with an
error, until the queue is removed or SIGTERM comes. Then it prints what it did.

    python3 server.py QUEUE TYPE

QUEUE is the key of a System V queue, such as 0x2a, which needs the module sysv_ipc; or
the name of a POSIX queue, such as /jobs, which needs posix_ipc.
TYPE is that of the requests; POSIX queues have none. sysv_ipc cannot open a queue by
its id: clients of a System V queue need an inbox with a key. Whoever may write to
the queue may send anything: nothing of a request is trusted."""

import collections
import os
import re
import signal
import struct
import sys
import time

REQUEST, REPLY, ERROR = 1, 2, 3
REPLY_TYPE, OWNER_SIZE = 1, 40
TOO_LARGE, EMPTY = 3, 1024  # codes of errors; from 1024 up they are our own
MAX_KEPT = 1 << 20  # bytes of the replies that wait for room
TICK = 0.01  # seconds between two looks at the inboxes that were full


class Refused(Exception):
    """The address is not that of an inbox."""


class Gone(Exception):
    """The queue is gone."""


def encode(kind, ident, token, code=0, payload=b""):
    return struct.pack("<4sBBHQQqHHI", b"ipcq", 1, kind, code, ident, token, 0, 0, 0, 0) + payload


def decode(b):
    """Returns id, token, deadline, metadata, address and payload of a request, or None."""
    if len(b) < 40:
        return None
    magic, version, kind, _, ident, token, deadline, n, m, _ = struct.unpack_from("<4sBBHQQqHHI", b)
    if magic != b"ipcq" or version != 1 or kind != REQUEST or ident == 0 or n > 255 or m > 1024 or 40 + n + m > len(b):
        return None
    metadata, at, end = {}, 40 + n, 40 + n + m
    while at < end:
        k = b[at]
        if k == 0 or at + 1 + k + 2 > end:
            return None
        key, v = b[at + 1 : at + 1 + k], struct.unpack_from("<H", b, at + 1 + k)[0]
        at += 1 + k + 2 + v
        if at > end or key in metadata:
            return None
        metadata[key] = b[at - v : at]
    if len(metadata.get(b"\0d", bytes(24))) < 24:
        return None
    return ident, token, deadline, metadata, b[40 : 40 + n], b[end:]


def boot_clock():
    """Returns the id of the boot and what the time namespace adds to
    CLOCK_BOOTTIME, in nanoseconds; or None if that is not known."""
    try:
        boot = bytes.fromhex(open("/proc/sys/kernel/random/boot_id").read().strip().replace("-", ""))
        if not os.path.exists("/proc/self/timens_offsets"):
            return boot, 0
        if os.stat("/proc/self/ns/time").st_ino != os.stat("/proc/self/ns/time_for_children").st_ino:
            return None
        for line in open("/proc/self/timens_offsets"):
            if line.startswith("boottime"):
                _, seconds, ns = line.split()
                return boot, int(seconds) * 10**9 + int(ns)
    except (OSError, ValueError):
        pass
    return None


def seconds_left(deadline, metadata, clock):
    """Returns how long the client still waits, None without a deadline."""
    field = metadata.get(b"\0d")
    if field and clock and field[:16] == clock[0]:
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - clock[1]
        return (struct.unpack_from("<q", field, 16)[0] - now) / 1e9
    return (deadline - time.time_ns()) / 1e9 if deadline else None


class SysV:
    def __init__(self, name, typ):
        import sysv_ipc as m

        self.m, self.type = m, typ
        key = int(name, 0)
        self.key = key - (1 << 32) if key >= 1 << 31 else key
        self.resize(8192)  # kernel.msgmax by default

    def resize(self, size):
        self.size = size
        self.queue = self.m.MessageQueue(self.key, max_message_size=size)

    def receive(self, tick):
        """Returns a request, or None if a tick came first."""
        signal.setitimer(signal.ITIMER_REAL, TICK if tick else 0, TICK if tick else 0)
        while True:
            try:
                return self.queue.receive(type=self.type)[0]
            except self.m.ExistentialError:
                raise Gone from None
            except self.m.PermissionsError:
                raise
            except self.m.Error:  # "Signaled while waiting"
                return None
            except OSError as e:
                if e.errno != 7:  # E2BIG: the message stays in the queue
                    raise
                self.resize(2 * self.size)

    def open_inbox(self, address):
        """Returns the inbox, and the maximum size of a reply in it."""
        if not re.fullmatch(rb"sysvkey:0x[0-9a-f]{8}", address) or int(address[8:], 16) == 0:
            raise Refused
        key = int(address[8:], 16)
        try:
            q = self.m.MessageQueue(key - (1 << 32) if key >= 1 << 31 else key, max_message_size=1 << 24)
            # If other queues were accepted, a client could direct this server to the
            # queue of another program.
            if q.mode & 0o755 != 0o611:
                raise Refused
            return q, q.max_size - OWNER_SIZE
        except self.m.Error:
            raise Refused from None

    def put(self, inbox, message):
        """Returns whether there was room."""
        try:
            inbox.send(message, block=False, type=REPLY_TYPE)
            return True
        except self.m.BusyError:
            return False
        except self.m.Error:
            raise Gone from None


class Posix:
    def __init__(self, name, _):
        import posix_ipc as m

        self.m = m
        self.queue = m.MessageQueue(name, 0)

    def receive(self, tick):
        try:
            return self.queue.receive(TICK if tick else None)[0]
        except (self.m.BusyError, self.m.SignalError):
            return None

    def open_inbox(self, address):
        if not re.fullmatch(rb"posix:/ipcmq-inbox-[^/\0]+", address):
            raise Refused
        try:
            q = self.m.MessageQueue(os.fsdecode(address[6:]), 0, read=False)
            q.block = False
            return q, q.max_message_size
        except (self.m.Error, OSError, ValueError):
            raise Refused from None

    def put(self, inbox, message):
        try:
            inbox.send(message)
            return True
        except self.m.BusyError:
            return False
        finally:
            inbox.close()


class Server:
    def __init__(self, queue):
        self.queue, self.clock = queue, boot_clock()
        self.did = dict.fromkeys(("handled", "malformed", "expired", "refused", "replies lost"), 0)
        self.kept = collections.deque()  # deadline, address, message; the oldest first

    def answer(self, ident, token, payload):
        if not payload:
            return encode(ERROR, ident, token, EMPTY, b"nothing to put in upper case")
        return encode(REPLY, ident, token, payload=payload.upper())

    def handle(self, message):
        request = decode(message)
        if not request:
            self.did["malformed"] += 1
            return
        ident, token, deadline, metadata, address, payload = request
        left = seconds_left(deadline, metadata, self.clock)
        if left is not None and left <= 0:
            self.did["expired"] += 1
            return
        try:
            inbox, room = self.queue.open_inbox(address)
        except Refused:
            self.did["refused"] += 1
            return
        reply = self.answer(ident, token, payload)
        self.did["handled"] += 1
        if len(reply) > room:
            reply = encode(ERROR, ident, token, TOO_LARGE, b"the reply does not fit into the inbox")
        # A reply without room is kept, so that it delays no other client.
        try:
            if all(a != address for _, a, _ in self.kept) and self.queue.put(inbox, reply):
                return
        except Gone:
            self.did["replies lost"] += 1
            return
        if sum(len(m) for _, _, m in self.kept) + len(reply) > MAX_KEPT:
            self.did["replies lost"] += 1
            return
        self.kept.append((time.monotonic() + (30 if left is None else left), address, reply))

    def send_kept(self):
        """Sends kept replies for which there is room now, and drops those that nobody
        waits for any more."""
        full, rest = set(), collections.deque()
        for until, address, message in self.kept:
            try:
                if address not in full and self.queue.put(self.queue.open_inbox(address)[0], message):
                    continue
            except (Refused, Gone):
                self.did["replies lost"] += 1
                continue
            full.add(address)
            if time.monotonic() < until:
                rest.append((until, address, message))
            else:
                self.did["replies lost"] += 1
        self.kept = rest

    def run(self):
        while True:
            self.send_kept()
            message = self.queue.receive(bool(self.kept))
            if message is not None:
                self.handle(message)


def main():
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} QUEUE TYPE")
    name, typ = sys.argv[1], int(sys.argv[2])
    signal.signal(signal.SIGALRM, lambda *_: None)  # it interrupts a waiting call
    server = Server(Posix(name, typ) if name.startswith("/") else SysV(name, typ))
    # Both modules replace an exception of a signal handler with their own, except
    # KeyboardInterrupt.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        server.run()
    except (Gone, KeyboardInterrupt):
        signal.setitimer(signal.ITIMER_REAL, 0)  # otherwise the signal would kill Python at its exit
        server.did["replies lost"] += len(server.kept)
        print(", ".join(f"{what} {n}" for what, n in server.did.items()))


main()

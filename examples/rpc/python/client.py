"""Sends each text as a request, one after the other, and prints the replies.

    python3 client.py QUEUE TYPE MILLISECONDS TEXT...

QUEUE is the key of a System V queue, such as 0x2a, which needs the module sysv_ipc; or
the name of a POSIX queue, such as /jobs, which needs posix_ipc.
TYPE is the type that the server handles; POSIX queues have none. The status is 0
if there was a reply to each request, 1 if an error came or none before the
deadline. PROTOCOL.md of package ipcmq/mux/rpc specifies the protocol."""

import os
import secrets
import signal
import struct
import sys
import time

REQUEST, REPLY, ERROR, OWNER = 1, 2, 3, 6
REPLY_TYPE, OWNER_TYPE = 1, 2
LARGEST = 65536  # bytes of a message here
TICK = 0.01  # seconds after which a waiting call checks the time


def encode(kind, ident, token, code=0, deadline=0, address=b"", metadata=b"", payload=b""):
    head = struct.pack("<4sBBHQQqHHI", b"ipcq", 1, kind, code, ident, token, deadline, len(address), len(metadata), 0)
    return head + address + metadata + payload


def decode(b):
    """Returns kind, code, id, token and payload, or None if b is not a message of
    version 1."""
    if len(b) < 40:
        return None
    magic, version, kind, code, ident, token, _, n, m, _ = struct.unpack_from("<4sBBHQQqHHI", b)
    if magic != b"ipcq" or version != 1 or not REQUEST <= kind <= ERROR or n > 255 or m > 1024 or 40 + n + m > len(b):
        return None
    at, end = 40 + n, 40 + n + m
    while at < end:  # the metadata, which is skipped here
        k = b[at]
        if k == 0 or at + 1 + k + 2 > end:
            return None
        at += 1 + k + 2 + struct.unpack_from("<H", b, at + 1 + k)[0]
    return (kind, code, ident, token, b[end:]) if at == end else None


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


def owner():
    """Returns pid namespace, time namespace, pid and start of this process, zeros
    if they are not known."""
    try:
        with open("/proc/self/stat") as f:
            start = int(f.read().rpartition(")")[2].split()[19])
        time_ns = os.stat("/proc/self/ns/time").st_ino if os.path.exists("/proc/self/ns/time") else 0
        return os.stat("/proc/self/ns/pid").st_ino, time_ns, os.getpid(), start
    except OSError:
        return 0, 0, 0, 0


class SysV:
    """A System V queue, and an inbox with a key, since the module cannot open a queue
    by its id."""

    def __init__(self, name, typ):
        import sysv_ipc as m

        self.m, self.type = m, typ
        key = int(name, 0)
        self.queue = m.MessageQueue(key - (1 << 32) if key >= 1 << 31 else key, max_message_size=LARGEST)
        while True:
            key = secrets.randbelow(2**31 - 1) + 1
            try:
                self.inbox = m.MessageQueue(key, m.IPC_CREX, mode=0o600, max_message_size=LARGEST)
                break
            except m.ExistentialError:
                pass  # another queue has this key
        pid_ns, time_ns, pid, start = owner()
        self.inbox.send(struct.pack("<4sBBHQQQQ", b"ipcq", 1, OWNER, 0, pid, start, pid_ns, time_ns), type=OWNER_TYPE)
        self.inbox.mode = 0o611  # the record is first: now others may send
        self.address = f"sysvkey:0x{key:08x}".encode()

    def remove(self):
        self.inbox.remove()

    def call(self, action, until):
        """Makes a call that may wait; returns False if the deadline came first."""
        while True:
            try:
                return action()
            except (self.m.ExistentialError, self.m.PermissionsError):
                raise
            except self.m.Error:  # "Signaled while waiting"
                if time.monotonic() >= until:
                    return False

    def send(self, message, until):
        signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
        return self.call(lambda: self.queue.send(message, type=self.type), until) is None

    def receive(self, until):
        """Returns a message, or None at the deadline."""
        signal.setitimer(signal.ITIMER_REAL, TICK, TICK)
        got = self.call(lambda: self.inbox.receive(type=REPLY_TYPE), until)
        return got[0] if got else None


class Posix:
    """A POSIX queue, and an inbox whose name identifies its owner."""

    def __init__(self, name, _):
        import posix_ipc as m

        self.m = m
        self.queue = m.MessageQueue(name, 0, read=False)
        path = "/ipcmq-inbox-%d-%d-%d-%d-" % owner() + secrets.token_hex(16)
        self.inbox = m.MessageQueue(path, m.O_CREX, mode=0o600, max_messages=8, max_message_size=8192)
        self.address = b"posix:" + path.encode()

    def remove(self):
        self.inbox.unlink()

    def call(self, action, until):
        while True:
            try:
                return action(max(0, until - time.monotonic()))
            except self.m.SignalError:
                pass
            except self.m.BusyError:
                return False

    def send(self, message, until):
        return self.call(lambda left: self.queue.send(message, timeout=left), until) is None

    def receive(self, until):
        got = self.call(lambda left: self.inbox.receive(timeout=left), until)
        return got[0] if got else None


def request(q, clock, token, ident, patience, text):
    """Returns whether a reply arrived that is not an error; prints what arrived."""
    until = time.monotonic() + patience
    metadata = b""
    if clock:
        due = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - clock[1] + int(patience * 1e9)
        metadata = b"\x02\x00d\x18\x00" + clock[0] + struct.pack("<q", due)
    deadline = time.time_ns() + int(patience * 1e9)
    if not q.send(encode(REQUEST, ident, token, deadline=deadline, address=q.address, metadata=metadata, payload=text), until):
        print("no reply in time")
        return False
    while (message := q.receive(until)) is not None:
        got = decode(message)
        # Late replies, and messages of someone who guesses, are not for us.
        if not got or got[0] == REQUEST or got[2] != ident or got[3] != token:
            continue
        kind, code, _, _, payload = got
        if kind == ERROR:
            sys.stdout.write(f"error {code}: ")
        sys.stdout.flush()
        sys.stdout.buffer.write(payload + b"\n")
        return kind == REPLY
    print("no reply in time")
    return False


def main():
    if len(sys.argv) < 4:
        sys.exit(f"usage: {sys.argv[0]} QUEUE TYPE MILLISECONDS TEXT...")
    name, typ, patience = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) / 1000
    signal.signal(signal.SIGALRM, lambda *_: None)  # it interrupts a waiting call
    # Both modules replace an exception of a signal handler with their own, except
    # KeyboardInterrupt.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    q = Posix(name, typ) if name.startswith("/") else SysV(name, typ)
    try:
        token, clock = secrets.randbits(64), boot_clock()
        answers = [request(q, clock, token, i, patience, os.fsencode(t)) for i, t in enumerate(sys.argv[4:], 1)]
    except KeyboardInterrupt:
        sys.exit(143)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)  # otherwise the signal would kill Python at its exit
        q.remove()
    sys.exit(not all(answers))


main()

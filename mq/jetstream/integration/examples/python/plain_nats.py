"""As much of the protocol of NATS as the programs here need, over a plain socket."""
import json, queue, secrets, socket, threading, time
from collections import namedtuple
from urllib.parse import urlparse

Message = namedtuple("Message", "subscription subject reply header data")


class Nats:
    """A connection, for one thread. After a ConnectionError or OSError make a new one."""

    def __init__(self, url):
        u = urlparse(url)
        self.sock, self.lock = socket.create_connection((u.hostname, u.port or 4222)), threading.Lock()
        self.arrived, self.subscriptions = queue.Queue(), 0
        user = {"user": u.username, "pass": u.password} if u.username else {}
        self.write("CONNECT " + json.dumps({"verbose": False, "headers": True, "no_responders": True, **user}))
        threading.Thread(target=self.read, daemon=True).start()

    def write(self, line, payload=None):
        with self.lock:
            self.sock.sendall(line.encode() + b"\r\n" + (b"" if payload is None else payload + b"\r\n"))

    def subscribe(self, subject):
        """Returns the number of the subscription, which its messages have."""
        self.subscriptions += 1
        self.write(f"SUB {subject} {self.subscriptions}")
        return self.subscriptions

    def publish(self, subject, data=b"", reply="", header=""):
        if header:
            head = f"NATS/1.0\r\n{header}\r\n\r\n".encode()
            self.write(f"HPUB {subject} {reply} {len(head)} {len(head) + len(data)}", head + data)
        else:
            self.write(f"PUB {subject} {reply} {len(data)}", data)

    def read(self):
        with self.sock.makefile("rb") as file:
            for line in file:
                words = line.decode().split()
                if words[0] == "PING":
                    self.write("PONG")
                elif words[0] in ("MSG", "HMSG"):
                    size = int(words[-2]) if words[0] == "HMSG" else 0
                    reply = words[3] if len(words) == (6 if size else 5) else ""
                    data = file.read(int(words[-1]) + 2)[:-2]
                    self.arrived.put(Message(int(words[2]), words[1], reply, data[:size].decode(), data[size:]))
        self.arrived.put(None)

    def receive(self, seconds):
        """Returns the next message of any subscription, or raises TimeoutError."""
        try:
            message = self.arrived.get(timeout=max(seconds, 0))
        except queue.Empty:
            raise TimeoutError from None
        if message is None:
            raise ConnectionError("the server has closed the connection")
        return message

    def request(self, subject, data=b"", header="", seconds=1.0):
        """Returns the answer. After a TimeoutError it may have happened or not."""
        inbox, end = "_INBOX." + secrets.token_hex(11), time.monotonic() + seconds
        subscription = self.subscribe(inbox)
        self.write(f"UNSUB {subscription} 1")  # after one message
        self.publish(subject, data, inbox, header)
        while True:
            message = self.receive(end - time.monotonic())
            if message.subscription == subscription:  # or it is one that comes late
                return message

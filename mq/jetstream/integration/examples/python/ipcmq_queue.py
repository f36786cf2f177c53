#!/usr/bin/env python3
"""Queues of ipcmq on NATS JetStream, as mq/jetstream/PROTOCOL.md describes them. Copy this
file and plain_nats.py, or try them with the server of NATS_URL:

    ipcmq_queue.py send NAME TYPE TEXT    sends a message
    ipcmq_queue.py work NAME TYPE N       handles N messages of a type (0: of any), and prints them"""
import base64, contextlib, json, os, re, secrets, sys, time
from plain_nats import Nats

FULL, NO_MESSAGE, EXISTS, TAKEN_BY_ANOTHER = 10077, 10037, 10148, (10043, 10057)

class Refused(Exception):
    def __init__(self, error):
        super().__init__(error["description"])
        self.code = error["err_code"]


class Queue:
    """A queue that exists: `ipcmq create js:NAME` makes one."""

    def __init__(self, nats, name):
        self.nats, self.name, self.stream, self.prefix, self.consumers = nats, name, "IPCMQ_" + name, f"ipcmq.{name}.", set()
        self.metadata = self.api("STREAM.INFO." + self.stream)["config"]["metadata"]
        if self.metadata["ipcmq-mode"] not in ("lease", "claim"):
            raise ValueError(f"{name} is a queue of another version")

    def ask(self, subject, data=b"", header=""):
        """Asks until there is an answer: a cluster that elects a leader is silent for some seconds."""
        while True:
            with contextlib.suppress(TimeoutError):
                answer = self.nats.request(subject, data, header)
                if not answer.header.startswith("NATS/1.0 503"):
                    return json.loads(answer.data)
                time.sleep(0.25)

    def api(self, subject, request=None, allowed=None):
        answer = self.ask("$JS.API." + subject, json.dumps(request).encode() if request else b"")
        if "error" in answer and answer["error"]["err_code"] != allowed:
            raise Refused(answer["error"])
        return answer

    def send(self, type, data):
        """Sends a message, waiting for room."""
        pause, header = 0.001, "Nats-Msg-Id: " + secrets.token_hex(11)
        while "error" in (answer := self.ask(f"{self.prefix}type.{type}", data, header)):
            if answer["error"]["err_code"] != FULL:
                raise Refused(answer["error"])
            time.sleep(pause := min(2 * pause, 0.25))

    def select(self, type):
        return f"{self.prefix}type.{type or '*'}"

    def consumer(self, type):
        """Returns what lends messages of a type, or of any for 0, which it makes if it is not there."""
        name = (f"type-{type}-" if type else "any-") + self.metadata["ipcmq-id"]  # another queue of this name has another id
        subject = self.select(type)
        if name not in self.consumers:
            config = {"name": name, "durable_name": name, "filter_subject": subject, "deliver_policy": "all",
                      "ack_policy": "explicit", "ack_wait": nanoseconds(self.metadata["ipcmq-ack-wait"]), "replay_policy": "instant",
                      "max_deliver": -1, "max_ack_pending": -1, "max_waiting": 65536, "inactive_threshold": 600 * 10**9}
            self.api(f"CONSUMER.CREATE.{self.stream}.{name}.{subject}", {
                "stream_name": self.stream, "action": "create", "config": config}, allowed=EXISTS)
            self.consumers.add(name)
        return f"{self.stream}.{name}"

    def lease(self, type=0):
        """Returns the next message, which is lent until ack: its type, data, and address for ack."""
        while True:
            try:
                m = self.nats.request("$JS.API.CONSUMER.MSG.NEXT." + self.consumer(type), b'{"batch":1,"expires":5000000000}', "", 6)
            except TimeoutError:
                continue
            if m.reply.startswith("$JS.ACK."):
                return int(m.subject.rpartition(".")[2]), m.data, m.reply
            if not m.header.startswith(("NATS/1.0 404", "NATS/1.0 408")):  # nobody is there, or the consumer is gone
                self.consumers.clear()
                time.sleep(0.25)

    def ack(self, address):
        """Removes a message that was lent. If the answer is lost it may come again."""
        with contextlib.suppress(TimeoutError):
            self.nats.request(address, b"+ACK")
        self.nats.publish(self.prefix + "free")

    def claim(self, type=0):
        """Takes the next message of a queue in claim mode: its type and data."""
        while True:
            try:
                m = self.api("STREAM.MSG.GET." + self.stream, {"seq": 1, "next_by_subj": self.select(type)})["message"]
                self.api("STREAM.MSG.DELETE." + self.stream, {"seq": m["seq"], "no_erase": True})
                self.nats.publish(self.prefix + "free")
                return int(m["subject"].rpartition(".")[2]), base64.b64decode(m.get("data", ""))
            except Refused as refused:
                if refused.code == NO_MESSAGE:
                    time.sleep(0.25)  # a subscription to ipcmq.NAME.wake.* would end this at once
                elif refused.code not in TAKEN_BY_ANOTHER:
                    raise

    def work(self, type, count, handle):
        for _ in range(count):
            if self.metadata["ipcmq-mode"] == "claim":
                handle(*self.claim(type))
            else:
                *message, address = self.lease(type)
                handle(*message)
                self.ack(address)


def nanoseconds(text):
    """Reads a duration as Go writes it, such as 1m0s or 300ms."""
    units = {"h": 3600e9, "m": 60e9, "s": 1e9, "ms": 1e6, "µs": 1e3, "ns": 1}
    return int(sum(float(n) * units[unit] for n, unit in re.findall(r"([\d.]+)(h|ms|m|s|µs|ns)", text)))


if __name__ == "__main__":
    command, name, type, last = sys.argv[1:]
    q = Queue(Nats(os.environ.get("NATS_URL", "nats://127.0.0.1:4222")), name)
    if command == "send":
        q.send(int(type), last.encode())
    else:
        q.work(int(type), int(last), lambda type, data: print(type, data.decode(), flush=True))

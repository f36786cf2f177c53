# The other side of the exchange tests, in Python, with the module sysv_ipc.
# See peer.c for the lines that it reads and writes.
import sys

import sysv_ipc

queue = sysv_ipc.MessageQueue(int(sys.argv[1]), max_message_size=65536)
for line in sys.stdin:
    verb, number, *text = line.split()
    if verb == "send":
        queue.send(bytes.fromhex("".join(text)), type=int(number))
        print("ok", flush=True)
    elif verb == "receive":
        message, kind = queue.receive(type=int(number))
        print(kind, message.hex(), flush=True)
    else:
        sys.exit("cannot read: " + line)

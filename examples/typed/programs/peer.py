# Answers each order of type 1 in the queue with the key sys.argv[1] with an
# invoice of type 2, both JSON, until an order has no items.
import json
import sys

import sysv_ipc

queue = sysv_ipc.MessageQueue(int(sys.argv[1]), max_message_size=8192)
while True:
    order = json.loads(queue.receive(type=1)[0])
    if not order["items"]:
        break
    total = sum(i["count"] * i["price"] for i in order["items"])
    queue.send(json.dumps({"id": order["id"], "by": "Python", "total": total}).encode(), type=2)

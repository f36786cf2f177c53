# Waits for a message of type argv[2] in the queue with the key argv[1], and answers
# with that type plus 100. Needs the module sysv_ipc.
import sys

import sysv_ipc

key, kind = map(int, sys.argv[1:])
# By default the buffer has 2048 bytes.
queue = sysv_ipc.MessageQueue(key, max_message_size=8192)
text, _ = queue.receive(type=kind)
queue.send(b'Python heard "%s"' % text, type=kind + 100)

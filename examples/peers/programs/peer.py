# Waits for a message of the type argv[2] in the queue with the key argv[1], and
# answers it with one of type 100 more. Needs the module sysv_ipc.
import sys

import sysv_ipc

key, kind = map(int, sys.argv[1:])
# The buffer is 2048 bytes unless asked otherwise, the type of what is sent 1.
queue = sysv_ipc.MessageQueue(key, max_message_size=8192)
text, _ = queue.receive(type=kind)
queue.send(b'Python heard "%s"' % text, type=kind + 100)

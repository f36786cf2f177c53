# Waits for a message in the POSIX queue argv[1], and answers in argv[2]. Needs
# Baseplate with its posix_ipc. It does not return priorities, and sends with priority 0.
import sys

from baseplate.lib.message_queue import MessageQueue

# The sizes matter only for new queues: these exist.
requests, answers = (MessageQueue(name, 1, 1024) for name in sys.argv[1:])
answers.put(b'Baseplate heard "%s"' % requests.get())

# Waits for a message in the POSIX queue argv[1], and answers it in argv[2]. Needs
# Baseplate with its posix_ipc. It tells no priorities, and sends all with 0.
import sys

from baseplate.lib.message_queue import MessageQueue

# The sizes are for a queue that is created: these exist.
requests, answers = (MessageQueue(name, 1, 1024) for name in sys.argv[1:])
answers.put(b'Baseplate heard "%s"' % requests.get())

/* System V queues; the address is the id. */
#include <errno.h>
#include <stdlib.h>
#include <sys/msg.h>

#include "bench.h"

int open_queue(const char *id)
{
	return atoi(id);
}

void put(int queue, struct message *m, size_t size)
{
	while (msgsnd(queue, m, size, 0) != 0)
		if (errno != EINTR)
			die("msgsnd");
}

size_t take(int queue, struct message *m, long type)
{
	ssize_t n;

	while ((n = msgrcv(queue, m, sizeof m->data, type, spin ? IPC_NOWAIT : 0)) < 0)
		if (errno != EINTR && errno != ENOMSG)
			die("msgrcv");
	return n;
}

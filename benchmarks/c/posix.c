/* POSIX queues; the address is the name. */
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>

#include "bench.h"

int open_queue(const char *name)
{
	mqd_t queue = mq_open(name, O_RDWR | (spin ? O_NONBLOCK : 0));

	if (queue == (mqd_t)-1)
		die("mq_open");
	return queue;
}

/* When spinning, both sides wait for room by trying again, too. */
void put(int queue, struct message *m, size_t size)
{
	while (mq_send(queue, m->data, size, 0) != 0)
		if (errno != EINTR && errno != EAGAIN)
			die("mq_send");
}

/* There are no types: all messages are of type 1. */
size_t take(int queue, struct message *m, long type)
{
	ssize_t n;

	(void)type;
	while ((n = mq_receive(queue, m->data, sizeof m->data, NULL)) < 0)
		if (errno != EINTR && errno != EAGAIN)
			die("mq_receive");
	m->type = 1;
	return n;
}

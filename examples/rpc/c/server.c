/* Answers each request with its text in upper case, and an empty one with an
 * error, until the queue is removed. Then it prints what it has done.
 *
 *   server QUEUE TYPE
 *
 * QUEUE is the id of the queue, TYPE that of the requests. Whoever may write to
 * the queue may send anything: nothing of a request is trusted. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#include "ipcmq.h"

enum { EMPTY = 1024 }; /* our own code of an error */

struct message {
	long type;
	unsigned char data[];
};

static struct message *in, *out;
static size_t size; /* of the data in each */
static unsigned handled, malformed, expired, refused, lost;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Makes room for messages of n bytes; out has room for a header besides. */
static void make_room(size_t n)
{
	size = n;
	in = realloc(in, sizeof *in + size);
	out = realloc(out, sizeof *out + IPCMQ_HEADER + size);
	if (in == NULL || out == NULL)
		die("memory");
}

/* Receives a request and returns its size, or -1 when the queue is gone. */
static ssize_t receive(int queue, long type)
{
	for (;;) {
		ssize_t n = msgrcv(queue, in, size, type, 0);
		if (n >= 0)
			return n;
		switch (errno) {
		case EINTR:
			break;
		case E2BIG: /* and the message has stayed in the queue */
			make_room(2 * size);
			break;
		case EIDRM:
		case EINVAL:
			return -1;
		default:
			die("msgrcv");
		}
	}
}

/* Returns the id of the queue in an address such as "sysv:123", or -1. */
static int parse_address(const unsigned char *address, size_t n)
{
	static const char scheme[] = "sysv:";
	const size_t begin = sizeof scheme - 1;
	long long id = 0;
	if (n <= begin || memcmp(address, scheme, begin) != 0)
		return -1;
	for (size_t i = begin; i < n; i++) {
		if (address[i] < '0' || address[i] > '9')
			return -1;
		id = 10 * id + (address[i] - '0');
		if (id > INT_MAX)
			return -1;
	}
	return (int)id;
}

/* Returns whether a queue was made for replies. If any other were accepted, a
 * client could aim this server at the queue of another program. */
static int is_inbox(int id, struct msqid_ds *ds)
{
	/* This needs permission to read; a server that has none, since it runs as
	 * another user, needs MSG_STAT_ANY instead. */
	return msgctl(id, IPC_STAT, ds) == 0 && ds->msg_perm.__key == IPC_PRIVATE &&
	       (ds->msg_perm.mode & IPCMQ_INBOX_MASK) == IPCMQ_INBOX_MODE;
}

/* Sends a reply of n bytes, without waiting for long: an inbox that stays full
 * belongs to a client that has stopped. */
static int send_reply(int inbox, size_t n)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	out->type = IPCMQ_REPLY_TYPE;
	for (int tries = 0; tries < 100; tries++) {
		if (msgsnd(inbox, out, n, IPC_NOWAIT) == 0)
			return 1;
		if (errno == EAGAIN)
			nanosleep(&pause, NULL);
		else if (errno != EINTR)
			return 0;
	}
	return 0;
}

/* Writes the answer to a request with n bytes of payload, and returns how many
 * bytes it takes: no more than the request, or a short text. */
static size_t answer(struct ipcmq_header *reply, const unsigned char *payload, size_t n)
{
	static const char nothing[] = "nothing to put in upper case";
	size_t start;
	if (n == 0) {
		reply->kind = IPCMQ_ERROR;
		reply->code = EMPTY;
		start = ipcmq_encode(out->data, reply);
		memcpy(out->data + start, nothing, sizeof nothing - 1);
		return start + sizeof nothing - 1;
	}
	start = ipcmq_encode(out->data, reply);
	for (size_t i = 0; i < n; i++)
		out->data[start + i] = (unsigned char)toupper(payload[i]);
	return start + n;
}

static void serve(size_t n)
{
	struct ipcmq_header h;
	struct msqid_ds ds;
	size_t start = ipcmq_decode(in->data, n, &h);
	if (start == 0 || h.kind != IPCMQ_REQUEST || h.id == 0) {
		malformed++;
		return;
	}
	if (h.deadline != 0 && h.deadline <= ipcmq_now()) {
		expired++;
		return;
	}
	int inbox = parse_address(h.address, h.address_size);
	if (inbox == -1 || !is_inbox(inbox, &ds)) {
		refused++;
		return;
	}
	struct ipcmq_header reply = {.kind = IPCMQ_REPLY, .id = h.id, .token = h.token};
	n = answer(&reply, in->data + start, n - start);
	handled++;
	if (n + IPCMQ_OWNER_SIZE > ds.msg_qbytes) {
		static const char text[] = "the reply does not fit into the inbox";
		reply.kind = IPCMQ_ERROR;
		reply.code = IPCMQ_TOO_LARGE;
		start = ipcmq_encode(out->data, &reply);
		memcpy(out->data + start, text, sizeof text - 1);
		n = start + sizeof text - 1;
	}
	if (!send_reply(inbox, n))
		lost++;
}

int main(int argc, char **argv)
{
	ssize_t n;
	int queue = argc != 3 ? -1 : (int)ipcmq_number(argv[1], 0, INT_MAX);
	long type = argc != 3 ? -1 : ipcmq_number(argv[2], 1, LONG_MAX);
	if (queue == -1 || type == -1) {
		fprintf(stderr, "usage: %s QUEUE TYPE\n", argv[0]);
		return 2;
	}
	make_room(8192); /* kernel.msgmax by default */
	while ((n = receive(queue, type)) >= 0)
		serve((size_t)n);
	printf("handled %u, malformed %u, expired %u, refused %u, replies lost %u\n",
	       handled, malformed, expired, refused, lost);
	return 0;
}

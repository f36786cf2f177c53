/* Answers each request with its text in upper case, and an empty one with an
 * error, until the queue is removed. Then it prints what it has done.
 * posix_server.c does it with a POSIX queue.
 *
 *   server QUEUE TYPE
 *
 * QUEUE is the key of the queue, TYPE that of the requests. Whoever may write to
 * the queue may send anything: nothing of a request is trusted. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/time.h>

#include "clock.h"
#include "ipcmq.h"

enum {
	EMPTY = 1024,       /* our own code of an error */
	MAX_KEPT = 1 << 20, /* bytes of the replies that wait for room */
};

struct message {
	long type;
	unsigned char data[];
};

static struct message *in, *out;
static size_t size; /* of the data in each */
static unsigned handled, malformed, expired, refused, lost;
static struct ipcmq_clock queue_clock;

/* A reply without room in its inbox: the client is slow, stopped or dead. */
struct kept {
	struct kept *next;
	int inbox;
	int64_t until; /* by CLOCK_BOOTTIME */
	size_t n;
	struct message *message;
};

static struct kept *kept; /* the oldest first */
static size_t kept_bytes;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Makes room for messages of n bytes; out also has room for a header. */
static void make_room(size_t n)
{
	size = n;
	in = realloc(in, sizeof *in + size);
	out = realloc(out, sizeof *out + IPCMQ_HEADER + size);
	if (in == NULL || out == NULL)
		die("memory");
}

/* Returns the id of the queue that an address such as "sysv:123" or
 * "sysvkey:0x0000002a" names, or -1. Each has only one spelling. */
static int find_inbox(const unsigned char *address, size_t n)
{
	char text[IPCMQ_MAX_ADDRESS + 1] = "", again[IPCMQ_MAX_ADDRESS + 1] = "";
	int id = -1;
	unsigned key;
	memcpy(text, address, n);
	if (sscanf(text, "sysv:%d", &id) == 1) {
		snprintf(again, sizeof again, "sysv:%d", id);
	} else if (sscanf(text, "sysvkey:0x%8x", &key) == 1 && key != IPC_PRIVATE) {
		snprintf(again, sizeof again, "sysvkey:0x%08x", key);
		id = msgget((key_t)key, 0);
	}
	return strlen(again) == n && memcmp(again, address, n) == 0 ? id : -1;
}

/* Returns whether a queue is an inbox. If other queues were accepted, a client could
 * direct this server to the queue of another program. */
static int is_inbox(int id, struct msqid_ds *ds)
{
	/* This needs permission to read; a server without it, because it runs as another user,
	 * needs MSG_STAT_ANY instead. */
	return msgctl(id, IPC_STAT, ds) == 0 && (ds->msg_perm.mode & IPCMQ_INBOX_MASK) == IPCMQ_INBOX_MODE;
}

/* Returns whether an older reply than this one waits for room in the inbox. */
static int waits_before(const struct kept *end, int inbox)
{
	for (const struct kept *k = kept; k != end; k = k->next)
		if (k->inbox == inbox)
			return 1;
	return 0;
}

/* Sends a reply, or keeps it until then, so that it delays no other client. */
static void send_reply(int inbox, size_t n, int64_t until)
{
	out->type = IPCMQ_REPLY_TYPE;
	if (!waits_before(NULL, inbox)) {
		int failed;
		do
			failed = msgsnd(inbox, out, n, IPC_NOWAIT) == -1;
		while (failed && errno == EINTR);
		if (!failed)
			return;
		if (errno != EAGAIN) {
			lost++; /* the client is gone */
			return;
		}
	}
	struct kept *k = malloc(sizeof *k);
	struct message *m = malloc(sizeof *m + n);
	if (k == NULL || m == NULL || n > MAX_KEPT - kept_bytes) {
		free(k);
		free(m);
		lost++;
		return;
	}
	memcpy(m, out, sizeof *m + n);
	*k = (struct kept){.inbox = inbox, .until = until, .n = n, .message = m};
	struct kept **end = &kept;
	while (*end != NULL)
		end = &(*end)->next;
	*end = k;
	kept_bytes += n;
}

/* Sends kept replies for which there is room now, and drops those that nobody waits for
 * any more. */
static void send_kept(void)
{
	for (struct kept **at = &kept; *at != NULL;) {
		struct kept *k = *at;
		int waits = waits_before(k, k->inbox);
		if (!waits && msgsnd(k->inbox, k->message, k->n, IPC_NOWAIT) == -1) {
			if (errno == EAGAIN || errno == EINTR)
				waits = 1;
			else
				lost++;
		}
		if (waits && ipcmq_now(CLOCK_BOOTTIME) < k->until) {
			at = &k->next;
			continue;
		}
		lost += waits;
		*at = k->next;
		kept_bytes -= k->n;
		free(k->message);
		free(k);
	}
}

/* Does nothing: the signal itself ends a call that sleeps. */
static void tick(int signal)
{
	(void)signal;
}

/* Starts or stops a timer that sends a signal every 10 milliseconds. */
static void set_timer(int on)
{
	static int was;
	struct itimerval t = {0};
	t.it_interval.tv_usec = t.it_value.tv_usec = on ? 10000 : 0;
	if (on != was && setitimer(ITIMER_REAL, &t, NULL) == -1)
		die("setitimer");
	was = on;
}

/* Receives a request and returns its size, or -1 when the queue is gone. */
static ssize_t receive(int queue, long type)
{
	for (;;) {
		send_kept();
		set_timer(kept != NULL);
		ssize_t n = msgrcv(queue, in, size, type, 0);
		if (n >= 0)
			return n;
		switch (errno) {
		case EINTR:
			break;
		case E2BIG: /* the message stays in the queue */
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

/* Writes the answer to a request with n bytes of payload, and returns its size: no more
 * than the request, or a short text. */
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
	int64_t left = ipcmq_left(&h, &queue_clock);
	if (left <= 0) {
		expired++;
		return;
	}
	int inbox = find_inbox(h.address, h.address_size);
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
	/* A reply without a deadline is kept for half a minute. More than a year is treated as
	 * a year. */
	const int64_t second = 1000000000, year = 365 * 86400 * second;
	if (left == INT64_MAX)
		left = 30 * second;
	send_reply(inbox, n, ipcmq_now(CLOCK_BOOTTIME) + (left < year ? left : year));
}

int main(int argc, char **argv)
{
	ssize_t n;
	int queue = argc != 3 ? -1 : ipcmq_queue(argv[1]);
	long type = argc != 3 ? -1 : ipcmq_number(argv[2], 1, LONG_MAX);
	if (queue == -1 || type == -1) {
		fprintf(stderr, "usage: %s QUEUE TYPE\n", argv[0]);
		return 2;
	}
	struct sigaction ticks = {.sa_handler = tick};
	sigaction(SIGALRM, &ticks, NULL);
	queue_clock = ipcmq_open_clock();
	make_room(8192); /* kernel.msgmax by default */
	while ((n = receive(queue, type)) >= 0)
		serve((size_t)n);
	for (; kept != NULL; kept = kept->next)
		lost++;
	printf("handled %u, malformed %u, expired %u, refused %u, replies lost %u\n",
	       handled, malformed, expired, refused, lost);
	return 0;
}

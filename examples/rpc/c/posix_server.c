/* Answers each request in a POSIX queue with its text in upper case, and an empty one
 * with an error, until SIGTERM comes. Then it prints what it has done.
 *
 *   posix_server /QUEUE TYPE
 *
 * TYPE is there as in the other programs, but POSIX queues have none. Whoever may write
 * to the queue may send anything: nothing of a request is trusted. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "clock.h"
#include "ipcmq.h"

enum {
	EMPTY = 1024,       /* our own code of an error */
	MAX_KEPT = 1 << 20, /* bytes of the replies that wait for room */
};

/* A reply without room in its inbox: the client is slow, stopped or dead. */
struct kept {
	struct kept *next;
	int64_t until; /* by CLOCK_BOOTTIME */
	size_t n;
	char name[IPCMQ_MAX_ADDRESS + 1];
	unsigned char data[];
};

static struct kept *kept; /* the oldest first */
static size_t kept_bytes;
static unsigned handled, malformed, expired, refused, lost;
static struct ipcmq_clock queue_clock;
static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

/* Opens the inbox at an address. If names of other queues were accepted, a client could
 * direct this server to the queue of another program. */
static mqd_t open_inbox(const unsigned char *address, size_t n, char *name)
{
	static const char begin[] = "posix:/ipcmq-inbox-";
	if (n < sizeof begin || memcmp(address, begin, sizeof begin - 1) != 0)
		return -1;
	memcpy(name, address + 6, n - 6);
	name[n - 6] = 0;
	if (strlen(name) != n - 6 || strchr(name + 1, '/') != NULL)
		return -1;
	return mq_open(name, O_WRONLY | O_NONBLOCK);
}

/* Returns whether an older reply than this one waits for room in the inbox. */
static int waits_before(const struct kept *end, const char *name)
{
	for (const struct kept *k = kept; k != end; k = k->next)
		if (strcmp(k->name, name) == 0)
			return 1;
	return 0;
}

/* Sends a reply, or keeps it until then, so that it delays no other client. */
static void send_reply(mqd_t inbox, const char *name, const unsigned char *reply, size_t n, int64_t until)
{
	if (!waits_before(NULL, name)) {
		if (mq_send(inbox, (const char *)reply, n, 0) == 0)
			return;
		if (errno != EAGAIN) {
			lost++;
			return;
		}
	}
	struct kept *k = n > MAX_KEPT - kept_bytes ? NULL : malloc(sizeof *k + n);
	if (k == NULL) {
		lost++;
		return;
	}
	*k = (struct kept){.until = until, .n = n};
	strcpy(k->name, name);
	memcpy(k->data, reply, n);
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
		int waits = waits_before(k, k->name), sent = 0;
		if (!waits) {
			mqd_t inbox = mq_open(k->name, O_WRONLY | O_NONBLOCK);
			sent = inbox != -1 && mq_send(inbox, (const char *)k->data, k->n, 0) == 0;
			waits = inbox != -1 && !sent && errno == EAGAIN;
			if (inbox != -1)
				mq_close(inbox);
		}
		if (waits && ipcmq_now(CLOCK_BOOTTIME) < k->until) {
			at = &k->next;
			continue;
		}
		lost += !sent;
		*at = k->next;
		kept_bytes -= k->n;
		free(k);
	}
}

/* Writes the answer to a request with n bytes of payload, and returns its size: no more
 * than the request, or a short text. */
static size_t answer(unsigned char *out, struct ipcmq_header *reply, const unsigned char *payload, size_t n)
{
	static const char nothing[] = "nothing to put in upper case";
	size_t start;
	if (n == 0) {
		reply->kind = IPCMQ_ERROR;
		reply->code = EMPTY;
		start = ipcmq_encode(out, reply);
		memcpy(out + start, nothing, sizeof nothing - 1);
		return start + sizeof nothing - 1;
	}
	start = ipcmq_encode(out, reply);
	for (size_t i = 0; i < n; i++)
		out[start + i] = (unsigned char)toupper(payload[i]);
	return start + n;
}

static void serve(unsigned char *in, size_t n, unsigned char *out)
{
	struct ipcmq_header h;
	struct mq_attr attr;
	char name[IPCMQ_MAX_ADDRESS + 1];
	size_t start = ipcmq_decode(in, n, &h);
	if (start == 0 || h.kind != IPCMQ_REQUEST || h.id == 0) {
		malformed++;
		return;
	}
	int64_t left = ipcmq_left(&h, &queue_clock);
	if (left <= 0) {
		expired++;
		return;
	}
	mqd_t inbox = open_inbox(h.address, h.address_size, name);
	if (inbox == -1 || mq_getattr(inbox, &attr) == -1) {
		refused++;
		return;
	}
	struct ipcmq_header reply = {.kind = IPCMQ_REPLY, .id = h.id, .token = h.token};
	n = answer(out, &reply, in + start, n - start);
	handled++;
	if (n > (size_t)attr.mq_msgsize) {
		static const char text[] = "the reply does not fit into the inbox";
		reply.kind = IPCMQ_ERROR;
		reply.code = IPCMQ_TOO_LARGE;
		start = ipcmq_encode(out, &reply);
		memcpy(out + start, text, sizeof text - 1);
		n = start + sizeof text - 1;
	}
	/* A reply without a deadline is kept for half a minute. More than a year is treated as
	 * a year. */
	const int64_t second = 1000000000, year = 365 * 86400 * second;
	if (left == INT64_MAX)
		left = 30 * second;
	send_reply(inbox, name, out, n, ipcmq_now(CLOCK_BOOTTIME) + (left < year ? left : year));
	mq_close(inbox);
}

int main(int argc, char **argv)
{
	struct mq_attr attr;
	/* On Linux a POSIX queue is a descriptor, so that the wait for it can end. */
	mqd_t queue = argc != 3 ? -1 : mq_open(argv[1], O_RDONLY | O_NONBLOCK);
	if (queue == -1 || mq_getattr(queue, &attr) == -1) {
		fprintf(stderr, "usage: %s /QUEUE TYPE\n", argv[0]);
		return 2;
	}
	struct sigaction stops = {.sa_handler = stop};
	sigset_t term, none;
	sigemptyset(&none);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL); /* it comes during ppoll only */
	sigaction(SIGTERM, &stops, NULL);
	queue_clock = ipcmq_open_clock();
	size_t size = (size_t)attr.mq_msgsize;
	unsigned char *in = malloc(size), *out = malloc(IPCMQ_HEADER + size + 64);
	if (in == NULL || out == NULL)
		return 2;
	while (!stopped) {
		struct pollfd p = {.fd = queue, .events = POLLIN};
		struct timespec tick = {.tv_nsec = 10000000};
		send_kept();
		if (ppoll(&p, 1, kept != NULL ? &tick : NULL, &none) <= 0)
			continue;
		ssize_t n = mq_receive(queue, (char *)in, size, NULL);
		if (n >= 0)
			serve(in, (size_t)n, out);
	}
	for (; kept != NULL; kept = kept->next)
		lost++;
	printf("handled %u, malformed %u, expired %u, refused %u, replies lost %u\n",
	       handled, malformed, expired, refused, lost);
	return 0;
}

/* Sends each text as a request, one after the other, and prints the replies, through a
 * System V queue; posix_client.c does the same through a POSIX queue.
 *
 *   client QUEUE TYPE MILLISECONDS TEXT...
 *
 * QUEUE is the key of the queue, TYPE the type that the server handles. The
 * status is 0 if there was a reply to each request, 1 if an error came or none
 * before the deadline, and 2 if something failed here. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/random.h>
#include <sys/time.h>
#include <unistd.h>

#include "clock.h"
#include "ipcmq.h"
#include "owner.h"

enum { SIZE = 65536 }; /* of the largest message here */

static struct {
	long type;
	unsigned char data[SIZE];
} message;

static volatile sig_atomic_t inbox = -1;

static void remove_inbox(void)
{
	if (inbox != -1)
		msgctl(inbox, IPC_RMID, NULL);
}

static void stop(int signal)
{
	remove_inbox();
	_Exit(128 + signal);
}

static void die(const char *what)
{
	perror(what);
	exit(2);
}

/* Does nothing: the signal itself ends a call that sleeps. */
static void tick(int signal)
{
	(void)signal;
}

/* Starts or stops a timer that sends a signal every 10 milliseconds. The signals repeat
 * because one that arrives just before a call sleeps is lost. */
static void set_timer(int on)
{
	struct itimerval t = {0};
	t.it_interval.tv_usec = t.it_value.tv_usec = on ? 10000 : 0;
	if (setitimer(ITIMER_REAL, &t, NULL) == -1)
		die("setitimer");
}

/* Creates a queue that is recognizable as an inbox, with a key, since not all languages
 * can open a queue by its id. Its first message records its owner, so that it can be
 * removed if this process is killed. */
static void make_inbox(char *address, size_t size)
{
	struct msqid_ds ds;
	uint32_t key;
	do {
		if (getrandom(&key, sizeof key, 0) != sizeof key)
			die("getrandom");
		key = key >> 1 | 1; /* of 31 bits: some languages turn others into the same key */
		inbox = msgget((key_t)key, IPC_CREAT | IPC_EXCL | 0600);
	} while (inbox == -1 && errno == EEXIST);
	if (inbox == -1)
		die("msgget");
	snprintf(address, size, "sysvkey:0x%08x", key);
	atexit(remove_inbox);
	message.type = IPCMQ_OWNER_TYPE;
	memset(message.data, 0, IPCMQ_OWNER_SIZE);
	memcpy(message.data, "ipcq", 4);
	message.data[4] = IPCMQ_VERSION;
	message.data[5] = IPCMQ_OWNER;
	ipcmq_put(message.data + 8, (uint64_t)getpid(), 8);
	ipcmq_put(message.data + 16, ipcmq_start(), 8);
	ipcmq_put(message.data + 24, ipcmq_namespace("/proc/self/ns/pid"), 8);
	ipcmq_put(message.data + 32, ipcmq_namespace("/proc/self/ns/time"), 8);
	if (msgsnd(inbox, &message, IPCMQ_OWNER_SIZE, IPC_NOWAIT) == -1 || msgctl(inbox, IPC_STAT, &ds) == -1)
		die("the new inbox");
	/* The record is first: now servers may send. */
	ds.msg_perm.mode = IPCMQ_INBOX_MODE;
	if (msgctl(inbox, IPC_SET, &ds) == -1)
		die("the new inbox");
}

/* Sends a request and waits for its reply until the deadline, which is that of
 * CLOCK_BOOTTIME. Returns 0, or 1 if there was none or an error. */
static int request(int queue, long type, const struct ipcmq_header *h, int64_t deadline, const char *text)
{
	struct ipcmq_header reply;
	size_t length = strlen(text), start = ipcmq_encode(message.data, h);
	if (length > SIZE - start) {
		errno = EMSGSIZE;
		die("request");
	}
	memcpy(message.data + start, text, length);
	message.type = type;
	while (msgsnd(queue, &message, start + length, 0) == -1) {
		if (errno != EINTR)
			die("msgsnd");
		if (ipcmq_now(CLOCK_BOOTTIME) >= deadline)
			goto late;
	}
	for (;;) {
		ssize_t n = msgrcv(inbox, &message, SIZE, IPCMQ_REPLY_TYPE, 0);
		if (n == -1 && errno != EINTR)
			die("msgrcv");
		if (n == -1) {
			if (ipcmq_now(CLOCK_BOOTTIME) >= deadline)
				goto late;
			continue;
		}
		/* Whoever guesses the id of the inbox may write to it if its mode allows, and replies
		 * to earlier requests may be late: messages without our token and the id of this
		 * request are not for us. */
		start = ipcmq_decode(message.data, (size_t)n, &reply);
		if (start == 0 || reply.kind == IPCMQ_REQUEST || reply.token != h->token || reply.id != h->id)
			continue;
		if (reply.kind == IPCMQ_ERROR)
			printf("error %u: ", reply.code);
		fwrite(message.data + start, 1, (size_t)n - start, stdout);
		putchar('\n');
		return reply.kind == IPCMQ_ERROR;
	}
late:
	puts("no reply in time");
	return 1;
}

int main(int argc, char **argv)
{
	int failed = 0;
	char address[32];
	struct ipcmq_header h = {.kind = IPCMQ_REQUEST};
	struct ipcmq_clock clock = ipcmq_open_clock();
	int queue = argc < 4 ? -1 : ipcmq_queue(argv[1]);
	long type = argc < 4 ? -1 : ipcmq_number(argv[2], 1, LONG_MAX);
	long patience = argc < 4 ? -1 : ipcmq_number(argv[3], 0, INT_MAX);
	if (queue == -1 || type == -1 || patience == -1) {
		fprintf(stderr, "usage: %s QUEUE TYPE MILLISECONDS TEXT...\n", argv[0]);
		return 2;
	}

	struct sigaction ticks = {.sa_handler = tick}, stops = {.sa_handler = stop};
	sigaction(SIGALRM, &ticks, NULL);
	sigaction(SIGINT, &stops, NULL);
	sigaction(SIGTERM, &stops, NULL);

	make_inbox(address, sizeof address);
	if (getrandom(&h.token, sizeof h.token, 0) != sizeof h.token)
		die("getrandom");
	h.address = (const unsigned char *)address;
	h.address_size = strlen(address);
	set_timer(1);
	for (int i = 4; i < argc; i++) {
		h.id++;
		ipcmq_set_deadline(&h, &clock, patience * 1000000LL);
		failed |= request(queue, type, &h, ipcmq_now(CLOCK_BOOTTIME) + patience * 1000000LL, argv[i]);
	}
	set_timer(0);
	return failed;
}

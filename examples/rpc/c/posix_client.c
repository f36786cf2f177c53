/* Sends each text as a request, one after the other, and prints the replies, through a
 * POSIX queue.
 *
 *   posix_client /QUEUE TYPE MILLISECONDS TEXT...
 *
 * TYPE is there as in the other programs, but POSIX queues have none. The status is 0
 * if there was a reply to each request, 1 if an error came or none before the deadline,
 * and 2 if something failed here. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <mqueue.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "ipcmq.h"
#include "owner.h"

enum {
	SIZE = 8192, /* of the largest reply; fs.mqueue.msgsize_max by default */
	REPLIES = 8, /* that the inbox holds */
};

static unsigned char message[1 << 20];
static char address[IPCMQ_MAX_ADDRESS] = "posix:";
static const char *inbox_name;
static mqd_t inbox = -1;

static void remove_inbox(void)
{
	if (inbox != -1)
		mq_unlink(inbox_name);
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

/* Creates a queue whose name identifies it as an inbox, and its owner. */
static void make_inbox(void)
{
	struct mq_attr attr = {.mq_maxmsg = REPLIES, .mq_msgsize = SIZE};
	uint64_t secret[2];
	size_t n = strlen(address);
	if (getrandom(secret, sizeof secret, 0) != sizeof secret)
		die("getrandom");
	snprintf(address + n, sizeof address - n, "/ipcmq-inbox-%llu-%llu-%d-%llu-%016llx%016llx",
	         (unsigned long long)ipcmq_namespace("/proc/self/ns/pid"), (unsigned long long)ipcmq_namespace("/proc/self/ns/time"),
	         (int)getpid(), (unsigned long long)ipcmq_start(), (unsigned long long)secret[0], (unsigned long long)secret[1]);
	inbox_name = address + n;
	inbox = mq_open(inbox_name, O_RDONLY | O_CREAT | O_EXCL, 0600, &attr);
	if (inbox == -1)
		die("mq_open");
	atexit(remove_inbox);
}

/* Sends a request and waits for its reply until the deadline, which is that of
 * CLOCK_REALTIME, as mq_timedsend expects. Returns 0, or 1 if there was none or an
 * error. */
static int request(mqd_t queue, const struct ipcmq_header *h, const char *text)
{
	struct ipcmq_header reply;
	struct timespec deadline = {.tv_sec = h->deadline / 1000000000, .tv_nsec = h->deadline % 1000000000};
	size_t length = strlen(text), start = ipcmq_encode(message, h);
	if (length > sizeof message - start) {
		errno = EMSGSIZE;
		die("request");
	}
	memcpy(message + start, text, length);
	while (mq_timedsend(queue, (char *)message, start + length, 0, &deadline) == -1) {
		if (errno == ETIMEDOUT)
			goto late;
		if (errno != EINTR)
			die("mq_timedsend");
	}
	for (;;) {
		ssize_t n = mq_timedreceive(inbox, (char *)message, SIZE, NULL, &deadline);
		if (n == -1 && errno == ETIMEDOUT)
			goto late;
		if (n == -1 && errno != EINTR)
			die("mq_timedreceive");
		if (n == -1)
			continue;
		/* Late replies, and messages of someone who guesses, are not for us. */
		start = ipcmq_decode(message, (size_t)n, &reply);
		if (start == 0 || reply.kind == IPCMQ_REQUEST || reply.token != h->token || reply.id != h->id)
			continue;
		if (reply.kind == IPCMQ_ERROR)
			printf("error %u: ", reply.code);
		fwrite(message + start, 1, (size_t)n - start, stdout);
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
	struct ipcmq_header h = {.kind = IPCMQ_REQUEST};
	struct ipcmq_clock clock = ipcmq_open_clock();
	long patience = argc < 4 ? -1 : ipcmq_number(argv[3], 0, INT_MAX);
	mqd_t queue = argc < 4 ? -1 : mq_open(argv[1], O_WRONLY);
	if (queue == -1 || patience == -1) {
		fprintf(stderr, "usage: %s /QUEUE TYPE MILLISECONDS TEXT...\n", argv[0]);
		return 2;
	}
	struct sigaction stops = {.sa_handler = stop};
	sigaction(SIGINT, &stops, NULL);
	sigaction(SIGTERM, &stops, NULL);
	make_inbox();
	if (getrandom(&h.token, sizeof h.token, 0) != sizeof h.token)
		die("getrandom");
	h.address = (const unsigned char *)address;
	h.address_size = strlen(address);
	for (int i = 4; i < argc; i++) {
		h.id++;
		ipcmq_set_deadline(&h, &clock, patience * 1000000LL);
		failed |= request(queue, &h, argv[i]);
	}
	return failed;
}

/*
 * One side of a benchmark. It handles WARM messages, then COUNT messages more,
 * and prints how long the latter took, and how much processor time. The queues exist; THERE and BACK may be
 * the same one.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "bench.h"

int spin;

void die(const char *what)
{
	perror(what);
	exit(1);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* cpu returns the processor time that this process has used. */
static int64_t cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000000) + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * INT64_C(1000);
}

/* put_number sends message i: every payload begins with its number. */
static void put_number(int queue, struct message *m, size_t size, int64_t i)
{
	m->type = 1;
	memcpy(m->data, &i, sizeof i);
	put(queue, m, size);
}

/* take_number receives a message, which must be message i. */
static void take_number(int queue, struct message *m, size_t size, int64_t i)
{
	if (take(queue, m, 0) != size || memcmp(m->data, &i, sizeof i) != 0) {
		fprintf(stderr, "message %lld is not what was sent\n", (long long)i);
		exit(1);
	}
}

int main(int argc, char **argv)
{
	static struct message m;
	int64_t i, start = 0, start_cpu = 0;

	if (argc != 8) {
		fprintf(stderr, "usage: %s ping|echo|send|receive sleep|spin THERE BACK SIZE WARM COUNT\n", argv[0]);
		return 2;
	}
	char role = argv[1][0];
	spin = strcmp(argv[2], "spin") == 0;
	int there = open_queue(argv[3]), back = open_queue(argv[4]);
	size_t size = strtoul(argv[5], NULL, 10);
	int64_t warm = atoll(argv[6]), total = warm + atoll(argv[7]);
	if (size < sizeof i || size > MAX_PAYLOAD) {
		fprintf(stderr, "size %zu is not in %zu to %d\n", size, sizeof i, MAX_PAYLOAD);
		return 2;
	}

	for (i = sizeof i; i < (int64_t)size; i++)
		m.data[i] = 7 * i + 1;
	for (i = 0; i < total; i++) {
		if (i == warm) {
			start_cpu = cpu();
			start = now();
		}
		switch (role) {
		case 'p':
			put_number(there, &m, size, i);
			take_number(back, &m, size, i);
			break;
		case 'e':
			take_number(there, &m, size, i);
			put_number(back, &m, size, i);
			break;
		case 's':
			put_number(there, &m, size, i);
			break;
		case 'r':
			take_number(there, &m, size, i);
			break;
		}
	}
	start = now() - start;
	printf("{\"ns\": %lld, \"cpu\": %lld}\n", (long long)start, (long long)(cpu() - start_cpu));
	return 0;
}

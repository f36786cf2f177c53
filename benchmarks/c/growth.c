/*
 * One process of the benchmarks of how cost grows. Like bench.c, it handles WARM
 * messages, then COUNT messages more, and prints how long the latter took; but
 * there may be many types, threads, and processes.
 *
 * Each payload begins with the number of the message and, above its lower 40
 * bits, with FROM, the number of the sender. Messages have the types 1 to TYPES
 * in turn. Of several THREADS, thread k (from 0) begins with type k + 1; with
 * "own" it receives only that type, with "any" the oldest message.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"

enum { FROM_SHIFT = 40, SENDERS = 64 };

int spin;

static char role;
static int there, back, types, threads, own;
static size_t size;
static int64_t from, warm, total;

static int64_t start;
static int64_t *took; /* of each call, in nanoseconds */
static pthread_barrier_t started;

void die(const char *what)
{
	perror(what);
	exit(1);
}

static void wrong(int64_t i)
{
	fprintf(stderr, "message %lld is not what was sent\n", (long long)i);
	exit(1);
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* next counts what all threads do together, and starts the clock. */
static int64_t next(void)
{
	static int64_t alone;
	static _Atomic int64_t together;
	int64_t i = threads > 1 ? atomic_fetch_add(&together, 1) : alone++;

	if (i == warm)
		start = now();
	return i;
}

/* A payload that is shorter than the number holds a part of it. */
static size_t number_size(void)
{
	return size < sizeof(int64_t) ? size : sizeof(int64_t);
}

static long type_of(long k, int64_t i)
{
	return types > 1 ? k + 1 + i % types : k + 1;
}

/* put_number sends message i of thread k. */
static void put_number(int queue, struct message *m, long k, int64_t i)
{
	i |= from << FROM_SHIFT;
	m->type = type_of(k, i);
	memcpy(m->data, &i, number_size());
	put(queue, m, size);
}

/* take_number receives a message, which must be message i of thread k. */
static void take_number(int queue, struct message *m, long k, int64_t i)
{
	if (take(queue, m, own ? k + 1 : 0) != size || m->type != type_of(k, i) || memcmp(m->data, &i, number_size()) != 0)
		wrong(i);
}

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* report prints what was measured, and how many messages were taken. */
static void report(int64_t taken)
{
	int64_t ns = now() - start, p50 = 0;

	if (took != NULL) {
		qsort(took + warm, total - warm, sizeof *took, compare);
		p50 = took[(warm + total) / 2];
	}
	printf("{\"ns\": %lld, \"p50\": %lld, \"taken\": %lld}\n", (long long)ns, (long long)p50, (long long)taken);
	fflush(stdout);
}

/* gather takes messages of several senders, until it has all or an empty one. */
static int64_t gather(struct message *m)
{
	static int64_t expected[SENDERS]; /* the least number that may come next */
	int64_t i, n;

	while ((i = next()) < total) {
		size_t got = take(there, m, 0);
		if (got == 0)
			return i;
		memcpy(&n, m->data, sizeof n);
		int64_t sender = n >> FROM_SHIFT, number = n & ((INT64_C(1) << FROM_SHIFT) - 1);
		if (got != size || sender < 0 || sender >= SENDERS || number < expected[sender])
			wrong(i);
		expected[sender] = number + 1;
	}
	return total;
}

static void work(long k)
{
	struct message *m = calloc(1, sizeof *m);
	int64_t i, began;

	if (m == NULL)
		die("calloc");
	switch (role) {
	case 'p': /* ping */
		while ((i = next()) < total) {
			put_number(there, m, k, i);
			take_number(back, m, k, i);
		}
		break;
	case 'c': /* call: ping, each one timed */
		while ((i = next()) < total) {
			began = now();
			put_number(there, m, k, i);
			take_number(back, m, k, i);
			took[i] = now() - began;
		}
		break;
	case 'e': /* echo; ping checks what it gets back */
		do {
			if (take(there, m, own ? k + 1 : 0) != size)
				wrong(-1);
			put(back, m, size);
		} while (next() + 1 < total);
		report(total);
		exit(0); /* other threads may wait for more */
	case 's': /* send */
		while ((i = next()) < total)
			put_number(there, m, k, i);
		break;
	case 'r': /* receive */
		while ((i = next()) < total)
			take_number(there, m, k, i);
		break;
	}
	free(m);
}

static void *begin(void *k)
{
	pthread_barrier_wait(&started);
	work((long)k);
	return NULL;
}

/* await_start says that this process is ready, and waits for the others. */
static void await_start(void)
{
	putchar('\n');
	fflush(stdout);
	while (getchar() != EOF)
		;
}

int main(int argc, char **argv)
{
	if (argc != 12) {
		fprintf(stderr, "usage: %s ping|call|echo|send|receive|gather sleep|spin THERE BACK SIZE WARM COUNT "
				"FROM TYPES THREADS any|own\n", argv[0]);
		return 2;
	}
	role = argv[1][0];
	spin = strcmp(argv[2], "spin") == 0;
	there = open_queue(argv[3]), back = open_queue(argv[4]);
	size = strtoul(argv[5], NULL, 10);
	warm = atoll(argv[6]), total = warm + atoll(argv[7]);
	from = atoll(argv[8]), types = atoi(argv[9]), threads = atoi(argv[10]);
	own = strcmp(argv[11], "own") == 0;
	if (size < 1 || size > MAX_PAYLOAD) {
		fprintf(stderr, "size %zu is not in 1 to %d\n", size, MAX_PAYLOAD);
		return 2;
	}
	if (role == 'c' && (took = calloc(total, sizeof *took)) == NULL)
		die("calloc");

	pthread_t thread[threads];
	if ((errno = pthread_barrier_init(&started, NULL, threads)) != 0)
		die("pthread_barrier_init");
	for (long k = 1; k < threads; k++)
		if ((errno = pthread_create(&thread[k], NULL, begin, (void *)k)) != 0)
			die("pthread_create");
	pthread_barrier_wait(&started);
	await_start();
	if (role == 'g') {
		report(gather(calloc(1, sizeof(struct message))));
		return 0;
	}
	work(0);
	for (long k = 1; k < threads; k++)
		pthread_join(thread[k], NULL);
	report(total);
	return 0;
}

/* What bench.c asks of each kind of queue. */
#include <stddef.h>

enum { MAX_PAYLOAD = 65536 };

/* The payload of a message, behind the type that System V puts there. */
struct message {
	long type;
	char data[MAX_PAYLOAD];
};

/* take waits by trying again and again, not by sleeping. */
extern int spin;

/* open_queue opens a queue that exists. */
int open_queue(const char *address);

/* put sends *m, of m->type where queues have types. */
void put(int queue, struct message *m, size_t size);

/*
 * take stores the oldest message in *m, or the oldest of a type if that is not
 * 0, and returns the size of the payload.
 */
size_t take(int queue, struct message *m, long type);

/* die reports errno and ends the program. */
void die(const char *what);

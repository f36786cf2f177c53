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

void put(int queue, struct message *m, size_t size);

/* take returns the size of the message that it stores in *m. */
size_t take(int queue, struct message *m);

/* die reports errno and ends the program. */
void die(const char *what);

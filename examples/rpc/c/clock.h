/* The clock for deadlines in kernel queues: CLOCK_BOOTTIME of the initial time
 * namespace, and the id of the boot. Nobody can set it. */
#ifndef IPCMQ_CLOCK_H
#define IPCMQ_CLOCK_H

#include <ctype.h>
#include <stdio.h>
#include <sys/stat.h>

#include "ipcmq.h"

struct ipcmq_clock {
	int known;            /* whether this process can read it */
	unsigned char id[16]; /* of the boot */
	int64_t offset;       /* of the time namespace of this process */
};

/* Nanoseconds by a clock of clock_gettime(2). */
static inline int64_t ipcmq_now(clockid_t which)
{
	struct timespec t;
	clock_gettime(which, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Reads the clock's properties. */
static inline struct ipcmq_clock ipcmq_open_clock(void)
{
	struct ipcmq_clock c = {0};
	struct stat own, children;
	char text[64] = "";
	int n = 0;
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
	if (f == NULL)
		return c;
	if (fgets(text, sizeof text, f) != NULL)
		for (const char *at = text; isxdigit((unsigned char)*at) || *at == '-'; at++) {
			if (*at == '-' || n == 32)
				continue;
			int digit = isdigit((unsigned char)*at) ? *at - '0' : tolower((unsigned char)*at) - 'a' + 10;
			c.id[n / 2] = (unsigned char)(c.id[n / 2] << 4 | digit);
			n++;
		}
	fclose(f);
	f = fopen("/proc/self/timens_offsets", "r");
	if (f == NULL) { /* no time namespaces: no offset */
		c.known = n == 32 && errno == ENOENT;
		return c;
	}
	/* The file has the offsets for children, which are ours if the namespace is the same. */
	long long seconds = 0, ns = 0;
	if (n == 32 && fscanf(f, "monotonic %*d %*d boottime %lld %lld", &seconds, &ns) == 2 &&
	    stat("/proc/self/ns/time", &own) == 0 && stat("/proc/self/ns/time_for_children", &children) == 0)
		c.known = own.st_ino == children.st_ino;
	fclose(f);
	c.offset = seconds * 1000000000 + ns;
	return c;
}

/* Gives a request a deadline this many nanoseconds from now: by the clock, if it is
 * known, and by the wall clock for servers that cannot read it. */
static inline void ipcmq_set_deadline(struct ipcmq_header *h, const struct ipcmq_clock *c, int64_t left)
{
	h->deadline = ipcmq_now(CLOCK_REALTIME) + left;
	h->clock = c->known ? c->id : NULL;
	h->due = ipcmq_now(CLOCK_BOOTTIME) - c->offset + left;
}

/* Returns how many nanoseconds are left until the deadline of a request, 0 or less
 * if it has passed, and INT64_MAX if there is none. */
static inline int64_t ipcmq_left(const struct ipcmq_header *h, const struct ipcmq_clock *c)
{
	int64_t end = h->deadline, now = ipcmq_now(CLOCK_REALTIME);
	if (h->clock != NULL && c->known && memcmp(h->clock, c->id, sizeof c->id) == 0) {
		end = h->due;
		now = ipcmq_now(CLOCK_BOOTTIME) - c->offset;
	} else if (end == 0) {
		return INT64_MAX;
	}
	return end <= now ? 0 : end - now; /* maybe far below 0 */
}

#endif

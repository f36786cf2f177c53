/* The header of requests and replies, as specified in PROTOCOL.md of package
 * ipcmq/mux/rpc. Numbers are little-endian on every machine. */
#ifndef IPCMQ_H
#define IPCMQ_H

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <time.h>

enum {
	IPCMQ_VERSION = 1,
	IPCMQ_HEADER = 40,       /* bytes before the address */
	IPCMQ_MAX_ADDRESS = 255,
	IPCMQ_MAX_METADATA = 1024,
	IPCMQ_DUE = 29,          /* bytes of the field with the deadline */
	IPCMQ_INBOX_MODE = 0611, /* of an inbox; 020 and 002 may be added */
	IPCMQ_INBOX_MASK = 0755, /* the bits that distinguish it from other queues */

	/* types of the messages in an inbox */
	IPCMQ_REPLY_TYPE = 1,
	IPCMQ_OWNER_TYPE = 2,

	IPCMQ_OWNER_SIZE = 40, /* of the record of the inbox's owner */

	/* kinds */
	IPCMQ_REQUEST = 1,
	IPCMQ_REPLY = 2,
	IPCMQ_ERROR = 3,
	IPCMQ_OWNER = 6,

	/* codes of errors; from 1024 up they are the server's own */
	IPCMQ_FAILED = 1,
	IPCMQ_TOO_LARGE = 3,
};

struct ipcmq_header {
	unsigned kind;
	unsigned code;    /* of an error */
	uint64_t id;      /* of the request, not 0 */
	uint64_t token;   /* of the client's inbox */
	int64_t deadline; /* nanoseconds since 1970, 0 for none */
	size_t address_size;
	const unsigned char *address; /* not terminated */
	const unsigned char *clock;   /* the 16 bytes of the id of the queue's clock, or NULL */
	int64_t due;                  /* the deadline by that, in nanoseconds */
};

static inline void ipcmq_put(unsigned char *at, uint64_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		at[i] = (unsigned char)(value >> 8 * i);
}

static inline uint64_t ipcmq_get(const unsigned char *at, int bytes)
{
	uint64_t value = 0;
	while (bytes--)
		value = value << 8 | at[bytes];
	return value;
}

/* Writes the header, the address and the deadline to b, which has room for all, and
 * returns how many bytes they take: where the payload begins. */
static inline size_t ipcmq_encode(unsigned char *b, const struct ipcmq_header *h)
{
	memset(b, 0, IPCMQ_HEADER);
	memcpy(b, "ipcq", 4);
	b[4] = IPCMQ_VERSION;
	b[5] = (unsigned char)h->kind;
	ipcmq_put(b + 6, h->code, 2);
	ipcmq_put(b + 8, h->id, 8);
	ipcmq_put(b + 16, h->token, 8);
	ipcmq_put(b + 24, (uint64_t)h->deadline, 8);
	ipcmq_put(b + 32, h->address_size, 2);
	if (h->address_size > 0)
		memcpy(b + IPCMQ_HEADER, h->address, h->address_size);
	size_t start = IPCMQ_HEADER + h->address_size;
	if (h->clock == NULL)
		return start;
	static const unsigned char key[] = {2, 0, 'd', 24, 0}; /* and two lengths */
	ipcmq_put(b + 34, IPCMQ_DUE, 2);
	memcpy(b + start, key, sizeof key);
	memcpy(b + start + 5, h->clock, 16);
	ipcmq_put(b + start + 21, (uint64_t)h->due, 8);
	return start + IPCMQ_DUE;
}

/* Reads n bytes of metadata, none of which is trusted. Only one field matters here;
 * unknown fields are skipped. Returns 0 if the metadata is malformed. */
static inline int ipcmq_decode_metadata(const unsigned char *b, size_t n, struct ipcmq_header *h)
{
	while (n > 0) {
		size_t key = b[0];
		if (key == 0 || n < 1 + key + 2)
			return 0;
		size_t value = (size_t)ipcmq_get(b + 1 + key, 2), all = 1 + key + 2 + value;
		if (n < all)
			return 0;
		if (key == 2 && b[1] == 0 && b[2] == 'd') {
			if (value < 24 || h->clock != NULL)
				return 0;
			h->clock = b + 5;
			h->due = (int64_t)ipcmq_get(b + 21, 8);
		}
		b += all;
		n -= all;
	}
	return 1;
}

/* Reads the header of a message of n bytes, none of which is trusted. Returns where the
 * payload begins, or 0 if this is not a request, reply or error of this version. */
static inline size_t ipcmq_decode(const unsigned char *b, size_t n, struct ipcmq_header *h)
{
	if (n < IPCMQ_HEADER || memcmp(b, "ipcq", 4) != 0 || b[4] != IPCMQ_VERSION)
		return 0;
	h->kind = b[5];
	if (h->kind < IPCMQ_REQUEST || h->kind > IPCMQ_ERROR)
		return 0;
	h->code = (unsigned)ipcmq_get(b + 6, 2);
	h->id = ipcmq_get(b + 8, 8);
	h->token = ipcmq_get(b + 16, 8);
	h->deadline = (int64_t)ipcmq_get(b + 24, 8);
	h->address_size = (size_t)ipcmq_get(b + 32, 2);
	h->address = b + IPCMQ_HEADER;
	h->clock = NULL;
	h->due = 0;
	size_t metadata = (size_t)ipcmq_get(b + 34, 2);
	if (h->address_size > IPCMQ_MAX_ADDRESS || h->address_size > n - IPCMQ_HEADER ||
	    metadata > IPCMQ_MAX_METADATA || metadata > n - IPCMQ_HEADER - h->address_size ||
	    !ipcmq_decode_metadata(b + IPCMQ_HEADER + h->address_size, metadata, h))
		return 0;
	return IPCMQ_HEADER + h->address_size + metadata;
}

/* Reads a number between min and max from an argument. Returns -1 if it is malformed. */
static inline long ipcmq_number(const char *text, long min, long max)
{
	char *end;
	errno = 0;
	long n = strtol(text, &end, 10);
	return errno != 0 || end == text || *end != 0 || n < min || n > max ? -1 : n;
}

/* Opens the queue with the key in an argument, such as 0x2a. Returns -1 if that is not
 * a key, or there is no such queue. */
static inline int ipcmq_queue(const char *text)
{
	char *end;
	errno = 0;
	long long key = strtoll(text, &end, 0);
	if (errno != 0 || end == text || *end != 0 || key < INT_MIN || key > UINT_MAX || key == IPC_PRIVATE)
		return -1;
	return msgget((key_t)key, 0);
}

#endif

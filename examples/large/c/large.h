/* Payloads of any size through a System V queue, as in package ipcmq/mq/large: a payload
 * that does not fit into the queue goes through shared memory, a store, and a ticket
 * travels in its place. The package documents both. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/random.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { LARGE_PAGE = 4096, LARGE_TAIL = 1723, LARGE_MOST_ENTRIES = 4096, LARGE_INLINE = 65536 };

/* Words of the header, and of an entry. */
enum { MAGIC, VERSION, ENTRIES, PID, START, PID_SPACE, TIME_SPACE, LEFT, GONE };
enum { FREED = 128 / 4, WAITS = 132 / 4 }; /* of 32 bits */
enum { WORD, QUEUE, OFFSET, LENGTH, ENTRY_WORDS = 8 };
enum { SENDING = 1, SENT = 2 };

struct large_ticket {
	unsigned char mark[4];
	int32_t segment;
	uint64_t number;
	uint64_t length;
	uint32_t entry;
	uint32_t zero;
};

static const unsigned char large_mark[4] = {0xba, 0x7c, 0xfd, 0x01};

static uint64_t large_magic(void)
{
	uint64_t m;
	memcpy(&m, "ipcqlarg", 8);
	return m;
}

static size_t large_round(size_t n) { return (n + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE; }
static size_t large_data(uint64_t entries) { return large_round(LARGE_PAGE + entries * ENTRY_WORDS * 8); }
static uint64_t *large_entry(void *store, uint64_t i) { return (uint64_t *)((char *)store + LARGE_PAGE) + i * ENTRY_WORDS; }

static uint64_t large_load(uint64_t *w) { return __atomic_load_n(w, __ATOMIC_SEQ_CST); }
static void large_put(uint64_t *w, uint64_t v) { __atomic_store_n(w, v, __ATOMIC_SEQ_CST); }
static int large_swap(uint64_t *w, uint64_t old, uint64_t new)
{
	return __atomic_compare_exchange_n(w, &old, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Records the owner of the store, so that others notice when this process has ended. */
static void large_enter(uint64_t *head)
{
	struct stat st;
	char line[4096], *rest;
	unsigned long long start = 0;
	size_t n = 0;
	FILE *f = fopen("/proc/self/stat", "r");
	if (f != NULL) {
		n = fread(line, 1, sizeof line - 1, f);
		fclose(f);
	}
	line[n] = 0;
	rest = strrchr(line, ')');
	if (rest == NULL || stat("/proc/self/ns/pid", &st) != 0 ||
	    sscanf(rest + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &start) != 1)
		return; /* then nobody can find out */
	head[PID_SPACE] = st.st_ino;
	head[TIME_SPACE] = stat("/proc/self/ns/time", &st) == 0 ? st.st_ino : 0;
	head[START] = start;
	head[PID] = getpid();
}

/* Lets those who may read the queue read and write the store. */
static int large_share(int queue, int store)
{
	struct msqid_ds q;
	struct shmid_ds s;
	int class;
	if (msgctl(queue, IPC_STAT, &q) != 0 || shmctl(store, IPC_STAT, &s) != 0)
		return -1;
	s.shm_perm.uid = q.msg_perm.uid;
	s.shm_perm.gid = q.msg_perm.gid;
	s.shm_perm.mode = 0;
	for (class = 0100; class > 0; class /= 8)
		if (q.msg_perm.mode & 4 * class)
			s.shm_perm.mode |= 6 * class;
	return shmctl(store, IPC_SET, &s);
}

/* Sends n bytes, waiting for room in the queue. It needs permission to read the
 * queue too. Returns 0, or -1 with errno, and then nothing was sent. */
static int large_send(int queue, long type, const void *data, size_t n)
{
	struct {
		long type;
		unsigned char data[LARGE_INLINE];
	} m = {.type = type};
	struct large_ticket t = {.zero = 0};
	uint64_t *head, *entry;
	int id, failed, empty;

	if (n <= LARGE_INLINE && !(n == sizeof t && memcmp(data, large_mark, 4) == 0)) {
		memcpy(m.data, data, n);
		if (msgsnd(queue, &m, n, 0) == 0)
			return 0;
		if (errno != EINVAL) /* more than kernel.msgmax, perhaps */
			return -1;
	}
	/* A store for this payload only. */
	id = shmget(IPC_PRIVATE, large_data(1) + large_round(n) + LARGE_TAIL, IPC_CREAT | 0600);
	if (id < 0)
		return -1;
	head = shmat(id, NULL, 0);
	if (head == (void *)-1 || large_share(queue, id) != 0 || getrandom(&t.number, 8, 0) != 8) {
		failed = errno;
		shmctl(id, IPC_RMID, NULL);
		errno = failed;
		return -1;
	}
	memcpy(t.mark, large_mark, 4);
	t.segment = id;
	t.number >>= 2;
	t.length = n;
	large_enter(head);
	head[VERSION] = 1;
	head[ENTRIES] = 1;
	entry = large_entry(head, 0);
	memcpy((char *)head + large_data(1), data, n);
	entry[QUEUE] = queue;
	entry[OFFSET] = large_data(1);
	entry[LENGTH] = n;
	entry[WORD] = t.number << 2 | SENDING;
	large_put(&head[MAGIC], large_magic());
	memcpy(m.data, &t, sizeof t);
	if (msgsnd(queue, &m, sizeof t, 0) != 0) {
		failed = errno;
		shmctl(id, IPC_RMID, NULL);
		shmdt(head);
		errno = failed;
		return -1;
	}
	large_swap(&entry[WORD], t.number << 2 | SENDING, t.number << 2 | SENT);
	large_put(&head[LEFT], 1); /* from now on the receiver removes the store */
	empty = large_load(&entry[WORD]) == 0;
	shmdt(head);
	if (empty)
		shmctl(id, IPC_RMID, NULL);
	return 0;
}

/* Frees the payload after it was copied. */
static void large_free(int id, uint64_t *head, uint64_t entries, uint64_t *entry, uint64_t word)
{
	uint32_t *half = (uint32_t *)head;
	uint64_t i;
	if (!large_swap(&entry[WORD], word, 0) && !large_swap(&entry[WORD], (word & ~3ull) | SENT, 0))
		return;
	if (__atomic_exchange_n(&half[WAITS], 0, __ATOMIC_SEQ_CST) != 0) { /* the sender waits for room */
		__atomic_add_fetch(&half[FREED], 1, __ATOMIC_SEQ_CST);
		syscall(SYS_futex, &half[FREED], FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
	}
	if (large_load(&head[LEFT]) == 0)
		return;
	for (i = 0; i < entries; i++)
		if (large_load(&large_entry(head, i)[WORD]) != 0)
			return;
	large_put(&head[GONE], 1);
	shmctl(id, IPC_RMID, NULL);
}

/* Returns the payload of a ticket, which the caller must free, or NULL with errno: ENOENT
 * if the payload is gone, EINVAL if the ticket was forged. */
static void *large_redeem(int queue, const struct large_ticket *t)
{
	struct shmid_ds s;
	uint64_t *head, *entry, entries, offset, word = 0;
	void *data = NULL;
	if (shmctl(t->segment, IPC_STAT, &s) != 0 || (head = shmat(t->segment, NULL, 0)) == (void *)-1) {
		errno = errno == EACCES ? EACCES : ENOENT;
		return NULL;
	}
	errno = EINVAL;
	entries = s.shm_segsz > LARGE_PAGE && s.shm_segsz % LARGE_PAGE == LARGE_TAIL ? large_load(&head[ENTRIES]) : 0;
	if (entries < 1 || entries > LARGE_MOST_ENTRIES || large_data(entries) > s.shm_segsz || t->entry >= entries ||
	    large_load(&head[MAGIC]) != large_magic() || large_load(&head[VERSION]) != 1 || t->number >> 62 != 0)
		goto out;
	entry = large_entry(head, t->entry);
	offset = large_load(&entry[OFFSET]);
	word = large_load(&entry[WORD]);
	if (word >> 2 != t->number || (word & 3) == 0 || (word & 3) == 3) {
		errno = ENOENT;
		goto out;
	}
	if (large_load(&entry[QUEUE]) != (uint64_t)queue || large_load(&entry[LENGTH]) != t->length ||
	    offset < large_data(entries) || offset > s.shm_segsz || t->length > s.shm_segsz - offset)
		goto out;
	data = malloc(t->length + 1);
	if (data == NULL)
		goto out;
	memcpy(data, (char *)head + offset, t->length);
	if (large_load(&entry[WORD]) >> 2 != t->number) { /* freed meanwhile */
		free(data);
		data = NULL;
		errno = ENOENT;
		goto out;
	}
	large_free(t->segment, head, entries, entry, word);
out:
	shmdt(head);
	return data;
}

/* Receives a message that typ selects, see msgrcv(2), and returns its payload, which the
 * caller must free. *n is its length, *type its type. If it fails it returns NULL with
 * errno; if *type is then not 0, and errno ENOENT, EINVAL or EACCES, a message was taken
 * whose payload is missing. */
static void *large_receive(int queue, long typ, size_t *n, long *type)
{
	struct {
		long type;
		unsigned char data[LARGE_INLINE];
	} m;
	struct large_ticket t;
	void *data;
	ssize_t got;
	*type = 0;
	got = msgrcv(queue, &m, sizeof m.data, typ, 0);
	if (got < 0)
		return NULL;
	*type = m.type;
	*n = got;
	memcpy(&t, m.data, sizeof t);
	if (got == sizeof t && memcmp(t.mark, large_mark, 4) == 0 && t.zero == 0 && t.segment >= 0) {
		*n = t.length;
		return large_redeem(queue, &t);
	}
	data = malloc(got + 1);
	if (data != NULL)
		memcpy(data, m.data, got);
	return data;
}

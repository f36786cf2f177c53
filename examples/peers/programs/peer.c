/* Waits for a message of type argv[2] in the queue with the key argv[1], and answers
 * with that type plus 100. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/msg.h>

struct message {
	long type;
	char text[8192];
};

int main(int argc, char **argv)
{
	struct message in, out;
	long type = argc == 3 ? atol(argv[2]) : 0;
	int queue = argc == 3 ? msgget(atoi(argv[1]), 0) : -1;
	ssize_t n = msgrcv(queue, &in, sizeof in.text, type, 0);
	if (n == -1) {
		perror("peer.c: msgrcv");
		return 1;
	}
	out.type = type + 100;
	/* The size of a message is that of its text, without the type. */
	n = snprintf(out.text, sizeof out.text, "C heard \"%.*s\"", (int)n, in.text);
	if (msgsnd(queue, &out, n, 0) == -1) {
		perror("peer.c: msgsnd");
		return 1;
	}
	return 0;
}

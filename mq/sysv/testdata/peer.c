/*
 * The other side of the exchange tests, in C. Started with a key, it obeys the
 * lines of its standard input and answers each with one line:
 *
 *   send TYPE HEX   ->   ok
 *   receive TYPE    ->   TYPE HEX      (TYPE is msgtyp of msgrcv(2))
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>

#define MAX 65536

static struct {
	long type;
	unsigned char text[MAX];
} message;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

int main(int argc, char **argv)
{
	static char line[2 * MAX + 100], hex[2 * MAX + 1];
	long type;
	int queue;

	if (argc != 2)
		return 2;
	queue = msgget((key_t)strtoul(argv[1], NULL, 10), 0);
	if (queue == -1)
		die("msgget");
	while (fgets(line, sizeof line, stdin)) {
		hex[0] = 0;
		if (sscanf(line, "send %ld %s", &message.type, hex) >= 1) {
			size_t n = strlen(hex) / 2;
			for (size_t i = 0; i < n; i++)
				sscanf(hex + 2 * i, "%2hhx", &message.text[i]);
			if (msgsnd(queue, &message, n, 0) == -1)
				die("msgsnd");
			puts("ok");
		} else if (sscanf(line, "receive %ld", &type) == 1) {
			ssize_t n = msgrcv(queue, &message, MAX, type, 0);
			if (n == -1)
				die("msgrcv");
			printf("%ld ", message.type);
			for (ssize_t i = 0; i < n; i++)
				printf("%02x", message.text[i]);
			puts("");
		} else {
			return 2;
		}
		fflush(stdout);
	}
	return 0;
}

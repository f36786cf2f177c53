/* Sends its standard input as one message, or receives one and writes it.
 *
 *   large send QUEUE TYPE < FILE
 *   large recv QUEUE TYPE > FILE
 *
 * QUEUE is the id of the queue. */
#include "large.h"

static void die(const char *what)
{
	perror(what);
	exit(1);
}

int main(int argc, char **argv)
{
	char *data = NULL;
	size_t n = 0, room = 0;
	long type;
	if (argc != 4) {
		fprintf(stderr, "usage: large send|recv QUEUE TYPE\n");
		return 2;
	}
	if (strcmp(argv[1], "send") == 0) {
		for (size_t got = 1; got > 0; n += got) {
			if (n == room && (data = realloc(data, room = 2 * room + 65536)) == NULL)
				die("realloc");
			got = fread(data + n, 1, room - n, stdin);
		}
		if (large_send(atoi(argv[2]), atol(argv[3]), data, n) != 0)
			die("large_send");
	} else {
		data = large_receive(atoi(argv[2]), atol(argv[3]), &n, &type);
		if (data == NULL)
			die("large_receive");
		if (fwrite(data, 1, n, stdout) != n)
			die("fwrite");
	}
	free(data);
	return 0;
}

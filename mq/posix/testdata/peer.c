/* Does what it is told, line by line, on the queue that its argument names, and
   prints an answer to each line:

   send PRIORITY HEX    sends the bytes; prints "ok"
   receive              prints "PRIORITY HEX" */
#include <errno.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

int main(int argc, char **argv)
{
	static char line[1 << 16], body[1 << 15];
	struct mq_attr attr;
	mqd_t q = mq_open(argv[argc - 1], O_RDWR);

	if (q == (mqd_t)-1 || mq_getattr(q, &attr))
		die("mq_open");
	while (fgets(line, sizeof line, stdin)) {
		unsigned priority, byte;
		int at, used;

		if (sscanf(line, "send %u %n", &priority, &at) == 1) {
			size_t n = 0;
			while (sscanf(line + at, "%2x%n", &byte, &used) == 1) {
				body[n++] = byte;
				at += used;
			}
			if (mq_send(q, body, n, priority))
				die("mq_send");
			puts("ok");
		} else if (!strcmp(line, "receive\n")) {
			ssize_t n = mq_receive(q, body, attr.mq_msgsize, &priority);
			if (n < 0)
				die("mq_receive");
			printf("%u ", priority);
			for (ssize_t i = 0; i < n; i++)
				printf("%02x", (unsigned char)body[i]);
			puts("");
		} else {
			fprintf(stderr, "what is %s", line);
			return 1;
		}
		fflush(stdout);
	}
	return 0;
}

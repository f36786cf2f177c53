/* The record of an inbox's owner, with which the inbox can be removed if its client is
 * killed. */
#ifndef IPCMQ_OWNER_H
#define IPCMQ_OWNER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Returns the number of a namespace of this process, 0 if it is not known. */
static inline uint64_t ipcmq_namespace(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

/* Returns when this process started, in ticks since the boot, 0 if that is not
 * known. */
static inline uint64_t ipcmq_start(void)
{
	char text[4096];
	unsigned long long start = 0;
	FILE *f = fopen("/proc/self/stat", "r");
	if (f == NULL)
		return 0;
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = 0;
	/* The second field is the name of the program, in parentheses. */
	char *at = strrchr(text, ')');
	for (int field = 2; at != NULL && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (at != NULL)
		start = strtoull(at, NULL, 10);
	return start;
}

#endif

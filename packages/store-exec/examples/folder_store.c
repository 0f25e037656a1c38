/*
 * An exec plugin of protocol 1 with sessions, in plain C: records in a folder that all peers share.
 *
 *   cc -O2 -o /usr/local/lib/stunmesh/folder-store folder_store.c
 *
 *   plugins:
 *     shared:
 *       type: exec
 *       protocol: 1
 *       command: /usr/local/lib/stunmesh/folder-store
 *       args: [/mnt/shared/stunmesh]
 *
 * Requests have no escapes in their strings and no white space between their parts, so finding a member is finding its name.
 */
#define _POSIX_C_SOURCE 200809L
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_VALUE 32768

static const char *folder;

/* Copies the text member `name` of `request`; 0 when there is none, or it is no plain word, or it does not fit. */
static int text_member(const char *request, const char *name, char *out, size_t size)
{
	char wanted[32];
	size_t n = 0;
	const char *at;

	snprintf(wanted, sizeof wanted, "\"%s\":\"", name);
	at = strstr(request, wanted);
	if (!at)
		return 0;
	for (at += strlen(wanted); *at != '"'; at++) {
		if (!isalnum((unsigned char)*at) || n + 1 >= size)
			return 0;
		out[n++] = *at;
	}
	out[n] = '\0';
	return n > 0;
}

static void failed(long id, const char *code, const char *error)
{
	printf("{\"id\":%ld,\"success\":false,\"code\":\"%s\",\"error\":\"%s\"}\n", id, code, error);
}

static void failed_by_errno(long id)
{
	failed(id, errno == EACCES || errno == EROFS ? "rejected" : "later", strerror(errno));
}

static void get(long id, const char *path)
{
	static char value[MOST_VALUE + 1];
	size_t n;
	FILE *file = fopen(path, "r");

	if (!file) {
		/* No record is a success without a value. */
		if (errno == ENOENT)
			printf("{\"id\":%ld,\"success\":true}\n", id);
		else
			failed_by_errno(id);
		return;
	}
	n = fread(value, 1, MOST_VALUE, file);
	value[n] = '\0';
	if (ferror(file) || strspn(value, "0123456789abcdefABCDEF") != n)
		failed(id, "later", "the record cannot be read");
	else
		printf("{\"id\":%ld,\"success\":true,\"value\":\"%s\"}\n", id, value);
	fclose(file);
}

static void set(long id, const char *key, const char *path, const char *value)
{
	char temporary[4096];
	FILE *file;
	int bad;

	snprintf(temporary, sizeof temporary, "%s/.%s.%ld", folder, key, (long)getpid());
	file = fopen(temporary, "w");
	if (!file) {
		failed_by_errno(id);
		return;
	}
	bad = fputs(value, file) < 0;
	/* A rename is one step: a reader sees the old record or the new one. */
	if (fclose(file) != 0 || bad || rename(temporary, path) != 0) {
		failed_by_errno(id);
		unlink(temporary);
		return;
	}
	printf("{\"id\":%ld,\"success\":true}\n", id);
}

static void serve(const char *request)
{
	static char value[MOST_VALUE + 1];
	char action[16] = "", key[41], path[4000];
	const char *at = strstr(request, "\"id\":");
	long id = at ? strtol(at + 5, NULL, 10) : 0;

	text_member(request, "action", action, sizeof action);
	if (strcmp(action, "describe") == 0) {
		printf("{\"id\":%ld,\"success\":true,\"protocol\":1,\"version\":\"1.0\","
		       "\"traits\":{\"max_value_bytes\":%d,\"session\":true,\"delete\":true}}\n", id, MOST_VALUE);
		return;
	}
	if (strcmp(action, "get") != 0 && strcmp(action, "set") != 0 && strcmp(action, "delete") != 0) {
		failed(id, "rejected", "unknown action");
		return;
	}
	if (!text_member(request, "key", key, sizeof key)) {
		failed(id, "internal", "no key");
		return;
	}
	snprintf(path, sizeof path, "%s/%s", folder, key);
	if (*action == 'g')
		get(id, path);
	else if (*action == 'd') {
		if (unlink(path) != 0 && errno != ENOENT)
			failed_by_errno(id);
		else
			printf("{\"id\":%ld,\"success\":true}\n", id);
	} else if (!text_member(request, "value", value, sizeof value))
		failed(id, "too_large", "no value, or one that is too long");
	else
		set(id, key, path, value);
}

int main(int argc, char **argv)
{
	char *line = NULL;
	size_t size = 0;

	if (argc != 2 || strlen(argv[1]) > 3900) {
		fprintf(stderr, "usage: folder-store FOLDER\n");
		return 2;
	}
	folder = argv[1];
	umask(077);
	mkdir(folder, 0700);
	/* The same loop serves a single call, which is a session of one line. */
	while (getline(&line, &size, stdin) > 0) {
		serve(line);
		fflush(stdout);
	}
	free(line);
	return 0;
}

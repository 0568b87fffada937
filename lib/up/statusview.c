/* SPDX-License-Identifier: MIT */
#include "up/statusview.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/compiler.h"
#include "base/number.h"
#include "cluster/jsontext.h"

#define COLUMNS_MIN 60
#define INDENT 2
/* All columns but the address, and what is between them. */
#define OTHER_COLUMNS (10 + 8 + 7 + 9 + 6 + 7 + 6 + 7)
#define ADDRESS_COLUMNS_MIN 15

static bool
is_running(const struct status_program *p)
{
	return strcmp(p->state, "running") == 0;
}

const char *
status_level_name(enum status_level level)
{
	static const char *const names[] = {
		[STATUS_BROKEN] = "broken",
		[STATUS_UP] = "up",
		[STATUS_READY] = "ready",
		[STATUS_FULL] = "full",
	};

	assert((size_t)level < nitems(names));
	return names[level];
}

enum status_level
status_view_level(const struct status_view *view)
{
	enum status_level least = STATUS_FULL;

	for (size_t i = 0; i < view->count; i++)
		least = KOOP_MIN(least, view->program[i].level);
	return view->count > 0 ? least : STATUS_BROKEN;
}

/* As wide as the longest is, or as there is room. */
static int
address_columns(const struct status_view *view, unsigned columns)
{
	size_t width = ADDRESS_COLUMNS_MIN;

	for (size_t i = 0; i < view->count; i++)
		width = KOOP_MAX(width, strlen(view->program[i].address));
	if (columns != 0)
		width = KOOP_MIN(width, (size_t)columns - OTHER_COLUMNS);
	return (int)width;
}

/* A port tells more than the middle of an address. */
static void
print_address(struct buf *out, const char *address, int width)
{
	int n = (int)strlen(address);
	int tail = (width - 2) / 2;

	assert(width > 4);
	if (n <= width)
		buf_printf(out, " %-*s", width, address);
	else
		buf_printf(out, " %.*s..%s", width - 2 - tail, address,
		    address + n - tail);
}

static void
print_node_columns(struct buf *out, const struct status_program *p)
{
	char votes[32], free_space[16];

	snprintf(votes, sizeof(votes), "%" PRIu32 "/%" PRIu32, p->voting,
	    p->partitions);
	number_print_size(free_space, p->free_bytes);
	buf_printf(out, " %8s %6" PRIu64 " %7" PRIu64 " %6s", votes, p->behind,
	    p->repairs, free_space);
}

/* Text in lines of at most so many columns, broken at spaces. */
static void
print_indented(struct buf *out, const char *text, unsigned columns)
{
	size_t room = columns == 0 ? SIZE_MAX : columns - INDENT;

	while (*text != '\0') {
		size_t n = strlen(text);

		if (n > room) {
			n = room;
			while (n > 0 && text[n] != ' ')
				n--;
			if (n == 0)
				n = room;
		}
		buf_printf(out, "%*s%.*s\n", INDENT, "", (int)n, text);
		text += n;
		text += strspn(text, " ");
	}
}

static void
print_program(struct buf *out, const struct status_program *p, int width,
    unsigned columns)
{
	char pid[16] = "-";

	if (p->pid != 0)
		snprintf(pid, sizeof(pid), "%d", (int)p->pid);
	buf_printf(out, "%-10s", p->name);
	print_address(out, p->address, width);
	/* Without spaces at its end. */
	buf_printf(out, " %-8s %7s", p->state, pid);
	if (p->node && p->answers)
		print_node_columns(out, p);
	buf_addch(out, '\n');
	if (p->restarts > 0) {
		char text[64];

		snprintf(text, sizeof(text), "was started again %u time%s",
		    p->restarts, p->restarts == 1 ? "" : "s");
		print_indented(out, text, columns);
	}
	print_indented(out, p->reason, columns);
}

/* "9 of 9 nodes and 1 of 1 gateways run: ..." */
static void
print_summary(struct buf *out, const struct status_view *view)
{
	size_t count[2] = { 0 }, up[2] = { 0 };
	uint64_t behind = 0, repairs = 0;

	for (size_t i = 0; i < view->count; i++) {
		const struct status_program *p = &view->program[i];

		count[p->node]++;
		up[p->node] += is_running(p) && p->answers;
		behind += p->behind;
		repairs += p->repairs;
	}
	buf_printf(out,
	    "%zu of %zu nodes and %zu of %zu gateways run: ", up[true],
	    count[true], up[false], count[false]);
	switch (status_view_level(view)) {
	case STATUS_FULL:
		buf_addstr(out, "all is whole\n");
		break;
	case STATUS_READY:
		if (behind > 0 || repairs > 0)
			buf_printf(out,
			    "%" PRIu64 " records behind, %" PRIu64
			    " shards to repair\n",
			    behind, repairs);
		else
			buf_addstr(out,
			    "the gateways do not see all of it yet\n");
		break;
	case STATUS_UP:
		buf_addstr(out, "not all nodes vote\n");
		break;
	case STATUS_BROKEN:
		buf_addstr(out, "something does not run\n");
		break;
	}
}

void
status_view_print(const struct status_view *view, unsigned columns,
    struct buf *out)
{
	int width;

	if (columns != 0)
		columns = KOOP_MAX(columns, COLUMNS_MIN + ADDRESS_COLUMNS_MIN);
	width = address_columns(view, columns);
	buf_printf(out, "%-10s %-*s %-8s %7s %8s %6s %7s %6s\n", "NAME", width,
	    "ADDRESS", "STATE", "PID", "VOTES", "BEHIND", "REPAIRS", "FREE");
	for (size_t i = 0; i < view->count; i++)
		print_program(out, &view->program[i], width, columns);
	print_summary(out, view);
}

static void
statusview_add_text(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, ",\"%s\":", name);
	jsontext_quote(out, bytes_str(text));
}

static void
statusview_add_number(struct buf *out, const char *name, uint64_t n)
{
	buf_printf(out, ",\"%s\":%" PRIu64, name, n);
}

static void
print_json_program(struct buf *out, const struct status_program *p)
{
	buf_printf(out, "{\"kind\":\"%s\"", p->node ? "node" : "gateway");
	statusview_add_text(out, "name", p->name);
	statusview_add_text(out, "address", p->address);
	statusview_add_text(out, "state", p->state);
	statusview_add_text(out, "level", status_level_name(p->level));
	if (p->pid != 0) {
		statusview_add_number(out, "pid", (uint64_t)p->pid);
		statusview_add_number(out, "restarts", p->restarts);
	}
	if (p->since_ms != 0)
		statusview_add_number(out, "since", p->since_ms / 1000);
	if (p->answers)
		statusview_add_text(out, "status", p->word);
	if (p->answers && p->node) {
		statusview_add_number(out, "voting", p->voting);
		statusview_add_number(out, "partitions", p->partitions);
		statusview_add_number(out, "behind", p->behind);
		statusview_add_number(out, "repairs", p->repairs);
		statusview_add_number(out, "freeBytes", p->free_bytes);
		statusview_add_number(out, "totalBytes", p->total_bytes);
		statusview_add_number(out, "reserveBytes", p->reserve_bytes);
		buf_printf(out, ",\"full\":%s", p->full ? "true" : "false");
	}
	if (p->reason[0] != '\0')
		statusview_add_text(out, "reason", p->reason);
	buf_addch(out, '}');
}

void
status_view_json(const struct status_view *view, struct buf *out)
{
	buf_printf(out, "{\"v\":1,\"level\":\"%s\",\"programs\":[",
	    status_level_name(status_view_level(view)));
	for (size_t i = 0; i < view->count; i++) {
		if (i > 0)
			buf_addch(out, ',');
		print_json_program(out, &view->program[i]);
	}
	buf_addstr(out, "]}\n");
}

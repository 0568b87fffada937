/* SPDX-License-Identifier: MIT */
#include "wire/nodehealth.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"

static const struct {
	unsigned bit;
	const char *text;
} reason_words[] = {
#define X(name, bit, text) { NODEHEALTH_##name, text },
	NODEHEALTH_REASONS(X)
#undef X
};

const char *
nodehealth_name(enum nodehealth_word word)
{
	switch (word) {
	case NODEHEALTH_OK:
		return "ok";
	case NODEHEALTH_DEGRADED:
		return "degraded";
	case NODEHEALTH_READONLY:
		return "readonly";
	case NODEHEALTH_DOWN:
		return "down";
	}
	return "unknown";
}

enum nodehealth_word
nodehealth_judge(const struct nodehealth *h)
{
	assert(h->voting <= h->partitions);
	/* Only voting nodes count for anybody (protocol.md 5, "Votes"). */
	if ((h->reasons & NODEHEALTH_UNREACHABLE) != 0 ||
	    (h->voting == 0 && h->partitions > 0))
		return NODEHEALTH_DOWN;
	if ((h->reasons & (NODEHEALTH_DISK_FULL | NODEHEALTH_NO_LOG)) != 0)
		return NODEHEALTH_READONLY;
	return h->reasons != 0 ? NODEHEALTH_DEGRADED : NODEHEALTH_OK;
}

void
nodehealth_print_reasons(struct buf *out, unsigned reasons)
{
	const char *comma = "";

	buf_addch(out, '[');
	for (size_t i = 0; i < nitems(reason_words); i++) {
		if ((reasons & reason_words[i].bit) == 0)
			continue;
		buf_printf(out, "%s\"%s\"", comma, reason_words[i].text);
		comma = ",";
	}
	buf_addch(out, ']');
}

void
nodehealth_add_full(struct buf *out, uint32_t set, uint32_t index,
    uint64_t free_bytes)
{
	if (out->n == 0)
		buf_printf(out,
		    "the disk of node %" PRIu32 "/%" PRIu32 " is full (%" PRIu64
		    " bytes free)",
		    set, index, free_bytes);
	else
		buf_printf(out,
		    ", that of %" PRIu32 "/%" PRIu32 " (%" PRIu64 ")", set,
		    index, free_bytes);
}

static void
nodehealth_print_list(struct buf *out, const char *name,
    const struct nodehealth_list *list)
{
	assert(list->count == 0 || list->partition != NULL);
	buf_printf(out, ",\"%s\":[", name);
	for (size_t i = 0; i < list->count; i++)
		buf_printf(out, "%s%" PRIu32, i > 0 ? "," : "",
		    list->partition[i]);
	buf_addch(out, ']');
}

void
nodehealth_print(const struct nodehealth *h, struct buf *out)
{
	assert(h->mute.count == h->partitions - h->voting);
	assert(h->stuck.count >= h->halted);
	buf_printf(out,
	    "\"cluster\":\"%s\",\"set\":%" PRIu32 ",\"index\":%" PRIu32
	    ",\"status\":\"%s\",\"reasons\":",
	    h->cluster, h->set, h->index, nodehealth_name(nodehealth_judge(h)));
	nodehealth_print_reasons(out, h->reasons);
	buf_printf(out,
	    ",\"count\":%" PRIu32 ",\"voting\":%" PRIu32 ",\"halted\":%" PRIu32
	    ",\"free\":%" PRIu64 ",\"total\":%" PRIu64 ",\"reserve\":%" PRIu64,
	    h->partitions, h->voting, h->halted, h->free_bytes, h->total_bytes,
	    h->reserve_bytes);
	nodehealth_print_list(out, "mute", &h->mute);
	nodehealth_print_list(out, "stuck", &h->stuck);
}

/* Reading: the other end may be of another version, or no node at all. */

static int
is_none(struct error *err)
{
	return error_set(err, ERRC_PROTOCOL, "health: not a node's answer");
}

static bool
nodehealth_take_number(json_t *json, const char *name, uint64_t max,
    uint64_t *out)
{
	json_t *value = json_object_get(json, name);

	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > max)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

static bool
take_small(json_t *json, const char *name, uint32_t *out)
{
	uint64_t value;

	if (!nodehealth_take_number(json, name, INT32_MAX, &value))
		return false;
	*out = (uint32_t)value;
	return true;
}

unsigned
nodehealth_reason(const char *text)
{
	for (size_t i = 0; text != NULL && i < nitems(reason_words); i++)
		if (strcmp(text, reason_words[i].text) == 0)
			return reason_words[i].bit;
	return 0;
}

static bool
nodehealth_take_list(json_t *json, const char *name, size_t max,
    struct nodehealth_list *out)
{
	json_t *list = json_object_get(json, name);
	size_t n = json_array_size(list);
	json_int_t last = -1;

	assert(out->partition == NULL && out->count == 0);
	if (!json_is_array(list) || n > max)
		return false;
	out->partition = calloc(n + 1, sizeof(*out->partition));
	if (out->partition == NULL)
		return false;
	for (size_t i = 0; i < n; i++) {
		json_t *item = json_array_get(list, i);

		/* In order, so that each is there once. */
		if (!json_is_integer(item) ||
		    json_integer_value(item) <= last ||
		    json_integer_value(item) > INT32_MAX)
			return false;
		last = json_integer_value(item);
		assert(out->count < n);
		out->partition[out->count++] = (uint32_t)last;
	}
	return true;
}

int
nodehealth_parse(struct nodehealth *out, struct bytes text, struct error *err)
{
	struct nodehealth h = { 0 };
	json_t *json = json_loadb((const char *)text.p, text.n,
	    JSON_REJECT_DUPLICATES, NULL);
	json_t *reasons = json_object_get(json, "reasons");
	const char *cluster = json_string_value(
	    json_object_get(json, "cluster"));
	bool good = cluster != NULL && strlen(cluster) < sizeof(h.cluster);

	if (good)
		memcpy(h.cluster, cluster, strlen(cluster) + 1);
	good = good && take_small(json, "set", &h.set) &&
	    take_small(json, "index", &h.index) &&
	    take_small(json, "count", &h.partitions) &&
	    take_small(json, "voting", &h.voting) &&
	    take_small(json, "halted", &h.halted) &&
	    nodehealth_take_number(json, "free", INT64_MAX, &h.free_bytes) &&
	    nodehealth_take_number(json, "total", INT64_MAX, &h.total_bytes) &&
	    nodehealth_take_number(json, "reserve", INT64_MAX,
		&h.reserve_bytes) &&
	    json_is_array(reasons) && h.voting <= h.partitions &&
	    nodehealth_take_list(json, "mute", h.partitions, &h.mute) &&
	    nodehealth_take_list(json, "stuck", h.partitions, &h.stuck) &&
	    h.mute.count == h.partitions - h.voting;
	for (size_t i = 0; good && i < json_array_size(reasons); i++)
		h.reasons |= nodehealth_reason(
		    json_string_value(json_array_get(reasons, i)));
	json_decref(json);
	assert(!good || h.mute.count + h.voting == h.partitions);
	if (!good) {
		nodehealth_fini(&h);
		return is_none(err);
	}
	*out = h;
	return 0;
}

void
nodehealth_fini(struct nodehealth *h)
{
	free(h->mute.partition);
	free(h->stuck.partition);
	*h = (struct nodehealth){ 0 };
}

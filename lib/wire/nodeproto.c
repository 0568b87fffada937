/* SPDX-License-Identifier: MIT */
#include "wire/nodeproto.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/number.h"
#include "commit/record_type.h"
#include "wire/nodeproto_info.h"

#define CRC_LIST_MAX (32 * 17)

static const char *const state_names[] = { "none", "open", "sealed" };
static const char *const kind_names[] = { "blob", "inline", "multipart" };
static const char *const versioning_names[] = { "never", "enabled",
	"suspended" };

/* Read. */

static int
bad_header(struct error *err, const char *name)
{
	return error_set(err, ERRC_PROTOCOL, "header %s: missing or bad", name);
}

static int
nodeproto_get_number(uint64_t *out, const char *name, nodeproto_get_fn *get,
    void *arg, struct error *err)
{
	const char *v = get(arg, name);

	if (v == NULL ||
	    !number_parse(out, v, strlen(v), 0, (uint64_t)INT64_MAX))
		return bad_header(err, name);
	return 0;
}

static int
get_u32(uint32_t *out, const char *name, nodeproto_get_fn *get, void *arg,
    struct error *err)
{
	const char *v = get(arg, name);
	uint64_t n;

	if (v == NULL || !number_parse(&n, v, strlen(v), 0, UINT32_MAX))
		return bad_header(err, name);
	*out = (uint32_t)n;
	return 0;
}

/* Programs of before there were levels do not tell theirs. */
static int
get_level(uint32_t *out, const char *name, nodeproto_get_fn *get, void *arg,
    struct error *err)
{
	const char *v = get(arg, name);
	uint64_t n = 1;

	if (v != NULL && !number_parse(&n, v, strlen(v), 1, RECORD_LEVEL_MAX))
		return bad_header(err, name);
	*out = (uint32_t)n;
	return 0;
}

/* One of count names; -1 when it is none. */
static int
get_name(const char *const names[], size_t count, const char *v)
{
	for (size_t i = 0; v != NULL && i < count; i++)
		if (strcmp(names[i], v) == 0)
			return (int)i;
	return -1;
}

int
nodeproto_position_parse(struct nodeproto_position *out, nodeproto_get_fn *get,
    void *arg, struct error *err)
{
	struct nodeproto_position p = { 0 };
	const char *v;
	int rc;

	if ((rc = nodeproto_get_number(&p.applied, NODEPROTO_APPLIED, get, arg,
		 err)) ||
	    (rc = nodeproto_get_number(&p.stable, NODEPROTO_STABLE, get, arg,
		 err)) ||
	    (rc = nodeproto_get_number(&p.epoch, NODEPROTO_EPOCH, get, arg,
		 err)) ||
	    (rc = nodeproto_get_number(&p.row_seq, NODEPROTO_ROW_SEQ, get, arg,
		 err)))
		return rc;
	v = get(arg, NODEPROTO_HASH);
	if (v == NULL || !hex_decode(p.hash, sizeof(p.hash), v, strlen(v)))
		return bad_header(err, NODEPROTO_HASH);
	v = get(arg, NODEPROTO_VOTING);
	if (v == NULL || (strcmp(v, "0") != 0 && strcmp(v, "1") != 0))
		return bad_header(err, NODEPROTO_VOTING);
	p.voting = v[0] == '1';
	v = get(arg, NODEPROTO_DISK);
	if (v == NULL || strlen(v) != REQID_HEX)
		return bad_header(err, NODEPROTO_DISK);
	memcpy(p.disk, v, REQID_HEX + 1);
	if ((rc = get_level(&p.level, NODEPROTO_LEVEL, get, arg, err)) ||
	    (rc = get_level(&p.knows, NODEPROTO_KNOWS, get, arg, err)))
		return rc;
	if (p.row_seq > p.applied)
		return error_set(err, ERRC_PROTOCOL,
		    "row %" PRIu64 " is after applied %" PRIu64, p.row_seq,
		    p.applied);
	*out = p;
	return 0;
}

/* A base64 JSON object to text on the heap.  That it is JSON is checked by
 * those who use it. */
static int
get_json(char **out, const char *name, nodeproto_get_fn *get, void *arg,
    struct error *err)
{
	const char *v = get(arg, name);
	size_t n;
	char *p;

	if (v == NULL || strlen(v) > BASE64_BYTES(NODEPROTO_JSON_MAX))
		return bad_header(err, name);
	n = strlen(v) / 4 * 3 + 3;
	p = malloc(n + 1);
	if (p == NULL)
		return error_set(err, ERRC_NOMEM, "header %s: no memory", name);
	if (!base64_decode((uint8_t *)p, &n, v, strlen(v)) || n < 2 ||
	    memchr(p, '\0', n) != NULL) {
		free(p);
		return bad_header(err, name);
	}
	assert(n <= strlen(v) / 4 * 3 + 3);
	p[n] = '\0';
	*out = p;
	return 0;
}

static int
parse_crc_list(struct object_info *info, const char *v, struct error *err)
{
	size_t len;

	info->shard_crc64_count = 0;
	while (v != NULL && *v != '\0') {
		len = strcspn(v, ",");
		if (info->shard_crc64_count >= nitems(info->shard_crc64) ||
		    !hex_parse_u64(&info->shard_crc64[info->shard_crc64_count],
			v, len))
			return bad_header(err, NODEPROTO_SHARD_CRC64);
		info->shard_crc64_count++;
		v += len;
		if (*v == ',' && *++v == '\0')
			return bad_header(err, NODEPROTO_SHARD_CRC64);
	}
	return 0;
}

static int
info_parse_blob(struct object_info *info, nodeproto_get_fn *get, void *arg,
    struct error *err)
{
	const char *v = get(arg, NODEPROTO_GEOMETRY);
	uint32_t n;
	int rc;

	if (v == NULL)
		return bad_header(err, NODEPROTO_GEOMETRY);
	if ((rc = nodeproto_geometry_parse(&info->geometry, v, err)) ||
	    (rc = get_u32(&info->set, NODEPROTO_SET, get, arg, err)) ||
	    (rc = get_u32(&info->shard, NODEPROTO_SHARD, get, arg, err)) ||
	    (rc = parse_crc_list(info, get(arg, NODEPROTO_SHARD_CRC64), err)))
		return rc;
	n = info->geometry.data_shards + info->geometry.parity_shards;
	assert(n >= 1 && n <= nitems(info->shard_crc64));
	if (info->shard_crc64_count != n || info->shard >= n)
		return bad_header(err, NODEPROTO_SHARD_CRC64);
	return 0;
}

const char *
nodeproto_versioning_name(enum nodeproto_versioning versioning)
{
	assert(versioning <= NODEPROTO_SUSPENDED);
	return versioning_names[versioning];
}

bool
nodeproto_versioning_parse(enum nodeproto_versioning *out, const char *name)
{
	int found = get_name(versioning_names, nitems(versioning_names), name);

	if (found < 0)
		return false;
	*out = (enum nodeproto_versioning)found;
	return true;
}

/* Settings of the bucket; a program of level 1 has none to tell. */
static int
info_parse_settings(struct object_info *info, nodeproto_get_fn *get, void *arg,
    struct error *err)
{
	const char *v = get(arg, NODEPROTO_VERSIONING);

	if (v == NULL)
		return 0;
	if (!nodeproto_versioning_parse(&info->versioning, v))
		return bad_header(err, NODEPROTO_VERSIONING);
	return nodeproto_get_number(&info->revision, NODEPROTO_REVISION, get,
	    arg, err);
}

/* The name of a version, or of the marker that stands in its place. */
static int
info_parse_name(struct object_info *info, nodeproto_get_fn *get, void *arg,
    struct error *err)
{
	const char *v = get(arg, NODEPROTO_VERSION);

	info->version.is_null = true;
	if (v != NULL && !versionid_parse(&info->version, bytes_str(v)))
		return bad_header(err, NODEPROTO_VERSION);
	if (!info->marker)
		return 0;
	return nodeproto_get_number(&info->modified_ms, NODEPROTO_MODIFIED, get,
	    arg, err);
}

static int
info_parse_version(struct object_info *info, nodeproto_get_fn *get, void *arg,
    struct error *err)
{
	const char *v = get(arg, NODEPROTO_KIND);
	int rc;
	int kind = get_name(kind_names, nitems(kind_names), v);

	if (kind < 0)
		return bad_header(err, NODEPROTO_KIND);
	info->kind = (enum nodeproto_kind)kind;
	info->missing = get(arg, NODEPROTO_MISSING) != NULL;
	v = get(arg, NODEPROTO_REQUEST_ID);
	if (v == NULL || !reqid_parse(&info->id, v, strlen(v)))
		return bad_header(err, NODEPROTO_REQUEST_ID);
	v = get(arg, NODEPROTO_ETAG);
	if (v == NULL || v[0] == '\0' || strlen(v) > NODEPROTO_ETAG_MAX)
		return bad_header(err, NODEPROTO_ETAG);
	memcpy(info->etag, v, strlen(v) + 1);
	if ((rc = nodeproto_get_number(&info->size, NODEPROTO_SIZE, get, arg,
		 err)) ||
	    (rc = nodeproto_get_number(&info->modified_ms, NODEPROTO_MODIFIED,
		 get, arg, err)) ||
	    (rc = get_json(&info->headers, NODEPROTO_HEADERS, get, arg, err)) ||
	    (rc = get_json(&info->meta, NODEPROTO_META, get, arg, err)))
		return rc;
	if (info->kind == NODEPROTO_MULTIPART)
		return 0;
	v = get(arg, NODEPROTO_CRC64NVME);
	if (v == NULL || !hex_parse_u64(&info->crc64nvme, v, strlen(v)))
		return bad_header(err, NODEPROTO_CRC64NVME);
	if (info->kind == NODEPROTO_INLINE)
		return 0;
	return info_parse_blob(info, get, arg, err);
}

int
nodeproto_info_parse(struct object_info *out, nodeproto_get_fn *get, void *arg,
    struct error *err)
{
	struct object_info info = { 0 };
	int state;
	int rc;

	rc = nodeproto_position_parse(&info.at, get, arg, err);
	if (rc != 0)
		return rc;
	state = get_name(state_names, nitems(state_names),
	    get(arg, NODEPROTO_BUCKET));
	if (state < 0)
		return bad_header(err, NODEPROTO_BUCKET);
	info.bucket = (enum nodeproto_state)state;
	rc = nodeproto_get_number(&info.incarnation, NODEPROTO_INCARNATION, get,
	    arg, err);
	if (rc != 0)
		return rc;
	rc = info_parse_settings(&info, get, arg, err);
	if (rc != 0)
		return rc;
	info.found = get(arg, NODEPROTO_KIND) != NULL;
	info.marker = !info.found && get(arg, NODEPROTO_MARKER) != NULL;
	if (info.found || info.marker)
		rc = info_parse_name(&info, get, arg, err);
	if (rc == 0 && info.found)
		rc = info_parse_version(&info, get, arg, err);
	if (rc != 0) {
		nodeproto_info_fini(&info);
		return rc;
	}
	*out = info;
	return 0;
}

void
nodeproto_info_fini(struct object_info *info)
{
	free(info->headers);
	free(info->meta);
	*info = (struct object_info){ 0 };
}

/* Print. */

static void
put_number(const char *name, uint64_t n, nodeproto_put_fn *put, void *arg)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, n);
	put(arg, name, text);
}

void
nodeproto_position_print(const struct nodeproto_position *position,
    nodeproto_put_fn *put, void *arg)
{
	char hash[65];

	hex_encode(hash, position->hash, sizeof(position->hash));
	put_number(NODEPROTO_APPLIED, position->applied, put, arg);
	put(arg, NODEPROTO_HASH, hash);
	put(arg, NODEPROTO_VOTING, position->voting ? "1" : "0");
	put_number(NODEPROTO_STABLE, position->stable, put, arg);
	put_number(NODEPROTO_EPOCH, position->epoch, put, arg);
	put_number(NODEPROTO_ROW_SEQ, position->row_seq, put, arg);
	put(arg, NODEPROTO_DISK, position->disk);
	put_number(NODEPROTO_LEVEL, KOOP_MAX(position->level, 1u), put, arg);
	put_number(NODEPROTO_KNOWS, KOOP_MAX(position->knows, 1u), put, arg);
}

static int
put_json(const char *name, const char *json, nodeproto_put_fn *put, void *arg,
    struct error *err)
{
	size_t n = strlen(json);
	char *text;

	if (n > NODEPROTO_JSON_MAX)
		return error_set(err, ERRC_CORRUPT,
		    "header %s: longer than %d bytes", name,
		    NODEPROTO_JSON_MAX);
	text = malloc(BASE64_BYTES(n));
	if (text == NULL)
		return error_set(err, ERRC_NOMEM, "header %s: no memory", name);
	base64_encode(text, json, n);
	put(arg, name, text);
	free(text);
	return 0;
}

static void
print_blob(const struct object_info *info, nodeproto_put_fn *put, void *arg)
{
	char text[CRC_LIST_MAX + 32];
	size_t n = 0;

	assert(info->shard_crc64_count <= nitems(info->shard_crc64));
	nodeproto_geometry_print(text, &info->geometry);
	put(arg, NODEPROTO_GEOMETRY, text);
	put_number(NODEPROTO_SET, info->set, put, arg);
	put_number(NODEPROTO_SHARD, info->shard, put, arg);
	for (uint32_t i = 0; i < info->shard_crc64_count; i++) {
		if (i > 0)
			text[n++] = ',';
		hex_u64(text + n, info->shard_crc64[i]);
		n += 16;
	}
	assert(n < sizeof(text));
	text[n] = '\0';
	put(arg, NODEPROTO_SHARD_CRC64, text);
}

int
nodeproto_info_print(const struct object_info *info, nodeproto_put_fn *put,
    void *arg, struct error *err)
{
	char text[VERSIONID_TEXT + 1];
	int rc;

	_Static_assert(REQID_HEX <= VERSIONID_TEXT, "room for both");
	assert(!info->found || !info->marker);
	assert(info->bucket < nitems(state_names));
	assert(!info->found || info->kind < nitems(kind_names));
	nodeproto_position_print(&info->at, put, arg);
	put(arg, NODEPROTO_BUCKET, state_names[info->bucket]);
	put_number(NODEPROTO_INCARNATION, info->incarnation, put, arg);
	put_number(NODEPROTO_REVISION, info->revision, put, arg);
	put(arg, NODEPROTO_VERSIONING,
	    nodeproto_versioning_name(info->versioning));
	if (info->found || info->marker) {
		struct versionid version = info->version;

		/* All zeros, as everything of ours: no name of its own. */
		version.is_null |= version.seq == 0;
		versionid_format(text, &version);
		put(arg, NODEPROTO_VERSION, text);
	}
	if (info->marker) {
		put(arg, NODEPROTO_MARKER, "1");
		put_number(NODEPROTO_MODIFIED, info->modified_ms, put, arg);
	}
	if (!info->found)
		return 0;
	put(arg, NODEPROTO_KIND, kind_names[info->kind]);
	if (info->missing)
		put(arg, NODEPROTO_MISSING, "1");
	reqid_format(text, info->id);
	put(arg, NODEPROTO_REQUEST_ID, text);
	put_number(NODEPROTO_SIZE, info->size, put, arg);
	put(arg, NODEPROTO_ETAG, info->etag);
	put_number(NODEPROTO_MODIFIED, info->modified_ms, put, arg);
	if ((rc = put_json(NODEPROTO_HEADERS, info->headers, put, arg, err)) ||
	    (rc = put_json(NODEPROTO_META, info->meta, put, arg, err)))
		return rc;
	if (info->kind == NODEPROTO_MULTIPART)
		return 0;
	hex_u64(text, info->crc64nvme);
	put(arg, NODEPROTO_CRC64NVME, text);
	if (info->kind == NODEPROTO_BLOB)
		print_blob(info, put, arg);
	return 0;
}

/* Small values. */

void
nodeproto_geometry_print(char out[static 32], const struct geometry *g)
{
	geometry_format(out, g);
}

int
nodeproto_geometry_parse(struct geometry *out, const char *text,
    struct error *err)
{
	if (geometry_parse(out, text, strlen(text), err) != 0)
		return error_wrap(err, "answer");
	return 0;
}

void
nodeproto_to_print(char out[static 80], const char *cluster, uint32_t set,
    uint32_t index)
{
	int n = snprintf(out, 80, "%.40s/%" PRIu32 "/%" PRIu32, cluster, set,
	    index);

	assert(n > 0 && n < 80);
}

/* Targets. */

static void
add_percent(struct buf *out, struct bytes text, bool keep_slash)
{
	char *p = buf_reserve(out, 3 * text.n + 1);

	if (p != NULL)
		out->n += percent_encode(p, text.p, text.n, keep_slash);
}

static void
add_query_id(struct buf *out, const char *name, struct reqid id)
{
	char hex[REQID_HEX + 1];

	reqid_format(hex, id);
	buf_printf(out, "%s=%s", name, hex);
}

void
nodeproto_target_object(struct buf *out, uint32_t partition,
    struct bytes bucket, struct bytes key)
{
	buf_printf(out, "/store/%" PRIu32 "/", partition);
	add_percent(out, bucket, false);
	buf_addch(out, '/');
	add_percent(out, key, false);
}

void
nodeproto_target_blob(struct buf *out, uint32_t partition, struct bytes bucket,
    struct bytes key, struct reqid id)
{
	nodeproto_target_object(out, partition, bucket, key);
	add_query_id(out, "?requestId", id);
}

void
nodeproto_target_put(struct buf *out, uint32_t partition, struct bytes bucket,
    struct bytes key, struct reqid id, uint32_t shard)
{
	nodeproto_target_blob(out, partition, bucket, key, id);
	buf_printf(out, "&shard=%" PRIu32, shard);
}

void
nodeproto_target_version(struct buf *out, uint32_t partition,
    struct bytes bucket, struct bytes key, const struct versionid *version)
{
	char text[VERSIONID_TEXT + 1];

	versionid_format(text, version);
	nodeproto_target_object(out, partition, bucket, key);
	buf_printf(out, "?versionId=%s", text);
}

void
nodeproto_target_manifest(struct buf *out, uint32_t partition,
    struct bytes bucket, struct bytes key, struct reqid upload)
{
	nodeproto_target_object(out, partition, bucket, key);
	add_query_id(out, "?manifest&uploadId", upload);
}

void
nodeproto_target_bucket(struct buf *out, uint32_t partition, struct bytes name)
{
	buf_printf(out, "/bucket/%" PRIu32 "/", partition);
	add_percent(out, name, false);
}

/* Decode one piece of a path into room bytes, which include the NUL. */
static bool
decode_piece(char *out, size_t *out_n, size_t room, const char *in, size_t len)
{
	char text[3 * NODEPROTO_KEY_MAX + 1];

	if (len == 0 || len >= sizeof(text) ||
	    !percent_decode(text, out_n, in, len, false) || *out_n == 0 ||
	    *out_n >= room || memchr(text, '\0', *out_n) != NULL)
		return false;
	assert(*out_n < room);
	memcpy(out, text, *out_n);
	out[*out_n] = '\0';
	return true;
}

int
nodeproto_store_parse(struct nodeproto_store *out, const char *path,
    struct error *err)
{
	size_t len;
	uint64_t n;

	if (strncmp(path, "/store/", 7) != 0)
		return error_set(err, ERRC_USAGE, "path: not /store/");
	path += 7;
	len = strcspn(path, "/");
	if (path[len] != '/' || !number_parse(&n, path, len, 0, UINT32_MAX))
		return error_set(err, ERRC_USAGE, "path: bad partition");
	out->partition = (uint32_t)n;
	path += len + 1;
	len = strcspn(path, "/");
	if (path[len] != '/' ||
	    !decode_piece(out->bucket, &out->bucket_bytes, sizeof(out->bucket),
		path, len))
		return error_set(err, ERRC_USAGE, "path: bad bucket");
	path += len + 1;
	if (!decode_piece(out->key, &out->key_bytes, sizeof(out->key), path,
		strlen(path)) ||
	    !utf8_valid(out->key, out->key_bytes))
		return error_set(err, ERRC_USAGE,
		    "path: bad key: 1 to 1024 bytes of UTF-8 are needed");
	return 0;
}

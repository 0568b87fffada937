/* SPDX-License-Identifier: MIT */
#ifndef KOOP_COMMIT_RECORD_FORM_H
#define KOOP_COMMIT_RECORD_FORM_H

#include "commit/record.h"

/*
 * What record_parse.c and record_build.c share: which members a type has, and
 * the limits of their values.
 */

#define RECORD_VERSION 1

/* ,"crc32c":"01234567"} */
#define RECORD_TAIL ",\"crc32c\":\""
#define RECORD_TAIL_BYTES (sizeof(RECORD_TAIL) - 1 + 8 + 2)

#define FORM_BUCKET 0x0001u  /* bucket incarnation */
#define FORM_ATTEMPT 0x0002u /* attempt */
#define FORM_HOME 0x0004u    /* home */
#define FORM_KEY 0x0008u     /* key */
#define FORM_UPLOAD 0x0010u  /* uploadId */
#define FORM_NUMBER 0x0020u  /* partNumber */
#define FORM_BLOB 0x0040u    /* size crc64nvme ... durable, inline */
#define FORM_ETAG 0x0080u    /* etag */
#define FORM_OWNER 0x0100u   /* owner */
#define FORM_HEADERS 0x0200u /* headers meta */
#define FORM_PARTS 0x0400u   /* parts */
#define FORM_IF_MATCH 0x0800u
#define FORM_IF_NONE_MATCH 0x1000u
#define FORM_GENESIS 0x2000u
#define FORM_ABORT 0x4000u    /* [bucket incarnation key] [uploadId] */
#define FORM_SEEN 0x8000u     /* [revision], with its need */
#define FORM_VERSION 0x10000u /* [version], with its need */
#define FORM_CONFIG 0x20000u  /* revision ifRevision settings */
#define FORM_LEVEL 0x40000u   /* level */
#define FORM_EPOCH 0x80000u   /* newEpoch */

#define RECORD_NEEDS_MAX 16
#define RECORD_NEED_BIT(id) (1u << RECORD_NEED_##id)

extern const uint32_t record_form[];

/* The words that the members of a record need, as bits. */
uint32_t record_needs(const struct record *record);
const char *record_need_word(enum record_need need);
/* Does this program know the word?  *need is then which it is. */
KOOP_MUST bool record_need_known(struct bytes word, enum record_need *need);
/* What settings say, of what apply must know.  False: they are no JSON object,
 * or say it in a way that is not known. */
struct json_t;
KOOP_MUST bool record_settings(const struct json_t *settings,
    enum record_versioning *versioning);

/* CRC-32C of the covered bytes. */
uint32_t record_crc(const struct bytes part[2]);

/* NULL, or what is wrong with the values of a record of this type. */
const char *record_check(const struct record *record);

#endif

/* SPDX-License-Identifier: MIT */

#include "s3/s3auth.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "fakenodes.h"
#include "http/httpc_request.h"
#include "http/httpd.h"
#include "s3/gateway.h"
#include "tap.h"

/*
 * A judge that refuses, behind a whole gateway over nine fake nodes: nothing
 * that it refuses may reach a node, and it is asked for everything.
 */

static struct fakenodes f;
static struct gateway *gw;
static struct httpd *httpd;
static struct httpc_pool *pool;

/* What the judge says no to, and what it was asked last. */
static const char *deny_action;
static const char *deny_key;
static unsigned asked;
static char last_action[64];
static bool last_found;

static bool
judge(void *arg, const struct s3auth_question *q)
{
	assert(arg == &f);
	asked++;
	snprintf(last_action, sizeof(last_action), "%s", q->action);
	last_found = q->found != NULL;
	if (deny_action && strcmp(q->action, deny_action) == 0)
		return false;
	return !deny_key || !bytes_is(q->key, deny_key);
}

static void
start(void)
{
	struct gateway_options options = {
		.region = "us-east-1",
		.inline_limit = 8192,
		.cell_bytes = 65536,
		.judge = judge,
		.judge_arg = &f,
	};
	struct httpd_options http = { .ip = "127.0.0.1", .drain_ms = 2000 };
	struct httpd_service service;
	struct error err;

	fakenodes_start(&f);
	assert(httpc_pool_new(&pool, &(struct httpc_options){ 0 }, &err) == 0);
	f.info.kind = NODEPROTO_INLINE;
	fakenodes_append(&f, 1);
	fakenodes_at(&f, 1);
	options.topology_url = options.commit_log_url = f.url;
	assert(gateway_open(&gw, &options, &err) == 0);
	service = gateway_service(gw);
	assert(httpd_start(&httpd, &http, &service, &err) == 0);
	deny_action = deny_key = NULL;
	asked = 0;
}

static void
stop(void)
{
	httpc_pool_free(pool);
	httpd_stop(httpd);
	gateway_close(gw);
	fakenodes_stop(&f);
}

static unsigned
touched(void)
{
	unsigned n = 0;

	for (int i = 0; i < FAKE_NODES; i++)
		n += f.node[i].puts + f.node[i].stores;
	return n;
}

static int
ask(const char *method, const char *target, const char *source,
    const char *body, char *answer, size_t room)
{
	struct httpc_addr addr = { .ip = "127.0.0.1",
		.port = httpd_port(httpd) };
	struct httpc_header header = { "x-amz-copy-source", source };
	struct httpc_response response = { 0 };
	struct error err;
	int status;

	if (httpc_request(pool, &addr, method, target, &header, source ? 1 : 0,
		bytes_str(body), &response, 65536,
		clock_mono_ms(&clock_system) + 10000, &err) < 0) {
		printf("# %s\n", err.text);
		return 0;
	}
	status = response.status;
	snprintf(answer, room, "%.*s", (int)response.body.n,
	    response.body.n > 0 ? (const char *)response.body.p : "");
	httpc_response_fini(&response);
	return status;
}

static void
what_is_refused_reaches_no_node(void)
{
	static const struct {
		const char *method, *target, *source, *action;
	} cases[] = {
		{ "GET", "/", NULL, "s3:ListAllMyBuckets" },
		{ "PUT", "/bucket", NULL, "s3:CreateBucket" },
		{ "DELETE", "/bucket", NULL, "s3:DeleteBucket" },
		{ "GET", "/bucket", NULL, "s3:ListBucket" },
		{ "GET", "/bucket?versions", NULL, "s3:ListBucketVersions" },
		{ "GET", "/bucket?policy", NULL, "s3:GetBucketPolicy" },
		{ "GET", "/bucket/key", NULL, "s3:GetObject" },
		{ "HEAD", "/bucket/key", NULL, "s3:GetObject" },
		{ "GET", "/bucket/key?versionId=null", NULL,
		    "s3:GetObjectVersion" },
		{ "PUT", "/bucket/key", NULL, "s3:PutObject" },
		{ "DELETE", "/bucket/key", NULL, "s3:DeleteObject" },
		{ "DELETE", "/bucket/key?versionId=null", NULL,
		    "s3:DeleteObjectVersion" },
		{ "POST", "/bucket/key?uploads", NULL, "s3:PutObject" },
		{ "PUT", "/bucket/key", "bucket/other", "s3:PutObject" },
		/* The target may be written, the source not read. */
		{ "PUT", "/bucket/key", "bucket/other", "s3:GetObject" },
	};
	char answer[4096];

	start();
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		deny_action = cases[i].action;
		CHECK(ask(cases[i].method, cases[i].target, cases[i].source, "",
			  answer, sizeof(answer)) == 403);
		CHECK_STR(last_action, cases[i].action);
		CHECK(strcmp(cases[i].method, "HEAD") == 0 ||
		    strstr(answer, "<Code>AccessDenied</Code>") != NULL);
	}
	CHECK(touched() == 0);
	stop();
}

static void
each_key_of_a_list_is_judged(void)
{
	static const char list[] =
	    "<Delete><Object><Key>a</Key></Object>"
	    "<Object><Key>b</Key><VersionId>null</VersionId></Object></Delete>";
	char answer[4096];

	start();
	deny_action = "s3:DeleteObject";
	deny_key = "b";
	CHECK(ask("POST", "/bucket?delete", NULL, list, answer,
		  sizeof(answer)) == 200);
	/* Two keys, and nobody asked for the request as a whole. */
	CHECK(asked == 2);
	CHECK_STR(last_action, "s3:DeleteObjectVersion");
	CHECK(last_found);
	CHECK(strstr(answer, "<Error><Key>a</Key><Code>AccessDenied</Code>") !=
	    NULL);
	CHECK(strstr(answer, "<Error><Key>b</Key>") != NULL);
	CHECK(strstr(answer, "<Deleted>") == NULL);
	stop();
}

static void
who_may_not_look_learns_nothing_of_a_bucket(void)
{
	char answer[4096];

	start();
	CHECK(ask("HEAD", "/other", NULL, "", answer, sizeof(answer)) == 404);
	CHECK(!last_found);
	deny_action = "s3:ListBucket";
	CHECK(ask("HEAD", "/other", NULL, "", answer, sizeof(answer)) == 403);
	CHECK(ask("HEAD", "/bucket", NULL, "", answer, sizeof(answer)) == 403);
	CHECK(last_found);
	stop();
}

int
main(void)
{
	RUN(what_is_refused_reaches_no_node);
	RUN(each_key_of_a_list_is_judged);
	RUN(who_may_not_look_learns_nothing_of_a_bucket);
	return tap_done();
}

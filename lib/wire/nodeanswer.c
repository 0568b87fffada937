/* SPDX-License-Identifier: MIT */
#include "wire/nodeanswer.h"

#include <assert.h>
#include <stddef.h>

#include "base/compiler.h"

static const struct {
	int status;
	const char *text;
} words[] = {
	{ 200, "the node took it" },
	{ 206, "the node sent it" },
	{ 400, "the node found it damaged, or did not understand the request" },
	{ 404, "the node does not have it" },
	{ 405,
	    "the node does not know such a request: is it of another "
	    "version of Koop?" },
	{ 408, "the node waited too long for the rest of it" },
	{ 409,
	    "the node has other bytes under this id, or is receiving it "
	    "just now" },
	{ 410,
	    "its id is aborted, superseded or expired: store the object "
	    "again" },
	{ 413, "the request is too long for the node" },
	{ 416, "the node has less of it than was asked for" },
	{ 421, "another node listens there: the topology is not the node's" },
	{ 431, "the request is too long for the node" },
	{ 500, "the node failed; its log says why" },
	{ 503, "the node is busy, or stopping: try again" },
	{ 507, "the disk is full" },
};

const char *
nodeanswer_text(int status)
{
	for (size_t i = 0; i < nitems(words); i++) {
		assert(words[i].text[0] != '\0');
		if (words[i].status == status)
			return words[i].text;
	}
	if (status >= 500)
		return "the node failed; its log says why";
	if (status >= 400)
		return "the node refused the request";
	return "the node answered what no node of this version does";
}

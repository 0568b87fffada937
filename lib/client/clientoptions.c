/* SPDX-License-Identifier: MIT */
#include "client/clientoptions.h"

#include <assert.h>

#include "client/nodeclient.h"

bool
clientoptions_given(const struct clientoptions *options)
{
	return options->topology != NULL && options->commit_log != NULL;
}

int
clientoptions_open(struct nodeclient **out, const struct clientoptions *options,
    struct error *err)
{
	/* Who may have left one out is told by name: CLIENTOPTIONS_MISSING. */
	assert(clientoptions_given(options));
	return nodeclient_open(out,
	    &(struct nodeclient_options){
		.topology_url = options->topology,
		.commit_log_url = options->commit_log,
		.tcp_congestion = options->tcp_congestion,
		.ack_streams = options->ack_streams,
	    },
	    err);
}

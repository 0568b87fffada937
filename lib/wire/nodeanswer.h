/* SPDX-License-Identifier: MIT */
#ifndef KOOP_WIRE_NODEANSWER_H
#define KOOP_WIRE_NODEANSWER_H

/*
 * What a status of a node's answer says about a shard, in words: no message
 * for people holds a bare HTTP status.  The words are for "WHO: words", and
 * begin with "the node" or name the thing.  Pure.
 */

/* Never NULL: a status that a node does not send has words, too. */
const char *nodeanswer_text(int status);

#endif

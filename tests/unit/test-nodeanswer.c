/* SPDX-License-Identifier: MIT */
#include "wire/nodeanswer.h"

#include <string.h>

#include "base/compiler.h"
#include "tap.h"

static void
every_status_has_words_and_no_number(void)
{
	int bad = 0;

	for (int status = -1; status < 1000; status++) {
		const char *text = nodeanswer_text(status);

		bad += text == NULL || text[0] == '\0' ||
		    strpbrk(text, "0123456789%\n") != NULL ||
		    text[strlen(text) - 1] == '.';
	}
	CHECK(bad == 0);
}

static void
what_nodes_send_has_words_of_its_own(void)
{
	static const int sent[] = { 400, 404, 409, 410, 416, 421, 500, 503,
		507 };

	for (size_t i = 0; i < nitems(sent); i++)
		for (size_t j = 0; j < i; j++)
			CHECK(strcmp(nodeanswer_text(sent[i]),
				  nodeanswer_text(sent[j])) != 0);
	CHECK_STR(nodeanswer_text(507), "the disk is full");
	CHECK_STR(nodeanswer_text(599), nodeanswer_text(500));
	CHECK_STR(nodeanswer_text(499), "the node refused the request");
}

int
main(void)
{
	RUN(every_status_has_words_and_no_number);
	RUN(what_nodes_send_has_words_of_its_own);
	return tap_done();
}

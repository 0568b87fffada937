/* SPDX-License-Identifier: MIT */
#ifndef KOOP_HTTP_HTTPD_LIMIT_H
#define KOOP_HTTP_HTTPD_LIMIT_H

#include "http/httpd_parts.h"

/*
 * Who may have a connection: for httpd.c and httpd_request.c only.
 */

/* The server's lock is held, and the connection is in its list. */
void httpd_limit_enter_locked(struct httpd *httpd, struct httpd_conn *conn);
void httpd_limit_leave_locked(struct httpd *httpd, struct httpd_conn *conn);
/* With its first request, without the lock: the reason for a 503, or NULL. */
const char *httpd_limit_refusal(struct httpd_conn *conn);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_SIGNALS_H
#define KOOP_BASE_SIGNALS_H

/*
 * Signals of a daemon, taken as data: blocked in every thread and waited for
 * by main() only.  SIGPIPE is ignored.
 */

/* Call before any thread exists. */
void signals_block(void);
/* Wait for SIGTERM, SIGINT, SIGHUP, SIGUSR1 or SIGCHLD; returns its number.
 * timeout_ms -1 waits for ever; 0 is returned when the time is over. */
int signals_wait(int timeout_ms);
/* In a child, before exec: the mask as it was. */
void signals_unblock(void);

#endif

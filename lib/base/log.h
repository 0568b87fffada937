/* SPDX-License-Identifier: MIT */
#ifndef KOOP_BASE_LOG_H
#define KOOP_BASE_LOG_H

#include <stdbool.h>

#include "base/compiler.h"

/*
 * Log lines of the daemons on standard error, one write(2) each:
 *
 *      2026-11-22T12:14:05.123Z info  node: text key=value
 *
 * or one JSON object a line.  Control bytes are written as \xNN.  Level and
 * format are the only state.  Commands do not log.
 */

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

void log_setup(enum log_level level, int json);
/* Are lines of that level written? */
bool log_takes(enum log_level level);
bool log_is_json(void);
/* layer is "node", "s3", "store", ... */
void log_line(enum log_level level, const char *layer, const char *fmt, ...)
    KOOP_PRINTF(3, 4);

#define log_error(layer, ...) log_line(LOG_ERROR, layer, __VA_ARGS__)
#define log_warn(layer, ...) log_line(LOG_WARN, layer, __VA_ARGS__)
#define log_info(layer, ...) log_line(LOG_INFO, layer, __VA_ARGS__)
/* What nobody reads costs nothing: the arguments are not even looked at. */
#define log_debug(layer, ...)                                             \
	(log_takes(LOG_DEBUG) ? log_line(LOG_DEBUG, layer, __VA_ARGS__) : \
				(void)0)

#endif

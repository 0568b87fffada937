/* SPDX-License-Identifier: MIT */
#include "session/session_backend.h"

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/log.h"

/*
 * One table.  A rollback journal, not a WAL: several programs write seldom,
 * and none of them then has to care who checkpoints.
 */

#define SESSION_BUSY_MS 5000

enum session_statement { PUT, GET, REMOVE, EXPIRE, STATEMENTS };

static const char *const session_sql[STATEMENTS] = {
	[PUT] = "INSERT OR REPLACE INTO session VALUES(?1,?2,?3)",
	[GET] = "SELECT value FROM session WHERE id=?1 AND expires_ms>?2",
	[REMOVE] = "DELETE FROM session WHERE id=?1",
	[EXPIRE] = "DELETE FROM session WHERE expires_ms<=?1",
};

struct session_db {
	struct session base;
	char *path;
	pthread_mutex_t lock; /* guards all below */
	sqlite3 *db;
	sqlite3_stmt *statement[STATEMENTS];
};

static struct session_db *
session_db(struct session *session)
{
	return container_of(session, struct session_db, base);
}

static int
session_sqlite_failed(const struct session_db *s, struct error *err)
{
	int code = sqlite3_errcode(s->db) & 0xff;
	enum errc errc = ERRC_IO;

	if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		errc = ERRC_RETRY;
	else if (code == SQLITE_NOMEM)
		errc = ERRC_NOMEM;
	else if (code == SQLITE_CANTOPEN || code == SQLITE_READONLY)
		errc = ERRC_CONFIG;
	else if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
		return error_set(err, ERRC_CORRUPT,
		    "session cache %s: %s; nothing is lost with it", s->path,
		    sqlite3_errmsg(s->db));
	return error_set(err, errc, "session cache %s: %s", s->path,
	    sqlite3_errmsg(s->db));
}

/* Close what is open; the rest of the struct stays. */
static void
drop_database(struct session_db *s)
{
	int rc;

	for (int i = 0; i < STATEMENTS; i++) {
		sqlite3_finalize(s->statement[i]);
		s->statement[i] = NULL;
	}
	/* Busy with a statement it would live on, and hold its file. */
	rc = sqlite3_close(s->db);
	assert(rc == SQLITE_OK);
	s->db = NULL;
}

static void
session_sqlite_close(struct session *session)
{
	struct session_db *s = session_db(session);

	drop_database(s);
	pthread_mutex_destroy(&s->lock);
	free(s->path);
	free(s);
}

/* Damage deep in the file is found now, not by some request. */
static int
is_sound(void *arg, int columns, char **value, char **name)
{
	bool *sound = arg;

	(void)name;
	*sound = columns == 1 && value[0] != NULL &&
	    strcmp(value[0], "ok") == 0;
	return !*sound;
}

static int
session_sqlite_check(struct session_db *s, struct error *err)
{
	bool sound = false;
	int rc = sqlite3_exec(s->db, "PRAGMA quick_check(1)", is_sound, &sound,
	    NULL);

	if (sound && rc == SQLITE_OK)
		return 0;
	if (rc != SQLITE_OK && rc != SQLITE_ABORT)
		return session_sqlite_failed(s, err);
	return error_set(err, ERRC_CORRUPT, "session cache %s: damaged",
	    s->path);
}

static int
session_sqlite_prepare(struct session_db *s, struct error *err)
{
	assert(s->db == NULL);
	if (sqlite3_open_v2(s->path, &s->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE |
		    SQLITE_OPEN_NOMUTEX,
		NULL) != SQLITE_OK ||
	    sqlite3_busy_timeout(s->db, SESSION_BUSY_MS) != SQLITE_OK ||
	    sqlite3_exec(s->db,
		"PRAGMA journal_mode=TRUNCATE; PRAGMA synchronous=NORMAL;"
		"CREATE TABLE IF NOT EXISTS session(id TEXT PRIMARY KEY,"
		" value BLOB NOT NULL, expires_ms INTEGER NOT NULL)"
		" WITHOUT ROWID;"
		"CREATE INDEX IF NOT EXISTS session_expires"
		" ON session(expires_ms);",
		NULL, NULL, NULL) != SQLITE_OK)
		return session_sqlite_failed(s, err);
	for (int i = 0; i < STATEMENTS; i++) {
		if (sqlite3_prepare_v3(s->db, session_sql[i], -1,
			SQLITE_PREPARE_PERSISTENT, &s->statement[i],
			NULL) != SQLITE_OK)
			return session_sqlite_failed(s, err);
	}
	return session_sqlite_check(s, err);
}

/*
 * It is only a cache, and the gateway must not be down for it.  The damaged
 * file is kept for whoever wants to know why; a program that has it open goes
 * on with it, and both only miss what the other knows.
 */
static int
begin_anew(struct session_db *s, struct error *err)
{
	char *aside = NULL;
	char *journal = NULL;
	int rc = 0;

	assert(s->path != NULL && s->path[0] != '\0');
	log_warn("session", "%s: set aside as %s.damaged, a new one is begun",
	    err->text, s->path);
	drop_database(s);
	if (asprintf(&aside, "%s.damaged", s->path) < 0)
		aside = NULL;
	if (asprintf(&journal, "%s-journal", s->path) < 0)
		journal = NULL;
	if (aside == NULL || journal == NULL)
		rc = error_set(err, ERRC_NOMEM, "%s: out of memory", s->path);
	else if (rename(s->path, aside) == -1)
		rc = error_errno(err, ERRC_IO, "session cache %s: rename",
		    s->path);
	else
		/* It belongs to the file that went. */
		(void)unlink(journal);
	free(aside);
	free(journal);
	return rc < 0 ? rc : session_sqlite_prepare(s, err);
}

static int
sqlite_open(struct session **out, const char *rest, struct error *err)
{
	struct session_db *s;
	int rc;

	if (strncmp(rest, "///", 3) == 0)
		rest += 2;
	if (rest[0] == '\0' || rest[0] == ':')
		return error_set(err, ERRC_CONFIG,
		    "session cache sqlite:%s: give the path of a file", rest);
	s = calloc(1, sizeof(*s));
	if (s == NULL)
		return error_set(err, ERRC_NOMEM, "%s: out of memory", rest);
	pthread_mutex_init(&s->lock, NULL);
	s->path = strdup(rest);
	rc = s->path == NULL ?
	    error_set(err, ERRC_NOMEM, "%s: out of memory", rest) :
	    session_sqlite_prepare(s, err);
	if (rc == -ERRC_CORRUPT)
		rc = begin_anew(s, err);
	if (rc < 0) {
		session_sqlite_close(&s->base);
		return rc;
	}
	*out = &s->base;
	return 0;
}

/* Step once; a row is kept for keep_row's sake, all else is reset. */
static int
step_locked(struct session_db *s, enum session_statement which,
    struct error *err)
{
	int step, rc;

	assert(which < STATEMENTS);
	step = sqlite3_step(s->statement[which]);
	assert(step != SQLITE_MISUSE);
	if (step == SQLITE_ROW)
		return 1;
	rc = step == SQLITE_DONE ? 0 : session_sqlite_failed(s, err);
	sqlite3_reset(s->statement[which]);
	return rc;
}

static int
bind_id(struct session_db *s, enum session_statement which, const char *id)
{
	assert(strlen(id) <= SESSION_ID_MAX);
	return sqlite3_bind_text(s->statement[which], 1, id, -1, SQLITE_STATIC);
}

static int
sqlite_put(struct session *session, const char *id, struct bytes value,
    uint64_t expires_ms, struct error *err)
{
	struct session_db *s = session_db(session);
	const void *p = value.n > 0 ? (const void *)value.p : "";
	int rc;

	assert(value.n <= SESSION_VALUE_MAX);
	assert(expires_ms <= INT64_MAX);
	pthread_mutex_lock(&s->lock);
	if (bind_id(s, PUT, id) != SQLITE_OK ||
	    sqlite3_bind_blob(s->statement[PUT], 2, p, (int)value.n,
		SQLITE_STATIC) != SQLITE_OK ||
	    sqlite3_bind_int64(s->statement[PUT], 3, (int64_t)expires_ms) !=
		SQLITE_OK)
		rc = session_sqlite_failed(s, err);
	else
		rc = step_locked(s, PUT, err);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int
sqlite_get(struct session *session, const char *id, uint64_t now_ms,
    struct buf *out, struct error *err)
{
	struct session_db *s = session_db(session);
	sqlite3_stmt *statement = s->statement[GET];
	int rc;

	assert(now_ms <= INT64_MAX);
	pthread_mutex_lock(&s->lock);
	if (bind_id(s, GET, id) != SQLITE_OK ||
	    sqlite3_bind_int64(statement, 2, (int64_t)now_ms) != SQLITE_OK)
		rc = session_sqlite_failed(s, err);
	else
		rc = step_locked(s, GET, err);
	if (rc == 1) {
		const void *p = sqlite3_column_blob(statement, 0);
		int n = sqlite3_column_bytes(statement, 0);

		if (p != NULL && n > 0)
			buf_add(out, p, (size_t)n);
		sqlite3_reset(statement);
	} else if (rc == 0) {
		rc = error_set(err, ERRC_NOTFOUND, "session %s: unknown", id);
	}
	pthread_mutex_unlock(&s->lock);
	if (rc == 1 && buf_failed(out))
		return error_set(err, ERRC_NOMEM, "session %s: no room", id);
	return rc == 1 ? 0 : rc;
}

static int
sqlite_remove(struct session *session, const char *id, struct error *err)
{
	struct session_db *s = session_db(session);
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = bind_id(s, REMOVE, id) != SQLITE_OK ?
	    session_sqlite_failed(s, err) :
	    step_locked(s, REMOVE, err);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

static int
sqlite_expire(struct session *session, uint64_t now_ms, size_t *count,
    struct error *err)
{
	struct session_db *s = session_db(session);
	int rc;

	pthread_mutex_lock(&s->lock);
	rc = sqlite3_bind_int64(s->statement[EXPIRE], 1, (int64_t)now_ms) !=
		SQLITE_OK ?
	    session_sqlite_failed(s, err) :
	    step_locked(s, EXPIRE, err);
	assert(rc <= 0);
	if (rc == 0)
		*count = (size_t)sqlite3_changes(s->db);
	pthread_mutex_unlock(&s->lock);
	return rc;
}

const struct session_backend session_sqlite = {
	.scheme = "sqlite:",
	.open = sqlite_open,
	.close = session_sqlite_close,
	.put = sqlite_put,
	.get = sqlite_get,
	.remove = sqlite_remove,
	.expire = sqlite_expire,
};

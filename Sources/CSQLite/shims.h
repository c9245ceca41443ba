// The C header of Debian's SQLite as a module, functions for a macro that Swift cannot import, and two constants that
// glibc hides. No state and no logic here.
#ifndef BILLING_SERVICE_CSQLITE_SHIMS_H
#define BILLING_SERVICE_CSQLITE_SHIMS_H

#include <sqlite3.h>

// SQLITE_TRANSIENT: SQLite copies the value before the function returns.
static inline int shim_sqlite3_bind_text(sqlite3_stmt *statement, int index, const char *text, int count) {
    return sqlite3_bind_text(statement, index, text, count, SQLITE_TRANSIENT);
}

static inline int shim_sqlite3_bind_blob(sqlite3_stmt *statement, int index, const void *bytes, int count) {
    return sqlite3_bind_blob(statement, index, bytes, count, SQLITE_TRANSIENT);
}

// Commands of fcntl(2) for locks of open file descriptions. glibc declares them for _GNU_SOURCE only.
static const int shim_F_OFD_GETLK = 36;
static const int shim_F_OFD_SETLK = 37;

#endif

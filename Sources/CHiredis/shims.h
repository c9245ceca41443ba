// The C headers of Debian's hiredis as a module: the reader of replies and the formatter of commands. No state and no
// logic here.
#ifndef BILLING_SERVICE_CHIREDIS_SHIMS_H
#define BILLING_SERVICE_CHIREDIS_SHIMS_H

#include <hiredis/hiredis.h>

// The version at build time. The library has no function for the version at run time.
static const int shim_HIREDIS_MAJOR = HIREDIS_MAJOR;
static const int shim_HIREDIS_MINOR = HIREDIS_MINOR;
static const int shim_HIREDIS_PATCH = HIREDIS_PATCH;

#endif

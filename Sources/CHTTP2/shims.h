// The C headers of Debian's libnghttp2 and OpenSSL, as one module. No state and no logic here.
#ifndef BILLING_SERVICE_CHTTP2_SHIMS_H
#define BILLING_SERVICE_CHTTP2_SHIMS_H

#include <nghttp2/nghttp2.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#endif

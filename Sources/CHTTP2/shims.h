// The C headers of Debian's libnghttp2 and OpenSSL as one module, and functions for OpenSSL macros that Swift cannot
// import. No state and no logic here.
#ifndef BILLING_SERVICE_CHTTP2_SHIMS_H
#define BILLING_SERVICE_CHTTP2_SHIMS_H

// For malloc_trim and xattr(7), which Swift's Glibc module does not export.
#include <malloc.h>
#include <nghttp2/nghttp2.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/xattr.h>

// SHA-256 by the low-level functions that OpenSSL 3 deprecates in favour of EVP. EVP allocates a context and looks up the
// implementation, which costs more than the digest of a short token.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static inline int shim_SHA256(const void *bytes, size_t count, unsigned char *digest) {
    SHA256_CTX context;
    return SHA256_Init(&context) && SHA256_Update(&context, bytes, count) && SHA256_Final(digest, &context);
}
#pragma GCC diagnostic pop

static inline int shim_SSL_CTX_set_min_proto_version(SSL_CTX *ctx, int version) {
    return (int)SSL_CTX_set_min_proto_version(ctx, version);
}

static inline int shim_SSL_CTX_set1_groups_list(SSL_CTX *ctx, const char *list) {
    return (int)SSL_CTX_set1_groups_list(ctx, list);
}

static inline void shim_SSL_CTX_set_mode(SSL_CTX *ctx, long mode) { SSL_CTX_set_mode(ctx, mode); }

static inline void shim_SSL_CTX_set_read_ahead(SSL_CTX *ctx, int is_on) { SSL_CTX_set_read_ahead(ctx, is_on); }

static inline void shim_SSL_CTX_set_session_cache_mode(SSL_CTX *ctx, long mode) {
    SSL_CTX_set_session_cache_mode(ctx, mode);
}

static inline void shim_SSL_CTX_set_max_cert_list(SSL_CTX *ctx, long bytes) { SSL_CTX_set_max_cert_list(ctx, bytes); }

static inline int shim_SSL_set_tlsext_host_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}

static const uint64_t shim_SSL_OP_NO_RENEGOTIATION = SSL_OP_NO_RENEGOTIATION;
static const uint64_t shim_SSL_OP_NO_COMPRESSION = SSL_OP_NO_COMPRESSION;
static const uint64_t shim_SSL_OP_CIPHER_SERVER_PREFERENCE = SSL_OP_CIPHER_SERVER_PREFERENCE;
static const uint64_t shim_SSL_OP_NO_TICKET = SSL_OP_NO_TICKET;

static inline int shim_sk_GENERAL_NAME_num(const GENERAL_NAMES *names) { return sk_GENERAL_NAME_num(names); }

static inline GENERAL_NAME *shim_sk_GENERAL_NAME_value(const GENERAL_NAMES *names, int index) {
    return sk_GENERAL_NAME_value(names, index);
}

static inline int shim_ERR_GET_REASON(unsigned long code) { return ERR_GET_REASON(code); }

static inline void shim_BIO_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }

static inline void shim_BIO_clear_retry_flags(BIO *bio) { BIO_clear_retry_flags(bio); }

#endif

// The memory that nghttp2 or OpenSSL holds for an idle connection, with the options of the service:
//
//     library-memory nghttp2 COUNT REQUEST       REQUEST: a file with what a client sends, a request on stream 1 included
//     library-memory openssl COUNT CERTIFICATE KEY
//
// Prints two figures for one connection: the bytes that are allocated, by malloc's count, and those that are resident.
// Only pages that were written to are resident.
#include <malloc.h>
#include <nghttp2/nghttp2.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(int holds, const char *what) {
    if (!holds) {
        fprintf(stderr, "%s failed\n", what);
        exit(1);
    }
}

struct memory {
    size_t allocated, resident;
};

static struct memory memory(void) {
    struct memory now = {mallinfo2().uordblks + mallinfo2().hblkhd, 0};
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    check(status != NULL, "opening /proc/self/status");
    while (fgets(line, sizeof line, status)) {
        if (sscanf(line, "RssAnon: %zu kB", &now.resident) == 1) now.resident *= 1024;
    }
    fclose(status);
    return now;
}

static void print_growth(struct memory before, int count) {
    struct memory after = memory();
    printf("%zu %zu\n", (after.allocated - before.allocated) / count, (after.resident - before.resident) / count);
}

// MARK: nghttp2

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *buffer, size_t length, uint32_t *flags,
                         nghttp2_data_source *source, void *user_data) {
    (void)session, (void)stream, (void)source, (void)user_data;
    check(length >= 200, "room for the body");
    memset(buffer, 'x', 200);
    *flags = NGHTTP2_DATA_FLAG_EOF;
    return 200;
}

static nghttp2_nv field(const char *name, const char *value) {
    return (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static nghttp2_session *answered_session(const nghttp2_session_callbacks *callbacks, const nghttp2_option *option,
                                         const uint8_t *request, size_t length) {
    nghttp2_session *session;
    check(nghttp2_session_server_new2(&session, callbacks, NULL, option) == 0, "nghttp2_session_server_new2");
    const nghttp2_settings_entry settings[] = {{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 65536},
                                               {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16384},
                                               {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 128}};
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, 3);
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, 1 << 20);
    check(nghttp2_session_mem_recv(session, request, length) == (ssize_t)length, "nghttp2_session_mem_recv");
    const nghttp2_nv fields[] = {field(":status", "200"),
                                 field("content-type", "application/json"),
                                 field("content-length", "200"),
                                 field("cache-control", "private, no-cache"),
                                 field("vary", "authorization, accept"),
                                 field("date", "Thu, 01 Jan 2026 00:00:00 GMT"),
                                 field("etag", "\"0123456789abcdef0123456789abcdef\"")};
    nghttp2_data_provider body = {.read_callback = read_body};
    check(nghttp2_submit_response(session, 1, fields, sizeof fields / sizeof *fields, &body) == 0, "the response");
    const uint8_t *sent;
    size_t total = 0;
    for (ssize_t count; (count = nghttp2_session_mem_send(session, &sent)) > 0;) total += (size_t)count;
    check(total > 200, "nghttp2_session_mem_send");
    return session;
}

static void measure_nghttp2(int count, const char *file) {
    uint8_t request[4096];
    FILE *input = fopen(file, "rb");
    check(input != NULL, "opening the request");
    size_t length = fread(request, 1, sizeof request, input);
    fclose(input);
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    check(nghttp2_session_callbacks_new(&callbacks) == 0, "nghttp2_session_callbacks_new");
    check(nghttp2_option_new(&option) == 0, "nghttp2_option_new");
    nghttp2_option_set_no_auto_window_update(option, 1);
    struct memory before = memory();
    for (int number = 0; number < count; number++) answered_session(callbacks, option, request, length);
    print_growth(before, count);
}

// MARK: OpenSSL

// Moves what one side has written to the other side.
static int moved(SSL *from, SSL *to) {
    char buffer[16384];
    int count = BIO_read(SSL_get_wbio(from), buffer, sizeof buffer);
    if (count <= 0) return 0;
    BIO_write(SSL_get_rbio(to), buffer, count);
    return 1;
}

static SSL *with_bios(SSL_CTX *context) {
    SSL *ssl = SSL_new(context);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    return ssl;
}

static void connect_once(SSL_CTX *server_context, SSL_CTX *client_context) {
    SSL *server = with_bios(server_context), *client = with_bios(client_context);
    SSL_set_accept_state(server);
    SSL_set_connect_state(client);
    char text[200];
    do {
        SSL_do_handshake(client);
        SSL_do_handshake(server);
    } while (moved(client, server) | moved(server, client));
    check(SSL_is_init_finished(server) && SSL_is_init_finished(client), "the handshake");
    memset(text, 'x', sizeof text);
    check(SSL_write(client, text, sizeof text) == sizeof text && moved(client, server), "the request");
    check(SSL_read(server, text, sizeof text) == sizeof text && SSL_write(server, text, sizeof text) > 0, "the answer");
    moved(server, client);
    check(SSL_read(client, text, sizeof text) == sizeof text, "reading the answer");
    SSL_free(client);
    // The service's own BIO has no buffers, so they do not count.
    SSL_set_bio(server, NULL, NULL);
}

static void measure_openssl(int count, const char *certificate, const char *key) {
    SSL_CTX *server = SSL_CTX_new(TLS_server_method()), *client = SSL_CTX_new(TLS_client_method());
    check(SSL_CTX_use_certificate_chain_file(server, certificate) == 1, "reading the certificate");
    check(SSL_CTX_use_PrivateKey_file(server, key, SSL_FILETYPE_PEM) == 1, "reading the key");
    SSL_CTX_set_session_cache_mode(server, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(server, SSL_MODE_RELEASE_BUFFERS);
    // The first ones also allocate what all share.
    for (int number = 0; number < 20; number++) connect_once(server, client);
    struct memory before = memory();
    for (int number = 0; number < count; number++) connect_once(server, client);
    print_growth(before, count);
}

int main(int count, char **arguments) {
    if (count == 4 && strcmp(arguments[1], "nghttp2") == 0) {
        measure_nghttp2(atoi(arguments[2]), arguments[3]);
    } else if (count == 5 && strcmp(arguments[1], "openssl") == 0) {
        measure_openssl(atoi(arguments[2]), arguments[3], arguments[4]);
    } else {
        fprintf(stderr, "usage: library-memory nghttp2 COUNT REQUEST | openssl COUNT CERTIFICATE KEY\n");
        return 64;
    }
    return 0;
}

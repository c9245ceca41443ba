// Preloaded into a service with an embedded sandbox: its connections to the sandbox go to port CONNECT_PORT instead. So
// the program itself is not changed, has no rate limit, and calls an origin in a process of its own.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int connect(int descriptor, const struct sockaddr *address, socklen_t length) {
    int (*original)(int, const struct sockaddr *, socklen_t) =
        (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
    const char *port = getenv("CONNECT_PORT");
    if (!port || address->sa_family != AF_INET || length < sizeof(struct sockaddr_in))
        return original(descriptor, address, length);
    struct sockaddr_in changed;
    memcpy(&changed, address, sizeof changed);
    changed.sin_port = htons((in_port_t)atoi(port));
    return original(descriptor, (const struct sockaddr *)&changed, sizeof changed);
}

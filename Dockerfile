# Three stages: Debian gives the libraries, the toolchain builds, and what runs is nothing but the two put together.
#
# A release pins both bases by digest (--build-arg SWIFT_IMAGE=swift@sha256:...), so that the same sources make the same
# image until somebody decides otherwise. Neither base is in the result.
ARG SWIFT_IMAGE=swift:6.3-bookworm
ARG DEBIAN_IMAGE=debian:bookworm-slim

# The libraries alone: 13 MB, where a Debian with the same packages has 133 MB, a shell, a package manager and 11
# setuid files for whoever gets in. They are Debian's packages all the same: installed by name, so that every rebuild
# with --no-cache or a newer base takes Debian's security updates, and listed in /var/lib/dpkg/status.d, where scanners
# look in images without dpkg. Who needs a shell beside the service brings one (kubectl debug).
FROM ${DEBIAN_IMAGE} AS libraries
ARG PACKAGES="base-files ca-certificates libc6 libgcc-s1 libnghttp2-14 libssl3 libstdc++6 openssl zlib1g"
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends ${PACKAGES} \
    && rm -rf /var/lib/apt/lists/*
# Of each package its libraries, settings and copyright. OpenSSL is here for /etc/ssl/openssl.cnf and the place where
# the library looks for certificates; these are one file, and /usr/lib/ssl/cert.pem leads there.
RUN set -eu \
    && mkdir -p /image/usr/lib /image/usr/lib64 /image/var/lib/dpkg/status.d /image/etc/ssl/certs \
    && ln -s usr/lib usr/lib64 /image/ \
    && mkdir -m 1777 /image/tmp \
    && mkdir /image/dev /image/proc /image/run /image/sys \
    && for package in ${PACKAGES}; do \
        dpkg-query --status "$package" > "/image/var/lib/dpkg/status.d/$package"; \
        dpkg-query --listfiles "$package"; \
    done | sort -u \
        | grep -E -e '^(/usr)?/lib(64)?/' -e '^/etc/(ssl/openssl\.cnf|os-release)$' \
            -e '^/usr/share/doc/[^/]+/copyright$' \
        | grep -E -v -e '/(gconv|audit|engines-3|ossl-modules|tmpfiles\.d|ssl/misc)(/|$)' \
            -e '/lib(memusage|pcprofile|c_malloc_debug|thread_db|nss_compat|nss_hesiod|nsl|BrokenLocale)[-.]' \
        | while read -r file; do if [ -L "$file" ] || [ -f "$file" ]; then echo "$file"; fi; done \
        | tar --create --no-recursion --files-from=- 2>/dev/null \
        | tar --extract --directory /image --keep-directory-symlink \
    && cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && ln -sf /etc/ssl/certs/ca-certificates.crt /image/usr/lib/ssl/cert.pem \
    && printf 'root:x:0:0::/:/\nbilling:x:65532:65532::/:/\n' > /image/etc/passwd \
    && printf 'root:x:0:\nbilling:x:65532:\n' > /image/etc/group \
    && echo 'hosts: files dns' > /image/etc/nsswitch.conf

FROM ${SWIFT_IMAGE} AS build
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        binutils jq libnghttp2-dev libssl-dev pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
# The dependencies first: they are fetched again when they change, and not when the sources do. Package.resolved holds
# them to what was tested, if there is one; the odd pattern lets it be absent.
COPY Package.swift Package.resolve[d] ./
RUN swift package --disable-dependency-cache resolve
COPY Sources Sources
# The package manager wants to see all targets, so the tests come along; none of them is built.
COPY Tests Tests
# Debug sections go: 25 MB, which nobody reads at run time. The symbol table stays: 20 MB on the disk, but 3.5 MB of
# what is pulled, and the backtrace of a crash then has names. swift-backtrace-static (7 MB) is what prints it.
RUN set -eu \
    && swift build --configuration release --static-swift-stdlib --product billing-service \
        --disable-automatic-resolution \
    && install -D .build/release/billing-service /out/usr/local/bin/billing-service \
    && strip --strip-debug /out/usr/local/bin/billing-service \
    && resources=$(swift -print-target-info | jq --raw-output .paths.runtimeResourcePath) \
    && install -D "$resources/../../libexec/swift/linux/swift-backtrace-static" -t /out/usr/libexec/swift/linux \
    && strip --strip-all /out/usr/libexec/swift/linux/swift-backtrace-static
# What lacks a library shows here and not in production.
COPY --from=libraries /image /image
RUN cp -R /out/. /image/ && chroot /image /usr/local/bin/billing-service --help > /dev/null \
    && ! chroot /image /usr/libexec/swift/linux/swift-backtrace-static --help 2>&1 | grep 'error while loading'
COPY scripts/sbom.sh scripts/
ARG VERSION=0.0.0
ARG CREATED=1970-01-01T00:00:00Z
RUN mkdir -p /out/usr/share/doc/billing-service \
    && scripts/sbom.sh "${VERSION}" "${CREATED}" /image > /out/usr/share/doc/billing-service/sbom.spdx.json

FROM scratch
COPY --from=libraries /image /
COPY --from=build /out /
# Any number that is not root's; Kubernetes holds runAsNonRoot against a number, not against a name.
USER 65532:65532
# In a container the world outside is not on loopback. The sandbox puts its credentials into a temporary file; /dev/shm
# is there for it when the root is read-only, and is no disk. Nothing else is written. Backtraces of crashes go to
# stderr: without registers and memory, in which there may be tokens, and with the images that looking up lines takes.
ENV BILLING_HTTP_HOST=0.0.0.0 \
    BILLING_OPS_HOST=0.0.0.0 \
    TMPDIR=/dev/shm \
    SWIFT_BACKTRACE=enable=yes,color=no,interactive=no,threads=crashed,registers=none,images=mentioned,\
symbolicate=fast,swift-backtrace=/usr/libexec/swift/linux/swift-backtrace-static
EXPOSE 8080 8443 9090
# After it the service needs up to shutdown.delay and shutdown.grace (25 s): stop with --time 30.
STOPSIGNAL SIGTERM
# It asks where BILLING_OPS_HOST and BILLING_OPS_PORT say, as the service does; what --config says it does not hear of.
# Not ready for 30 s is not healthy.
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 CMD ["/usr/local/bin/billing-service", "health"]
ENTRYPOINT ["/usr/local/bin/billing-service"]
CMD ["serve"]
ARG VERSION=0.0.0
ARG REVISION=unknown
ARG CREATED=1970-01-01T00:00:00Z
LABEL org.opencontainers.image.title="billing-service" \
    org.opencontainers.image.description="A billing front for Zoom master accounts, over HTTP/2" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}"

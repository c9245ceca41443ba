# Two stages: the toolchain builds, a slim Debian runs. The binary carries Swift's libraries; libnghttp2 and OpenSSL are
# Debian's, so that its security updates reach them.
FROM swift:6.3-bookworm AS build
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libnghttp2-dev libssl-dev pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY Package.swift ./
COPY Sources Sources
COPY Tests Tests
RUN swift build --configuration release --product billing-service --static-swift-stdlib \
    && install -D .build/release/billing-service /out/billing-service

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates libnghttp2-14 libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /out/billing-service /usr/local/bin/billing-service
USER 65532:65532
ENV BILLING_HTTP_HOST=0.0.0.0 BILLING_OPS_HOST=0.0.0.0
EXPOSE 8080 8443 9090
HEALTHCHECK CMD ["/usr/local/bin/billing-service", "health"]
ENTRYPOINT ["/usr/local/bin/billing-service"]
CMD ["serve"]

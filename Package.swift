// swift-tools-version: 6.2
import PackageDescription

// For every target: warnings are errors, and upcoming language features are enabled.
let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
]

// `make test-asan` and `make test-tsan` set this.
let sanitizer = Context.environment["SANITIZER"]

// AddressSanitizer checks `Adapters` alone, the one target that calls C: `--sanitize address` would build every package
// once more. The other targets only link it.
let sanitizesAddresses = sanitizer == "address"

// The domain is optimized in debug builds too, with its assertions, because the models in the tests compute most of their
// time in it. Not for ThreadSanitizer: scripts/races.txt names functions, which the optimizer would inline.
let domainSettings =
    swiftSettings
    + (sanitizer == "thread"
        ? [] : [.unsafeFlags(["-O", "-assert-config", "Debug"], .when(configuration: .debug))])

// The targets depend on one another as docs/architecture.md describes: CAssets, CHTTP2, CHiredis, CSQLite <- Adapters,
// Domain <- Adapters <- BillingService.
let package = Package(
    name: "billing-service",
    products: [
        .executable(name: "billing-service", targets: ["BillingService"])
    ],
    dependencies: [
        // Exact versions, since no Package.resolved is checked in. `make outdated` lists the newer releases.
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-async-algorithms", exact: "1.1.4"),
        .package(url: "https://github.com/apple/swift-atomics", exact: "1.3.0"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-configuration", exact: "1.4.0", traits: []),
        .package(url: "https://github.com/apple/swift-distributed-tracing", exact: "1.7.3"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-metrics", exact: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", exact: "1.35.2"),
        .package(url: "https://github.com/apple/swift-system", exact: "1.8.1"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/swiftlang/swift-subprocess", exact: "1.0.2"),
    ],
    targets: [
        .systemLibrary(
            name: "CHTTP2",
            pkgConfig: "libnghttp2",
            providers: [.apt(["libnghttp2-dev", "libssl-dev"])]
        ),
        .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
        .systemLibrary(name: "CSQLite", pkgConfig: "sqlite3", providers: [.apt(["libsqlite3-dev"])]),
        .target(name: "CAssets"),
        .target(name: "Domain", swiftSettings: domainSettings),
        .target(
            name: "Adapters",
            dependencies: [
                "CAssets",
                "CHTTP2",
                "CHiredis",
                "CSQLite",
                "Domain",
                // Not imported here. NIO and ServiceLifecycle link these two; a package that no target uses cannot be
                // pinned without a warning.
                .product(name: "AsyncAlgorithms", package: "swift-async-algorithms"),
                .product(name: "Atomics", package: "swift-atomics"),
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "DequeModule", package: "swift-collections"),
                .product(name: "Instrumentation", package: "swift-distributed-tracing"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
                .product(name: "NIOExtras", package: "swift-nio-extras"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOHTTPCompression", package: "swift-nio-extras"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ],
            swiftSettings: swiftSettings + (sanitizesAddresses ? [.unsafeFlags(["-sanitize=address"])] : []),
            linkerSettings: sanitizesAddresses ? [.unsafeFlags(["-sanitize=address"])] : []
        ),
        .executableTarget(
            name: "BillingService",
            dependencies: [
                "Adapters",
                "Domain",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            swiftSettings: swiftSettings
        ),
        .target(
            name: "DomainFakes",
            dependencies: ["Domain"],
            path: "Tests/DomainTests/Fakes",
            swiftSettings: domainSettings
        ),
        .executableTarget(
            name: "Fuzz",
            dependencies: [
                "Adapters",
                "Domain",
                "DomainFakes",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ],
            path: "Tests/Fuzz",
            exclude: ["Corpus"],
            swiftSettings: swiftSettings
        ),
        .executableTarget(
            name: "CacheLoad",
            dependencies: [
                "Adapters",
                "Domain",
                "DomainFakes",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Tests/CacheLoad",
            swiftSettings: swiftSettings
        ),
        .executableTarget(
            name: "Simulate",
            dependencies: ["DomainFakes"],
            path: "Tests/Simulate",
            swiftSettings: swiftSettings
        ),
        .executableTarget(
            name: "RequestCost",
            dependencies: [
                "Adapters",
                "Domain",
                "DomainFakes",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOEmbedded", package: "swift-nio"),
            ],
            path: "Tests/RequestCost",
            swiftSettings: swiftSettings
        ),
        .executableTarget(
            name: "KeyWriter",
            dependencies: [
                "Adapters",
                "Domain",
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ],
            path: "Tests/KeyWriter",
            swiftSettings: swiftSettings
        ),
        .executableTarget(
            name: "AnswersWriter",
            dependencies: [
                "Adapters",
                "Domain",
                .product(name: "Logging", package: "swift-log"),
            ],
            path: "Tests/AnswersWriter",
            swiftSettings: swiftSettings
        ),
        .executableTarget(
            name: "Writer",
            dependencies: ["Adapters"],
            path: "Tests/Writer",
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "DomainTests",
            dependencies: ["Domain", "DomainFakes"],
            exclude: ["Fakes"],
            swiftSettings: swiftSettings
        ),
        .testTarget(
            name: "AdapterTests",
            dependencies: [
                "Adapters",
                "AnswersWriter",
                "BillingService",
                "Domain",
                "DomainFakes",
                "Fuzz",
                "KeyWriter",
                "Writer",
                .product(name: "CoreMetrics", package: "swift-metrics"),
                .product(name: "Instrumentation", package: "swift-distributed-tracing"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "Subprocess", package: "swift-subprocess"),
                .product(name: "SystemPackage", package: "swift-system"),
                .product(name: "Tracing", package: "swift-distributed-tracing"),
            ],
            swiftSettings: swiftSettings
        ),
    ],
    // For `#embed`.
    cLanguageStandard: .c2x
)

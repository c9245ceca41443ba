import Adapters
import NIOCore
import NIOPosix
import Testing

#if canImport(Glibc)
    import Glibc
#endif

@Suite("Host addresses", .timeLimit(.minutes(10)))
struct AddressLookupTests {
    @Test(
        "an IP address literal needs no lookup",
        arguments: [
            ("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("[::1]", "::1"), ("0:0:0:0:0:0:0:1", "::1"), ("::", "::"),
            ("2001:DB8::7", "2001:db8::7"), ("fe80::1%lo", "fe80::1"), ("[fe80::1%25lo]", "fe80::1"),
            ("fe80::1%1", "fe80::1"),
        ])
    func literal(text: String, address: String) throws {
        let found = try #require(AddressLookup.literal(text, port: 80))
        #expect(found.ipAddress == address && found.port == 80)
    }

    @Test(
        "a text that is not an IP address is not a literal",
        arguments: [
            "localhost", "", "[", "[::1", "::1]", "1.2.3.4.5", "::1%", "::1\0", "fe80::1%no-such-interface", "host:80",
        ])
    func noLiteral(text: String) {
        #expect(AddressLookup.literal(text, port: 80) == nil)
    }

    @Test("an IPv6 zone is not part of the authority or of the certificate name")
    func zone() {
        let origin = Origin(scheme: .https, host: "fe80::1%eth0", port: 8443)
        #expect(origin.authority == "[fe80::1]:8443" && origin.hostWithoutZone == "fe80::1")
    }

    @Test("a listener that cannot bind reports host, port and cause")
    func bindFailures() async throws {
        func failure(_ host: String, _ port: Int) async -> BindFailure? {
            await #expect(throws: BindFailure.self) {
                try await HTTPServer(
                    host: host, port: port, group: .singleton, handler: ScriptedHandler.echo, logger: .silent)
            }
        }
        try await withServer(ScriptedHandler.echo) { server in
            let taken = await failure("127.0.0.1", server.port)
            #expect(taken?.cause == .portInUse && taken?.isOfHost == false)
            #expect(taken?.description == "port \(server.port) of 127.0.0.1 is in use already")
        }
        // An address reserved for documentation (RFC 5737).
        #expect(await failure("192.0.2.1", 0)?.cause == .addressNotAvailable)
        #expect(await failure("no-such-host.invalid", 0)?.cause == .unknownHost)
    }

    /// Runs a shell script in a network namespace with one IPv4 address and ::1 as the only IPv6 address, as in containers.
    private static func inNetwork(_ script: String) async -> TestProcess.Outcome {
        await TestProcess.run(
            "unshare",
            [
                "--net", "--mount", "sh", "-c",
                """
                set -eu
                ip link set lo up
                ip address add 192.0.2.7/32 dev lo
                hosts=$(mktemp)
                echo "::1 six.test" > "$hosts"
                mount --bind "$hosts" /etc/hosts
                rm "$hosts"
                \(script)
                """, TestProcess.billingService,
            ])
    }

    private static let hasNetworks: Bool = { geteuid() == 0 }()

    @Test(
        "the service listens on :: and ::1 and is reachable there if ::1 is the only IPv6 address",
        .enabled(if: hasNetworks, "needs root"), arguments: ["::", "::1", "[::1]", "six.test"])
    func loopbackOnly(host: String) async throws {
        let outcome = await Self.inNetwork(
            """
            "$0" serve --sandbox --http-host ::1 --http-port 8080 --ops-host '\(host)' --ops-port 9090 > /dev/null 2>&1 &
            server=$!
            until "$0" health --ops-host '\(host)' --ops-port 9090 2> /dev/null; do kill -0 $server; done
            curl --silent --show-error --output /dev/null --write-out '%{http_code}\\n' 'http://[::1]:8080/v2/'
            kill $server
            wait $server
            """)
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(outcome.lines.last == "404" || outcome.lines.last == "401", "\(outcome.output)")
    }
}

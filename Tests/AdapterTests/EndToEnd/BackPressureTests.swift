import Adapters
import Foundation
import NIOCore
import Testing

@Suite("Back-pressure", .timeLimit(.minutes(10)))
struct BackPressureTests {
    /// A client that requests a path and stops reading when a text has arrived. With the largest HTTP/2 window, or over
    /// HTTP/1.1, only the socket buffer limits the service.
    private static func stalledReader(
        _ service: RunningService, isHTTP2: Bool, path: String = "/v2/billing/stream",
        after text: String = "\"contact\""
    ) -> TestProcess {
        let script = """
            import socket, struct, sys
            port, (token, path, text) = int(sys.argv[1]), [each.encode() for each in sys.argv[3:]]
            s = socket.create_connection(("127.0.0.1", port))
            def literal(name, value):
                return b"\\0" + bytes([len(name)]) + name + bytes([len(value)]) + value
            if sys.argv[2] == "2":
                fields = b"".join(literal(n, v) for n, v in [
                    (b":method", b"GET"), (b":scheme", b"http"), (b":authority", b"a"),
                    (b":path", path), (b"authorization", b"Bearer " + token)])
                s.sendall(b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n"
                    + b"\\0\\0\\6\\4\\0\\0\\0\\0\\0" + struct.pack(">HI", 4, 0x7fffffff)
                    + b"\\0\\0\\4\\x08\\0\\0\\0\\0\\0" + struct.pack(">I", 0x7fff0000)
                    + b"\\0\\0\\0\\4\\1\\0\\0\\0\\0"
                    + struct.pack(">I", len(fields))[1:] + b"\\1\\5\\0\\0\\0\\1" + fields)
            else:
                s.sendall(b"GET " + path + b" HTTP/1.1\\r\\nHost: a\\r\\nAuthorization: Bearer " + token + b"\\r\\n\\r\\n")
            seen = b""
            while text not in seen:
                bytes = s.recv(65536)
                if not bytes: sys.exit("the service closed the connection")
                seen += bytes
            print("stalled", flush=True)
            sys.stdin.read()
            import select
            select.select([], [], [], 100)
            """
        return TestProcess(
            "python3", ["-c", script, "\(service.port)", isHTTP2 ? "2" : "1", service.token, path, text])
    }

    @Test("a stalled reader uses bounded memory and does not slow other clients", arguments: [true, false])
    func stalls(isHTTP2: Bool) async throws {
        // The reader does not acknowledge SETTINGS.
        let flags = ["--sandbox-accounts", "30000", "--http-timeouts-settings-ack", "300s"]
        try await RunningService.with(flags) { service in
            let reader = Self.stalledReader(service, isHTTP2: isHTTP2)
            _ = try await reader.output(containing: "stalled")
            let before = try service.process.memory()
            // The stream has 10 MB; other clients are served meanwhile.
            let load = await TestProcess.run(
                "h2load",
                ["-n", "500", "-c", "4", "-m", "4", "-H", service.authorization, service.base + service.accountPath])
            #expect(load.output.contains("500 succeeded, 0 failed, 0 errored, 0 timeout"))
            let during = try service.process.memory()
            #expect(during - before < 16_384, "\(before) KiB, then \(during) KiB")
            reader.signal(SIGKILL)
            _ = await reader.outcome()
        }
    }

    @Test(
        "stalled readers of invoice files of 200 MB cost less than 1 MiB each, and do not slow another reader",
        arguments: [true, false])
    func stalledFile(isHTTP2: Bool) async throws {
        let files = ScriptedHandler { _ in
            .stream(.text("", contentType: "application/pdf")) { body in
                let piece = ByteBuffer(string: "%PDF-1.4\n" + String(repeating: "x", count: 100_000 - 9))
                for _ in 0..<2000 {
                    guard (try? await body.write(piece)) != nil else { return .broken }
                }
                return .complete
            }
        }
        try await withServer(files) { server in
            let flags = [
                "--zoom-invoice-download-url", "http://127.0.0.1:\(server.port)/{invoiceId}",
                "--http-timeouts-settings-ack", "300s",
            ]
            try await RunningService.with(flags) { service in
                // An invoice for each download: Zoom permits one in 30 minutes.
                func path(_ number: Int) -> String { "/v2/billing/invoices/2c92a\(number)/download" }
                func read(_ number: Int) async -> TestProcess.Outcome {
                    await TestProcess.run(
                        "curl",
                        [
                            "--silent", "--show-error", "--fail", isHTTP2 ? "--http2-prior-knowledge" : "--http1.1",
                            "-H", service.authorization, "-o", "/dev/null", "-w", "%{size_download}",
                            service.base + path(number),
                        ])
                }
                // Buffers of a whole download that the process keeps are not those of the stalled one.
                for number in 0..<2 { #expect(await read(number).output == "200000000") }
                let before = try service.process.memory()
                // Several, since the download beside them also needs memory for a moment.
                let readers = (2..<10).map {
                    Self.stalledReader(service, isHTTP2: isHTTP2, path: path($0), after: "%PDF")
                }
                for reader in readers { _ = try await reader.output(containing: "stalled") }
                #expect(await read(10).output == "200000000")
                let during = try service.process.memory()
                #expect(during - before < 1024 * readers.count, "\(before) KiB, then \(during) KiB")
                for reader in readers {
                    reader.signal(SIGKILL)
                    _ = await reader.outcome()
                }
            }
        }
    }

    @Test("the memory of closed connections is returned to the system")
    func memoryReturned() async throws {
        try await TestCertificates.with { certificates in
            let flags = [
                "--http-tls-certificate", certificates.server.certificate, "--http-tls-key", certificates.server.key,
                "--http-limits-handshakes", "1000",
            ]
            try await RunningService.with(flags) { service in
                let before = try service.process.wholeMemory()
                try service.process.resetPeakMemory()
                // The peak, because memory may be returned before the client has ended.
                var peak = 0
                repeat {
                    try Task.checkCancellation()
                    let load = await TestProcess.run(
                        "h2load",
                        ["-n", "10000", "-c", "1000", "-H", service.authorization, service.base + service.accountPath])
                    #expect(load.output.contains("10000 succeeded"), "\(load.output)")
                    peak = try service.process.peakMemory()
                    // A thousand connections use 50 MiB. On a busy machine not all of them are open at the same time, and
                    // less than 16 MiB is not returned.
                } while peak < before + 24 * 1024
                // Up to 16 MiB of free memory stay, and the service itself may have grown by a few.
                let limit = before + max((peak - before) / 2, 20 * 1024)
                while try service.process.wholeMemory() > limit {
                    try Task.checkCancellation()
                    _ = await TestProcess.run("curl", ["--silent", service.ops + "/livez"])
                }
            }
        }
    }

    @Test(
        "when a reader disconnects, its calls to Zoom stop at once",
        arguments: ["--http2-prior-knowledge", "--http1.1"])
    func leaves(version: String) async throws {
        // With the rate limit of a plan, so that the stream is never finished in time.
        let flags = ["--sandbox-limits", "pro", "--log-level", "debug"]
        try await RunningService.with(flags) { service in
            let reader = service.reader(version)
            _ = try await reader.output(containing: "\"type\":\"contact\"")
            reader.signal(SIGKILL)
            _ = await reader.outcome()
            // Without requests in flight, the shutdown ends without cutting anything off.
            service.process.signal(SIGTERM)
            let outcome = await service.process.outcome()
            #expect(outcome.status == 0 && !outcome.errors.contains("cancelling the requests"))
        }
    }
}

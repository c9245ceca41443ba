import Adapters
import Domain
import DomainFakes
import Foundation
import Logging
import NIOCore
import Synchronization
import Testing

/// A Zoom whose answers to all operations have a chosen size.
private final class SizedZoom: Sendable {
    let calls = Mutex<[String]>([])
    let log = Mutex<[String]>([])
    private let body: ByteBuffer
    private let isCompressed: Bool

    init(_ body: ByteBuffer, isCompressed: Bool = false) {
        self.body = body
        self.isCompressed = isCompressed
    }

    /// - Parameter bytes: The size of the answers.
    convenience init(bytes: Int) {
        let (start, end) = (#"{"accounts":[],"next_page_token":"","city":""#, #""}"#)
        let filling = String(repeating: "x", count: bytes - start.utf8.count - end.utf8.count)
        self.init(ByteBuffer(string: start + filling + end))
    }

    /// Runs `test` with a service that retries failed calls.
    func with(answerBytesMax: Int? = nil, _ test: (TestService) async throws -> Void) async throws {
        let handler = ScriptedHandler { [self] request in
            let path = String(decoding: request.path, as: UTF8.self)
            guard path != "/oauth/token" else { return .now(.text(#"{"access_token":"t","expires_in":3600}"#)) }
            calls.withLock { $0.append(path) }
            var response = HTTPResponse(status: 200, body: body)
            response.fields.append(.contentType, "application/json")
            if isCompressed { response.fields.append(FieldName("content-encoding"), "gzip") }
            return .now(response)
        }
        let logger = Logger(label: "test") { _ in LineLogHandler { [self] line in log.withLock { $0.append(line) } } }
        try await withServer(handler) { server in
            try await TestZoom.with(
                server, [.test(server)], FakeCredentials([.test()]), retryTime: .seconds(15),
                answerBytesMax: answerBytesMax, time: AutoAdvancingClock(), logger: logger
            ) { client in
                try await TestService.with(source: client) { try await test($0) }
            }
        }
    }
}

@Suite("Zoom client: sizes of answers", .timeLimit(.minutes(10)))
struct ZoomAnswerSizeTests {
    struct Operation: CustomTestStringConvertible, Sendable {
        let operation: Domain.Operation
        let target: String
        let bytesMax: Int
        var testDescription: String { operation.title }
    }

    private static let operations = [
        Operation(operation: .getBillingInformation, target: "/v2/accounts/a/billing", bytesMax: 256 << 10),
        Operation(operation: .getSubAccountDetails, target: "/v2/accounts/a", bytesMax: 256 << 10),
        Operation(operation: .getPlanInformation, target: "/v2/accounts/a/plans", bytesMax: 4 << 20),
        Operation(operation: .getPlanUsage, target: "/v2/accounts/a/plans/usage", bytesMax: 4 << 20),
        Operation(operation: .listSubAccounts, target: "/v2/accounts", bytesMax: 10 << 20),
    ]

    private static func checkTooLarge(_ response: ClientResponse, limit: Int) {
        #expect(response.status == 502)
        #expect(response.json?["type"] == .string("/v2/errors#zoom-answer-too-large"))
        #expect(
            response.json?["message"]
                == .string("Zoom's answer is larger than \(limit) bytes, the limit of the service."))
    }

    @Test("An answer above the limit of its operation is reported as that", arguments: operations.prefix(3))
    func operationLimit(operation: Operation) async throws {
        #expect(operation.operation.endpoint.answerBytesMax == operation.bytesMax)
        try await SizedZoom(bytes: operation.bytesMax + 1).with { service in
            Self.checkTooLarge(try await service.send(operation.target), limit: operation.bytesMax)
        }
    }

    @Test("Each operation has a limit that fits its answers", arguments: operations)
    func limits(operation: Operation) {
        #expect(operation.operation.endpoint.answerBytesMax == operation.bytesMax)
    }

    @Test(
        "An answer above zoom.answer-max-bytes is logged with its operation, and is neither retried nor cached",
        arguments: operations)
    func tooLarge(operation: Operation) async throws {
        let zoom = SizedZoom(bytes: 100_001)
        try await zoom.with(answerBytesMax: 100_000) { service in
            for count in 1...2 {
                Self.checkTooLarge(try await service.send(operation.target), limit: 100_000)
                #expect(zoom.calls.withLock { $0.count } == count)
            }
        }
        let lines = zoom.log.withLock { $0.filter { $0.hasPrefix("an answer of Zoom is too large") } }
        let line = "an answer of Zoom is too large limit=100000 operation=\(operation.operation.title)"
        #expect(lines == [line, line])
        #expect(zoom.log.withLock { $0.allSatisfy { !$0.contains("a call to Zoom failed") } })
    }

    @Test(
        "An answer of exactly zoom.answer-max-bytes is accepted, whatever the limit of its operation",
        arguments: operations)
    func accepted(operation: Operation) async throws {
        for bytes in [100_000, 300_000] {
            try await SizedZoom(bytes: bytes).with(answerBytesMax: bytes) { service in
                let response = try await service.send(operation.target)
                #expect(response.status == 200)
            }
        }
    }

    /// A text, compressed with gzip(1).
    private static func gzip(_ text: String) async throws -> ByteBuffer {
        var data = Data()
        try await withTemporaryFolder { folder in
            try Data(text.utf8).write(to: URL(filePath: folder + "/it"))
            let made = await TestProcess.run("gzip", [folder + "/it"])
            try #require(made.status == 0)
            data = try Data(contentsOf: URL(filePath: folder + "/it.gz"))
        }
        return ByteBuffer(bytes: data)
    }

    @Test("A compressed answer is measured after decompression, and thousands of similar plans fit")
    func compressed() async throws {
        func plans(_ count: Int) -> String {
            let plan = #"{"type":"webinar500_monthly","hosts":2,"status":"active","next_invoice_date":"2026-12-01"}"#
            return #"{"plan_webinar":["# + Array(repeating: plan, count: count).joined(separator: ",") + "]}"
        }
        let small = try await Self.gzip(plans(2000))
        // More than a hundred times smaller.
        #expect(small.readableBytes * 100 < plans(2000).utf8.count)
        try await SizedZoom(small, isCompressed: true).with { service in
            let response = try await service.send("/v2/accounts/a/plans")
            #expect(response.status == 200 && String(buffer: response.body) == plans(2000))
        }
        let zoom = SizedZoom(small, isCompressed: true)
        try await zoom.with(answerBytesMax: plans(2000).utf8.count - 1) { service in
            Self.checkTooLarge(try await service.send("/v2/accounts/a/plans"), limit: plans(2000).utf8.count - 1)
        }
        #expect(zoom.calls.withLock { $0.count } == 1)
    }

    @Test("A page of accounts above its limit ends a stream with that reason")
    func listing() async throws {
        let zoom = SizedZoom(bytes: 100_001)
        try await zoom.with(answerBytesMax: 100_000) { service in
            try await FramePeer.connected(to: service.server.port) { peer in
                let fields = FramePeer.get("/v2/billing/stream") + [("authorization", "Bearer \(TestService.token)")]
                try await peer.send(.headers(1, fields))
                var body: [UInt8] = []
                var frame = try await peer.next()
                while frame.kind != .reset {
                    if frame.kind == .data { body += frame.payload }
                    frame = try await peer.next()
                }
                #expect(String(decoding: body, as: UTF8.self).contains("larger than 100000 bytes"))
            }
        }
        #expect(zoom.calls.withLock { $0.count } == 1)
    }
}

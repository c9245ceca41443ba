import Adapters
import Domain
import DomainFakes
import Foundation
import Logging
import NIOCore
import NIOEmbedded

/// Serves a cached response many times over one connection without a socket, for tools that count instructions and
/// allocations:
///
///     RequestCost BATCHES REQUESTS [http1] [general] [logged]
///
/// The requests of a batch arrive in one read over HTTP/2, and one by one over HTTP/1.1. With `general` they are not plain,
/// so that the fast path does not answer them. With `logged` each has a line in the access log, as JSON.
///
/// The difference of two runs with different counts is the cost of the additional requests. Exits with 1 if a request
/// is not answered.
@main
enum RequestCost {
    private static let token = CallerToken.make()
    private static let isGeneral = CommandLine.arguments.contains("general")
    private static let account = AccountID(literal: "Qx7Zk2mPTfGh0aB1cD2eFg")

    /// The callers by the digest of their token.
    private struct Callers: CallerDirectory {
        let registry: [SHA256Digest: Caller]

        func standing(of credential: CallerCredential) -> CallerStanding? {
            guard case .token(let digest) = credential else { return nil }
            return registry[digest].map { CallerStanding($0) }
        }

        var version: Int { 0 }

        func endOfExport(for credential: CallerCredential, begunAs caller: Caller) async {}
    }

    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst().compactMap { Int($0) }
        guard arguments.count == 2 else { fatalError("usage: RequestCost BATCHES REQUESTS [http1] [general] [logged]") }
        let (batches, requests) = (arguments[0], arguments[1])

        let source = FakeSource()
        let clock = TestClock()
        let cache = BillingCache(source: source, time: clock, rules: CacheRules(), codec: AnswerLines())
        let metrics = MetricsRegistry()
        let output = LogOutput(waitingBytesMax: 1 << 30, delay: .hours(1)) { _ in }
        output.format = .json
        let logger = output.logger(label: "cost")
        let isLogged = CommandLine.arguments.contains("logged")
        let lists = AccountListCache(directory: source, time: clock)
        let router = Router(
            readAccount: ReadAccount(cache: cache),
            listAccounts: ListAccounts(lists: lists, directory: source, time: clock),
            exportBilling: ExportBilling(lists: lists, cache: cache, source: source, time: clock),
            openInvoiceFile: OpenInvoiceFile(source: FakeInvoiceFiles(), owners: InvoiceOwners()),
            writeAccount: WriteAccount(
                writer: FakeWriter(), source: source, cache: cache, keys: FakeIdempotencyStore(),
                rules: WriteAccount.Rules(), time: clock, digest: { SHA256Digest(of: $0[...]).bytes }),
            callers: Callers(registry: [SHA256Digest(of: token): .everything]), audit: AuditLog(logger: logger),
            accessLog: AccessLog(share: isLogged ? 1 : 0.001, logger: logger, metrics: metrics), time: clock,
            metrics: metrics, logger: logger)
        fill(cache)

        let channel = EmbeddedChannel()
        let load = ServerLoad(limits: Limits(), sharedAddresses: [], defences: DefenceLog(logger: logger))
        let executor = EventLoopExecutor(channel.eventLoop)
        let isHTTP1 = CommandLine.arguments.contains("http1")
        let client = try SocketAddress(ipAddress: "10.0.0.1", port: 1)
        let peer = PeerInfo(address: client, applicationProtocol: isHTTP1 ? .http1 : .http2)
        if isHTTP1 {
            _ = try HTTP1ServerHandler.add(
                requestHandler: router, load: load, limits: Limits(), timeouts: Timeouts(), executor: executor,
                peer: peer, to: channel)
        } else {
            let handler = HTTP2ServerHandler(
                requestHandler: router, load: load, limits: Limits(), timeouts: Timeouts(), executor: executor,
                peer: peer)
            try channel.pipeline.syncOperations.addHandler(handler)
        }
        try channel.connect(to: client).wait()
        let answered =
            isHTTP1
            ? try sendOverHTTP1(batches * requests, channel) : try sendOverHTTP2(batches, requests, channel)
        guard answered == batches * requests else {
            print("\(answered) of \(batches * requests) were answered")
            exit(1)
        }
    }

    /// Returns the number of answers.
    private static func sendOverHTTP1(_ requests: Int, _ channel: EmbeddedChannel) throws -> Int {
        let request = ByteBuffer(
            string: "GET /v2/accounts/\(account)/billing HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: load/1.0\r\n"
                + "Authorization: Bearer \(token)\r\n" + (isGeneral ? "Cookie: a=b\r\n" : "") + "\r\n")
        var answered = 0
        for _ in 0..<requests {
            try channel.writeInbound(request)
            var bytes = 0
            while case .byteBuffer(let part)? = try channel.readOutbound(as: IOData.self) {
                if bytes == 0, part.getString(at: part.readerIndex, length: 12) != "HTTP/1.1 200" { return answered }
                bytes += part.readableBytes
            }
            if bytes > 0 { answered += 1 }
        }
        return answered
    }

    /// Returns the number of answers.
    private static func sendOverHTTP2(_ batches: Int, _ streams: Int, _ channel: EmbeddedChannel) throws -> Int {
        try channel.writeInbound(
            ByteBuffer(bytes: Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]))
        // Prepared in advance except for the stream identifiers, so that its cost is not counted.
        var batch = ByteBuffer()
        var places: [Int] = []
        for _ in 0..<streams {
            places.append(batch.writerIndex + 5)
            writeRequest(0, to: &batch)
        }
        // A WINDOW_UPDATE for the bytes of the responses.
        batch.writeBytes([0, 0, 4, 8, 0, 0, 0, 0, 0])
        batch.writeInteger(UInt32(streams * 1000))
        var answered = 0
        var stream: UInt32 = 1
        for _ in 0..<batches {
            for place in places {
                batch.setInteger(stream, at: place)
                stream += 2
            }
            try channel.writeInbound(batch)
            while case .byteBuffer(let bytes)? = try channel.readOutbound(as: IOData.self) {
                answered += ends(in: bytes)
            }
        }
        return answered
    }

    /// The number of DATA frames with END_STREAM.
    private static func ends(in bytes: ByteBuffer) -> Int {
        // Through a span, so that counting costs little beside the requests.
        let bytes = bytes.readableBytesUInt8Span
        var (offset, ends) = (0, 0)
        while offset + 9 <= bytes.count {
            let length = Int(bytes[offset]) << 16 | Int(bytes[offset + 1]) << 8 | Int(bytes[offset + 2])
            if bytes[offset + 3] == 0, bytes[offset + 4] & 1 == 1 { ends += 1 }
            offset += 9 + length
        }
        return ends
    }

    private static func fill(_ cache: BillingCache) {
        let filled = DispatchSemaphore(value: 0)
        Task {
            _ = try? await cache.entry(
                for: .billingInformation(of: account), under: nil, for: .interactive, directives: .none)
            filled.signal()
        }
        filled.wait()
    }

    /// A request as load generators send it, with every field as a literal.
    private static func writeRequest(_ stream: UInt32, to buffer: inout ByteBuffer) {
        // :method and :scheme are in the static table (RFC 7541, A).
        var section = ByteBuffer(bytes: [0x82, 0x86])
        let fields = [
            (":path", "/v2/accounts/\(account)/billing"), (":authority", "127.0.0.1:8080"),
            ("user-agent", "load/1.0"), ("authorization", "Bearer \(token)"),
        ]
        for (name, value) in isGeneral ? fields + [("cookie", "a=b")] : fields {
            // A never-indexed literal (RFC 7541, 6.2.3) without Huffman coding.
            section.writeInteger(UInt8(0x10))
            for text in [name, value] {
                section.writeInteger(UInt8(text.utf8.count))
                section.writeString(text)
            }
        }
        buffer.writeBytes([0, UInt8(section.readableBytes >> 8), UInt8(section.readableBytes & 0xFF), 1, 5])
        buffer.writeInteger(stream)
        buffer.writeBuffer(&section)
    }
}

import Adapters
import Logging
import NIOCore
import NIOEmbedded
import Synchronization

/// A connection without a socket that receives fuzzed bytes.
///
/// After the connection has closed, no request may be in flight and no byte may be counted as buffered.
enum FuzzConnection {
    private static let logger = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }

    /// Chosen by the last byte of the path: answers at once, later, never, with a stream, or with the size of the body.
    private struct Handler: RequestHandler {
        func reply(to request: HTTPRequest) -> Reply {
            switch (request.path.last ?? 0) % 5 {
            case 0: return .now(text("now"))
            case 1:
                return .eventually {
                    await Task.yield()
                    return text("later")
                }
            case 2:
                return .eventually {
                    let (stream, continuation) = AsyncStream<Never>.makeStream()
                    await withTaskCancellationHandler {
                        for await _ in stream {}
                    } onCancel: {
                        continuation.finish()
                    }
                    return text("never")
                }
            case 3:
                return .stream(HTTPResponse(status: 200)) { body in
                    let bytes = ByteBuffer(repeating: 0x61, count: 1000)
                    // A channel without a socket accepts all writes.
                    for _ in 0..<100 where (try? await body.write(bytes)) == nil { return .broken }
                    return .complete
                }
            default:
                return .eventually {
                    let body = try? await request.body.collect(bytesMax: 100_000)
                    return text("\(body?.readableBytes ?? -1)")
                }
            }
        }

        private func text(_ text: String) -> HTTPResponse {
            HTTPResponse(status: 200, body: ByteBuffer(string: text))
        }

        func refuse(_ refusal: Refusal, requestID: [UInt8]?, peer: PeerInfo) -> HTTPResponse {
            HTTPResponse(status: refusal.status)
        }
    }

    static let preface: [UInt8] = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]

    /// - Parameter bytes: The first byte determines the size of the pieces in which the rest arrives.
    static func server(_ bytes: [UInt8], isPrefaced: Bool, _ handler: any RequestHandler = Handler()) {
        let channel = EmbeddedChannel()
        var configuration = HTTPServer.Configuration()
        configuration.proxyProtocolTrusted = AddressRange.list(bytes.first == 0xFF ? "10.0.0.1" : "") ?? []
        configuration.limits.streamsOpenMax = 8
        let load = ServerLoad(
            limits: configuration.limits, sharedAddresses: [], defences: DefenceLog(logger: logger))
        do {
            let address = try SocketAddress(ipAddress: "10.0.0.1", port: 1)
            let greeter = ConnectionNegotiator(
                configuration: configuration, requestHandler: handler, load: load,
                executor: EventLoopExecutor(channel.eventLoop), address: address, negotiated: { _ in })
            try channel.pipeline.syncOperations.addHandler(greeter)
            try channel.connect(to: address).wait()
        } catch {
            preconditionFailure("no channel: \(error)")
        }
        feed(isPrefaced ? preface + bytes.dropFirst() : Array(bytes.dropFirst()), bytes.first ?? 0, to: channel)
        precondition(load.requestsInFlight == 0, "\(load.requestsInFlight) requests are left")
        precondition(load.bufferedBytes == 0, "\(load.bufferedBytes) bytes are left")
    }

    static func client(_ bytes: [UInt8]) {
        let channel = EmbeddedChannel()
        let limits = HTTPClient.Configuration().limits
        let handler = HTTP2ClientHandler(
            events: events, firstByte: .seconds(10), limits: limits, timeouts: Timeouts(), eventLoop: channel.eventLoop)
        do {
            try channel.pipeline.syncOperations.addHandler(handler)
            try channel.connect(to: SocketAddress(ipAddress: "10.0.0.1", port: 1)).wait()
        } catch {
            preconditionFailure("no channel: \(error)")
        }
        let ended = Ended()
        let bound = NIOLoopBound((handler, channel.eventLoop), eventLoop: channel.eventLoop)
        for target in ["/a", "/b", "/c"] {
            Task.immediate(executorPreference: EventLoopExecutor(channel.eventLoop)) {
                let request = ClientRequest(method: "GET", scheme: "http", authority: "localhost", target: target)
                _ = await withCheckedContinuation { continuation in
                    let (handler, eventLoop) = bound.value
                    handler.send(
                        WholeCall(
                            request, bodyBytesMax: 10_000, timeout: .seconds(10), eventLoop: eventLoop,
                            continuation: continuation))
                }
                ended.count.add(1, ordering: .relaxed)
            }
        }
        feed(Array(bytes.dropFirst()), bytes.first ?? 0, to: channel)
        precondition(ended.count.load(ordering: .relaxed) == 3, "a request has no result")
    }

    private final class Ended: Sendable {
        let count = Atomic(0)
    }

    private static var events: ConnectionEvents { ConnectionEvents() }

    private static func feed(_ bytes: [UInt8], _ seed: UInt8, to channel: EmbeddedChannel) {
        let pieceBytes = seed % 2 == 0 ? max(1, bytes.count) : Int(seed) / 2 + 1
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(pieceBytes)
            rest = rest.dropFirst(piece.count)
            _ = try? channel.writeInbound(ByteBuffer(bytes: piece))
            channel.embeddedEventLoop.run()
            // Reads the output, except for every third seed.
            while seed % 3 != 0, (try? channel.readOutbound(as: IOData.self)) != nil {}
        }
        channel.embeddedEventLoop.advanceTime(by: .seconds(2))
        _ = try? channel.finish(acceptAlreadyClosed: true)
        channel.embeddedEventLoop.run()
    }

    /// Sends a request with this target. It reaches `handler` unless the connection refuses it.
    static func request(target: [UInt8], to handler: any RequestHandler) {
        // Literal without indexing; :method and :scheme are in the static table (RFC 7541, A).
        var section: [UInt8] = [0x82, 0x86]
        for (name, value) in [
            (":path", target), (":authority", Array("localhost".utf8)), ("authorization", Array("Bearer x".utf8)),
        ] {
            section += [0] + text(Array(name.utf8)) + text(value)
        }
        let head = [UInt8(section.count >> 16), UInt8(section.count >> 8 & 0xFF), UInt8(section.count & 0xFF)]
        server([0] + head + [1, 5, 0, 0, 0, 1] + section, isPrefaced: true, handler)
    }

    /// A string literal (RFC 7541, 5.2).
    private static func text(_ bytes: [UInt8]) -> [UInt8] {
        var count: [UInt8] = []
        var rest = bytes.count
        if rest < 127 {
            count = [UInt8(rest)]
        } else {
            rest -= 127
            count = [127]
            while rest >= 128 {
                count.append(UInt8(rest % 128 + 128))
                rest /= 128
            }
            count.append(UInt8(rest))
        }
        return count + bytes
    }
}

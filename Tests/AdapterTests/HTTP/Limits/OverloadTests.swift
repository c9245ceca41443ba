import Adapters
import NIOCore
import Testing

@Suite("Overload", .timeLimit(.minutes(10)))
struct OverloadTests {
    @Test("requests above the in-flight limit get 503, and later requests are accepted again")
    func requests() async throws {
        let started = Event<Void>()
        let cancelled = Event<Void>()
        let handler = ScriptedHandler.waiting(started: started, cancelled: cancelled)
        let defences = DefenceLog(logger: .silent)
        var limits = Limits()
        limits.requestsInFlightMax = 2
        try await withServer(handler, limits: limits, defences: defences) { server in
            try await FramePeer.connected(to: server.port) { peer in
                try await peer.send(.headers(1, FramePeer.get("/")), .headers(3, FramePeer.get("/")))
                try await started.next()
                try await started.next()
                try await TextPeer.connected(to: server.port) { other in
                    try await other.request("GET", "/")
                    #expect(try await other.read(through: "\r\n\r\n503").hasPrefix("HTTP/1.1 503 "))
                    #expect(defences.count(of: .requestsInFlight) == 1)
                    try await peer.send(.reset(1, 8))
                    try await cancelled.next()
                    try await other.request("GET", "/")
                    try await started.next()
                }
            }
        }
    }

    @Test("requests get 503 while the buffer limit is exceeded, and are accepted after the buffers drain")
    func buffers() async throws {
        let handler = ScriptedHandler { request in
            guard request.path.elementsEqual("/stream".utf8) else { return .eventually { .text("hello") } }
            return .stream(HTTPResponse(status: 200)) { body in
                for _ in 0..<100 {
                    do { try await body.write(ByteBuffer(repeating: 0x78, count: 1024)) } catch { return .broken }
                }
                return .complete
            }
        }
        let defences = DefenceLog(logger: .silent)
        var limits = Limits()
        limits.bufferBytesMax = 2 * ServerLoad.connectionBytes + limits.streamWriteBytesMax / 2
        try await withServer(handler, limits: limits, defences: defences) { server in
            // SETTINGS_INITIAL_WINDOW_SIZE 0: the stream's output stays buffered.
            try await FramePeer.connected(to: server.port, settings: [(4, 0)]) { peer in
                try await peer.send(.headers(1, FramePeer.get("/stream")))
                _ = try await peer.next(.headers)
                // A stream is written in slices; between them the event loop does other work.
                while server.load.bufferedBytes <= limits.streamWriteBytesMax / 2 {
                    try #require(!Task.isCancelled, "\(server.load.bufferedBytes) bytes are buffered")
                    await Task.yield()
                }
                var answer = ""
                // Under memory pressure the server may close a connection before its first request.
                while answer.isEmpty {
                    try await TextPeer.connected(to: server.port) { other in
                        do {
                            try await other.request("GET", "/", "Connection: close")
                        } catch is ChannelError, is IOError {}
                        answer = try await other.untilClosed()
                    }
                }
                #expect(answer.hasPrefix("HTTP/1.1 503 "))
                #expect(defences.count(of: .buffers) == 1)
                // The connection with buffered data is still read, so it can drain.
                try await peer.send(.windowUpdate(0, 1_000_000), .windowUpdate(1, 1_000_000))
                while try await !peer.next(.data).endsStream {}
                try await server.load.untilAtRest()
                try await peer.send(.headers(3, FramePeer.get("/")), .windowUpdate(3, 1000))
                #expect(try await peer.next(.data).payload == Array("hello".utf8))
            }
        }
    }
}

import Adapters
import NIOCore
import Synchronization
import Testing

/// A well-behaved client with its own connection: requests an account every 50 ms until stopped.
final class Bystander: Sendable {
    struct Figures: Sendable {
        var latencies: [TimeAmount] = []
        var errors = 0

        /// The 99th percentile.
        var p99: TimeAmount { latencies.sorted().dropLast(latencies.count / 100).last ?? .zero }
    }

    private let figures = Mutex(Figures())
    private let isOver = Atomic(false)
    private static let interval = TimeAmount.milliseconds(50)

    /// Runs `test` and a bystander concurrently, and returns the bystander's measurements.
    static func beside(
        _ service: RunningService, tls: TLSContext?, greeting: [UInt8], _ test: () async throws -> Void
    ) async throws -> Figures {
        let bystander = Bystander()
        let ready = Event<Void>()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await FramePeer.unprefaced(to: service.port, tls: tls) { peer in
                    try await peer.send(bytes: greeting + FramePeer.preface)
                    try await peer.send(.settings(), .settingsAcknowledgement)
                    try await bystander.sendRequests(peer: &peer, service, ready)
                }
            }
            try await ready.next()
            let result: Result<Void, any Error>
            do {
                result = .success(try await test())
            } catch {
                result = .failure(error)
            }
            bystander.isOver.store(true, ordering: .relaxed)
            try result.get()
            try await group.waitForAll()
        }
        return bystander.figures.withLock { $0 }
    }

    private func sendRequests(peer: inout FramePeer, _ service: RunningService, _ ready: Event<Void>) async throws {
        defer { ready.fire() }
        let fields = FramePeer.get(service.accountPath, ("authorization", "Bearer \(service.token)"))
        var stream: UInt32 = 1
        while !isOver.load(ordering: .relaxed) {
            let began = NIODeadline.now()
            let isOK: Bool
            do {
                try await peer.send(.headers(stream, fields))
                // `:status: 200` is entry 8 of HPACK's static table.
                isOK = try await peer.next(.headers).payload.first == 0x88
                var data = try await peer.next(.data)
                while !data.endsStream { data = try await peer.next(.data) }
                try await peer.send(.windowUpdate(0, UInt32(data.payload.count)))
            } catch {
                figures.withLock { $0.errors += 1 }
                return
            }
            let took = NIODeadline.now() - began
            figures.withLock {
                if isOK { $0.latencies.append(took) } else { $0.errors += 1 }
            }
            if stream == 1 { ready.fire() }
            stream += 2
            try await testEventLoop.scheduleTask(in: Self.interval) {}.futureResult.get()
        }
    }
}

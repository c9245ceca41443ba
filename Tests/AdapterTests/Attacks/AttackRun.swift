import Adapters
import Foundation
import NIOCore
import Synchronization
import Testing

/// The measurements of one attack, repeated on a service started for it.
struct AttackRun {
    var bystander = Bystander.Figures()
    /// Anonymous memory of the service after each repetition, in KiB.
    var memory: [Int] = []

    /// Whether memory grew by at most 10 % and 1 MiB over the last two repetitions. Memory that an allocator caches grows
    /// once; a leak grows at every repetition.
    var isMemoryStable: Bool {
        memory.count > 2 && memory[memory.count - 1] <= memory[memory.count - 3] * 11 / 10 + 1024
    }

    private static let repetitionsMax = 8

    static func of(_ attack: Attack) async throws -> AttackRun {
        guard attack.isEncrypted else { return try await of(attack, certificates: nil) }
        let result = Mutex(AttackRun())
        try await TestCertificates.with { certificates in
            let run = try await of(attack, certificates: certificates)
            result.withLock { $0 = run }
        }
        return result.withLock { $0 }
    }

    private static func of(_ attack: Attack, certificates: TestCertificates?) async throws -> AttackRun {
        var arguments = attack.arguments
        var tls: TLSContext?
        if let certificates {
            arguments += ["--http-tls-certificate", certificates.server.certificate]
            arguments += ["--http-tls-key", certificates.server.key]
            tls = try TLSContext(clientTrusting: certificates.ca)
        }
        let result = Mutex(AttackRun())
        try await RunningService.with(arguments) { service in
            var run = AttackRun()
            run.bystander = try await Bystander.beside(service, tls: tls, greeting: attack.greeting) {
                while !run.isMemoryStable, run.memory.count < repetitionsMax {
                    try await carryOut(attack, on: service, tls: tls)
                    run.memory.append(try service.process.memory())
                }
                try await service.process.errors(containing: #""reason":"\#(attack.reason.rawValue)""#)
            }
            result.withLock { $0 = run }
        }
        return result.withLock { $0 }
    }

    private static func carryOut(_ attack: Attack, on service: RunningService, tls: TLSContext?) async throws {
        switch attack.script {
        case .frames(let script):
            try await FramePeer.connected(
                to: service.port, tls: attack.isPlain ? nil : tls, settings: attack.settings,
                acknowledges: attack.acknowledges
            ) { peer in
                // The server may close the connection while the script still sends.
                do { try await script(&peer, service) } catch is ChannelError, is IOError {}
                try await expect(attack.ending, of: &peer)
            }
        case .text(let script):
            try await TextPeer.connected(to: service.port, tls: attack.isPlain ? nil : tls) { peer in
                do { try await script(&peer, service) } catch is ChannelError, is IOError {}
                let text = try await peer.untilClosed()
                switch attack.ending {
                case .closed: #expect(text.isEmpty, "\(text)")
                case .answer(let status): #expect(text.hasPrefix("HTTP/1.1 \(status) "), "\(text)")
                case .cutOff, .reset: Issue.record("text has no frames")
                }
            }
        }
    }

    private static func expect(_ ending: Attack.Ending, of peer: inout FramePeer) async throws {
        switch ending {
        case .closed: _ = try await peer.untilClosed()
        case .cutOff(let code):
            let received = try await peer.untilClosed().last { $0.kind == .goAway }?.errorCode
            #expect(received == nil || received == code.rawValue)
        case .reset(let code):
            #expect(try await peer.next(.reset).errorCode == code.rawValue)
        case .answer(let status):
            let body = try await peer.next(.data).payload
            #expect(String(decoding: body, as: UTF8.self).contains("\"status\":\(status),"))
        }
    }
}

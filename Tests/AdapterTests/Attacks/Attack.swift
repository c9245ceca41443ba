import Adapters
import Testing

/// What a hostile peer does to a running service, and what is to come of it.
///
/// A new one is a row of a table in `AttackTests`: what it sends, the settings that make it short, and how it ends.
struct Attack: Sendable, CustomTestStringConvertible {
    enum Ending: Sendable {
        /// GOAWAY with that code and the end of the connection, which may overtake it.
        case cutOff(HTTP2ErrorCode)
        /// The end of the connection, and nothing said.
        case closed
        /// RST_STREAM with that code.
        case reset(HTTP2ErrorCode)
        /// An answer with that status.
        case answer(Int)
    }

    enum Script: Sendable {
        /// Behind a preface.
        case frames(@Sendable (inout FramePeer, RunningService) async throws -> Void)
        case text(@Sendable (inout TextPeer, RunningService) async throws -> Void)
    }

    let name: String
    let reason: Defence
    let ending: Ending
    var arguments: [String] = []
    var settings: [(id: UInt16, value: UInt32)] = []
    var acknowledges = true
    /// Over TLS, its handshake over when the script begins; `isPlain` leaves that to the script.
    var isEncrypted = false
    var isPlain = false
    /// What a connection has to begin with that is nobody's attack.
    var greeting: [UInt8] = []
    let script: Script

    var testDescription: String { name }

    /// HTTP/2, frame by frame.
    static func frames(
        _ name: String, _ reason: Defence, _ ending: Ending, _ arguments: [String] = [],
        settings: [(id: UInt16, value: UInt32)] = [], acknowledges: Bool = true,
        _ script: @escaping @Sendable (inout FramePeer, RunningService) async throws -> Void
    ) -> Attack {
        Attack(
            name: name, reason: reason, ending: ending, arguments: arguments, settings: settings,
            acknowledges: acknowledges, script: .frames(script))
    }

    /// Anything else, byte for byte.
    static func text(
        _ name: String, _ reason: Defence, _ ending: Ending, _ arguments: [String] = [], isEncrypted: Bool = false,
        greeting: String = "", _ script: @escaping @Sendable (inout TextPeer, RunningService) async throws -> Void
    ) -> Attack {
        Attack(
            name: name, reason: reason, ending: ending, arguments: arguments, isEncrypted: isEncrypted,
            isPlain: isEncrypted, greeting: Array(greeting.utf8), script: .text(script))
    }
}

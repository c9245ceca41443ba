import Adapters
import Testing

/// What a hostile peer sends to a running service, and how the service must end it.
///
/// Each attack is a row of a table in `AttackTests`: the bytes sent, the settings that shorten it, and its ending.
struct Attack: Sendable, CustomTestStringConvertible {
    enum Ending: Sendable {
        /// GOAWAY with this code, then the connection closes. The close may arrive before the GOAWAY.
        case cutOff(HTTP2ErrorCode)
        /// The connection closes without any bytes sent.
        case closed
        /// RST_STREAM with this code.
        case reset(HTTP2ErrorCode)
        /// A response with this status.
        case answer(Int)
    }

    enum Script: Sendable {
        /// HTTP/2 frames, sent after the connection preface.
        case frames(@Sendable (inout FramePeer, RunningService) async throws -> Void)
        case text(@Sendable (inout TextPeer, RunningService) async throws -> Void)
    }

    let name: String
    let reason: Defence
    let ending: Ending
    var arguments: [String] = []
    var settings: [(id: UInt16, value: UInt32)] = []
    var acknowledges = true
    /// Whether the service uses TLS. The handshake is complete when the script begins, unless `isPlain` is set: then the
    /// script sends the first bytes of the TCP connection.
    var isEncrypted = false
    var isPlain = false
    /// Bytes that legitimate connections must send first, such as a PROXY protocol header.
    var greeting: [UInt8] = []
    let script: Script

    var testDescription: String { name }

    /// An attack with HTTP/2 frames.
    static func frames(
        _ name: String, _ reason: Defence, _ ending: Ending, _ arguments: [String] = [],
        settings: [(id: UInt16, value: UInt32)] = [], acknowledges: Bool = true,
        _ script: @escaping @Sendable (inout FramePeer, RunningService) async throws -> Void
    ) -> Attack {
        Attack(
            name: name, reason: reason, ending: ending, arguments: arguments, settings: settings,
            acknowledges: acknowledges, script: .frames(script))
    }

    /// An attack with arbitrary bytes.
    static func text(
        _ name: String, _ reason: Defence, _ ending: Ending, _ arguments: [String] = [], isEncrypted: Bool = false,
        greeting: String = "", _ script: @escaping @Sendable (inout TextPeer, RunningService) async throws -> Void
    ) -> Attack {
        Attack(
            name: name, reason: reason, ending: ending, arguments: arguments, isEncrypted: isEncrypted,
            isPlain: isEncrypted, greeting: Array(greeting.utf8), script: .text(script))
    }
}

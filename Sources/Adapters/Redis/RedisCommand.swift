import CHiredis
import NIOCore

/// A command with its arguments.
package struct RedisCommand: Sendable, Equatable {
    package let name: String
    package let arguments: [[UInt8]]

    /// Decides which node of a cluster runs the command; nil if any node can.
    let key: [UInt8]?

    package init(_ name: String, _ arguments: [[UInt8]] = []) {
        self.name = name
        self.arguments = arguments
        key = Self.key(of: name, arguments)
    }

    /// A command without a key and arguments, which the node of another key runs.
    package init(_ name: String, besideKey neighbor: [UInt8]) {
        self.name = name
        arguments = []
        key = neighbor
    }

    private static func key(of name: String, _ arguments: [[UInt8]]) -> [UInt8]? {
        switch name {
        case "EVAL", "EVALSHA": arguments.count > 2 && arguments[1] != [UInt8(ascii: "0")] ? arguments[2] : nil
        case "AUTH", "CLIENT", "CLUSTER", "CONFIG", "ECHO", "INFO", "PING", "PUBLISH", "ROLE", "SCRIPT", "TIME": nil
        case _: arguments.first
        }
    }

    package init(_ name: String, _ arguments: String...) {
        self.init(name, arguments.map { Array($0.utf8) })
    }

    /// The commands in the Redis protocol, written by hiredis.
    static func encoded(_ commands: [RedisCommand]) -> ByteBuffer {
        var buffer = ByteBuffer()
        for command in commands { command.write(to: &buffer) }
        return buffer
    }

    private func write(to buffer: inout ByteBuffer) {
        let parts = [Array(name.utf8)] + arguments
        let lengths = parts.map(\.count)
        let all = parts.flatMap { $0 }
        all.withUnsafeBufferPointer { bytes in
            guard let first = bytes.baseAddress else { preconditionFailure("a command has a name") }
            let start = UnsafeRawPointer(first).assumingMemoryBound(to: CChar.self)
            var offset = 0
            var pointers: [UnsafePointer<CChar>?] = lengths.map { length in
                defer { offset += length }
                return start + offset
            }
            var formatted: UnsafeMutablePointer<CChar>?
            let count = redisFormatCommandArgv(&formatted, Int32(parts.count), &pointers, lengths)
            guard count >= 0, let formatted else { preconditionFailure("no memory") }
            // Allocated by hiredis; freed here after it was copied.
            defer { redisFreeCommand(formatted) }
            buffer.writeBytes(UnsafeRawBufferPointer(start: formatted, count: Int(count)))
        }
    }
}

/// A script that Redis runs as one transaction. All keys that it uses are passed as keys, with one hash tag.
package struct RedisScript: Sendable {
    /// For metrics and messages.
    package let name: String
    package let source: String

    /// The name of the script in `EVALSHA`.
    let digest: String

    package init(name: String, source: String) {
        self.name = name
        self.source = source
        digest = SHA1Digest.hexadecimal(of: Array(source.utf8))
    }

    /// - Parameter isCached: Whether the server has the script already.
    func command(isCached: Bool, keys: [[UInt8]], arguments: [[UInt8]]) -> RedisCommand {
        let script = Array((isCached ? digest : source).utf8)
        return RedisCommand(
            isCached ? "EVALSHA" : "EVAL", [script, Array(String(keys.count).utf8)] + keys + arguments)
    }
}

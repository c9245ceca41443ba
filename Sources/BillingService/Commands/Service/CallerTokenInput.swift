import Adapters
import NIOPosix

/// The caller's token for a running service: in the environment or in a file, but never an argument, since all users of the
/// machine can see those.
enum CallerTokenInput {
    static let variable = "BILLING_TOKEN"

    /// - Parameters:
    ///   - file: A path for `InputFile`; nil for the environment variable.
    ///   - mayBeShared: Whether a file may be accessible to other users.
    /// - Throws: `CommandFailure` for an absent or malformed token; `FileProblem`.
    static func read(
        _ file: String?, mayBeShared: Bool, _ environment: [String: String]
    ) async throws -> String {
        var text = environment[variable] ?? ""
        if let file {
            // Other users cannot open a pipe or standard input, unlike a file.
            let bytes =
                InputFile.isRegular(file)
                ? try PrivateFile(path: file, mayBeShared: mayBeShared).read()
                : try await NIOThreadPool.singleton.runIfActive { try InputFile.read(file, bytesMax: 65_536) }
            text = String(decoding: bytes, as: UTF8.self)
        }
        let token = text.withoutWhitespaceAround
        let source = file == nil ? variable : "--token-file"
        guard !token.isEmpty else { throw CommandFailure("no token in \(variable) or --token-file") }
        guard token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw CommandFailure("\(source) contains no token: a token is one word of visible ASCII characters")
        }
        return token
    }
}

extension StringProtocol {
    /// The text without white space at its start and end, including line ends.
    var withoutWhitespaceAround: String {
        let start = drop(while: \.isWhitespace)
        return start.lastIndex { !$0.isWhitespace }.map { String(start[...$0]) } ?? ""
    }
}

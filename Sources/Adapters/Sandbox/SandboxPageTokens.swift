import Domain
import FoundationEssentials

/// The `next_page_token`s of the sandbox: the start of the next page and the time of issue, authenticated so that only
/// issued tokens are accepted. They are valid for 15 minutes (Zoom: pagination).
struct SandboxPageTokens: Sendable {
    private static let lifetimeSeconds: Int64 = 15 * 60

    private let seed: UInt64
    private let time: any TimeSource

    init(seed: UInt64, time: any TimeSource) {
        self.seed = seed
        self.time = time
    }

    func token(for offset: Int) -> String {
        seal("\(offset).\(time.timestamp.secondsSinceEpoch)")
    }

    /// The start of the page; nil for a token that has expired or was never issued.
    func offset(of token: String) -> Int? {
        guard let data = Data(base64URL: token) else { return nil }
        let parts = String(decoding: data, as: UTF8.self).split(separator: ".")
        guard parts.count == 3, let offset = Int(parts[0]), let issued = Int64(parts[1]),
            seal("\(offset).\(issued)") == token
        else { return nil }
        let age = time.timestamp.secondsSinceEpoch - issued
        return age <= Self.lifetimeSeconds ? offset : nil
    }

    private func seal(_ content: String) -> String {
        let sealed = SHA256Digest(of: "\(seed).\(content)").hexadecimal.prefix(16)
        return Data("\(content).\(sealed)".utf8).base64URL
    }
}

import Domain
import FoundationEssentials

/// The page tokens of the sandbox. A token contains the offset of the next page, its time of issue and a checksum of
/// these and of the parameters of the list. It expires after 15 minutes (Zoom: Pagination).
struct SandboxPageTokens: Sendable {
    private static let lifetimeSeconds: Int64 = 15 * 60

    private let seed: UInt64
    private let time: any TimeSource

    init(seed: UInt64, time: any TimeSource) {
        self.seed = seed
        self.time = time
    }

    /// - Parameter parameters: The other parameters of the list, which must not change from page to page.
    func token(for offset: Int, parameters: String) -> String {
        signed("\(offset).\(time.timestamp.secondsSinceEpoch)", parameters)
    }

    /// The offset of the next page; `nil` if the token is expired, invalid, or from a list with other parameters.
    func offset(of token: String, parameters: String) -> Int? {
        guard let data = Data(base64URL: token) else { return nil }
        let parts = String(decoding: data, as: UTF8.self).split(separator: ".")
        guard parts.count == 3, let offset = Int(parts[0]), let issued = Int64(parts[1]),
            signed("\(offset).\(issued)", parameters) == token
        else { return nil }
        let age = time.timestamp.secondsSinceEpoch - issued
        return age <= Self.lifetimeSeconds ? offset : nil
    }

    private func signed(_ content: String, _ parameters: String) -> String {
        let checksum = SHA256Digest(of: "\(seed).\(content).\(parameters)").hexadecimal.prefix(16)
        return Data("\(content).\(checksum)".utf8).base64URL
    }
}

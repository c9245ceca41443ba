/// The `tracestate` field: data of other tracing systems, propagated unchanged (W3C Trace Context, 3.3).
package struct TraceState: Sendable, Hashable {
    package let text: String

    private static let membersMax = 32
    private static let bytesMax = 512

    /// `nil` if the field is invalid, or longer than the 512 bytes that must be propagated.
    package init?(_ field: String) {
        guard !field.isEmpty, field.utf8.count <= Self.bytesMax else { return nil }
        let members = field.split(separator: ",", omittingEmptySubsequences: false)
        guard members.count <= Self.membersMax, members.allSatisfy(Self.isMember) else { return nil }
        text = field
    }

    private static func isMember(_ member: Substring) -> Bool {
        let trimmed = member.drop { $0 == " " || $0 == "\t" }
        // Empty members are allowed.
        guard let first = trimmed.utf8.first else { return true }
        guard let sign = trimmed.firstIndex(of: "=") else { return false }
        let key = trimmed[..<sign].utf8
        let isLetterOrDigit = first.isASCIILowercase || first.isASCIIDigit
        let isKey = key.allSatisfy { $0.isASCIILowercase || $0.isASCIIDigit || "_-*/@".utf8.contains($0) }
        let value = trimmed[trimmed.index(after: sign)...].utf8
        return isLetterOrDigit && isKey && key.count <= 256
            && value.allSatisfy { (0x20...0x7E).contains($0) && $0 != UInt8(ascii: "=") }
    }
}

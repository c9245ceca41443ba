package import NIOCore

/// A file that is passed on in pieces, from the response of another server to a response of ours.
package struct StreamedFile: Sendable {
    /// Returns the next bytes, or `nil` at the end of a complete file.
    package typealias Next = @Sendable () async throws(HTTPFailure) -> ByteBuffer?

    /// The size that the other server states; `nil` if it states none.
    package let byteCount: Int?

    /// The name that the other server gives the file. It may hold paths and control characters.
    package let name: String?

    /// Digests of the file and its entity tag, as the other server states them.
    package let digests: HeaderFields

    private let nextBytes: Next

    package init(byteCount: Int?, name: String?, digests: HeaderFields, next: @escaping Next) {
        self.byteCount = byteCount
        self.name = name
        self.digests = digests
        nextBytes = next
    }

    /// Returns the next bytes, or `nil` at the end of a complete file. Only one task may read at a time.
    ///
    /// - Throws: as `ResponseBody.next()`. The file is then incomplete.
    package func next() async throws(HTTPFailure) -> ByteBuffer? { try await nextBytes() }

    /// The same file. `owner` is released when the file is.
    package func retaining<Owner: Sendable>(_ owner: Owner) -> StreamedFile {
        StreamedFile(byteCount: byteCount, name: name, digests: digests) { () async throws(HTTPFailure) in
            defer { withExtendedLifetime(owner) {} }
            return try await nextBytes()
        }
    }
}

import Adapters
import NIOCore

/// A PDF file as it arrives from a service.
struct PDFResponse: Sendable {
    /// The first bytes, which are those of a PDF.
    let start: ByteBuffer

    /// The length of the file, if the service sends it.
    let length: Int?
    private let body: ResponseBody
    private let origin: Origin
    private let timeout: Duration

    /// ISO 32000-1, 7.5.2.
    private static let signature = Array("%PDF".utf8)

    /// - Throws: `ServiceProblem` if it is no PDF.
    init(
        _ response: StreamedResponse, from origin: Origin, timeout: Duration
    ) async throws(ServiceProblem) {
        body = response.body
        length = response.fields.string(.contentLength).flatMap { Int($0) }
        self.origin = origin
        self.timeout = timeout
        var start = ByteBuffer()
        while start.readableBytes < Self.signature.count, let bytes = try await Self.next(body, origin, timeout, 0) {
            start.writeImmutableBuffer(bytes)
        }
        guard start.readableBytesView.starts(with: Self.signature) else {
            throw ServiceProblem(unusableAnswerOf: origin, response.fields)
        }
        self.start = start
    }

    /// The next bytes; nil at the end of a complete file.
    ///
    /// - Parameter count: The number of bytes so far, for the error.
    func next(after count: Int) async throws(ServiceProblem) -> ByteBuffer? {
        try await Self.next(body, origin, timeout, count)
    }

    private static func next(
        _ body: ResponseBody, _ origin: Origin, _ timeout: Duration, _ count: Int
    ) async throws(ServiceProblem) -> ByteBuffer? {
        do throws(HTTPFailure) {
            return try await body.next()
        } catch {
            throw ServiceProblem(error, from: origin, timeout: timeout, afterBytes: count)
        }
    }
}

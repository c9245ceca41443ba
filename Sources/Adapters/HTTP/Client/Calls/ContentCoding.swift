import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPCompression

/// Decodes the content coding of a response (RFC 9110, 8.4.1).
enum ContentCoding {
    /// The maximum compression ratio. Zoom's responses compress less; a higher ratio indicates a decompression bomb.
    private static let ratioMax = 100

    /// The ratio counts above this size only: long lists of similar entries may compress more.
    private static let ratioAppliesAbove = 4 << 20

    /// - Throws: `tooLarge` if the decoded body exceeds `bytesMax`, checked while decoding; `malformed` for invalid data or
    ///   an unsupported coding.
    static func decoded(
        _ body: ByteBuffer, _ coding: String?, bytesMax: Int
    ) throws(HTTPFailure) -> ByteBuffer {
        guard let coding, !coding.isEmpty, !coding.utf8.equalsIgnoringCase("identity") else { return body }
        guard coding.utf8.equalsIgnoringCase("gzip") else { throw .malformed }
        guard body.readableBytes > 0 else { return body }
        let limit = min(bytesMax, max(body.readableBytes * ratioMax, ratioAppliesAbove))
        do {
            return try inflate(body, limit: limit)
        } catch NIOHTTPDecompression.DecompressionError.limit {
            throw .tooLarge
        } catch {
            throw .malformed
        }
    }

    /// NIO's decompressor is a channel handler, so each call runs one response through an embedded channel.
    private static func inflate(_ body: ByteBuffer, limit: Int) throws -> ByteBuffer {
        let channel = EmbeddedChannel()
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        try channel.pipeline.syncOperations.addHandler(NIOHTTPResponseDecompressor(limit: .size(limit)))
        try channel.writeOutbound(HTTPClientRequestPart.head(.init(version: .http1_1, method: .GET, uri: "/")))
        let head = HTTPResponseHead(
            version: .http1_1, status: .ok,
            headers: ["content-encoding": "gzip", "content-length": "\(body.readableBytes)"])
        try channel.writeInbound(HTTPClientResponsePart.head(head))
        try channel.writeInbound(HTTPClientResponsePart.body(body))
        try channel.writeInbound(HTTPClientResponsePart.end(nil))
        var whole = ByteBuffer()
        while let part = try channel.readInbound(as: HTTPClientResponsePart.self) {
            if case .body(let bytes) = part { whole.writeImmutableBuffer(bytes) }
        }
        return whole
    }
}

package import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPCompression

/// Compresses data to one gzip member. Concatenated members are a valid gzip file (RFC 1952, 2.2).
package enum GzipMember {
    /// NIO's compressor is a channel handler, so each call runs one response through an embedded channel.
    package static func compress(_ bytes: ByteBuffer) throws -> ByteBuffer {
        let channel = EmbeddedChannel()
        defer { _ = try? channel.finish(acceptAlreadyClosed: true) }
        try channel.pipeline.syncOperations.addHandler(HTTPResponseCompressor())
        try channel.writeInbound(
            HTTPServerRequestPart.head(
                .init(version: .http1_1, method: .GET, uri: "/", headers: ["accept-encoding": "gzip"])))
        try channel.writeOutbound(HTTPServerResponsePart.head(.init(version: .http1_1, status: .ok)))
        try channel.writeOutbound(HTTPServerResponsePart.body(.byteBuffer(bytes)))
        try channel.writeOutbound(HTTPServerResponsePart.end(nil))
        var whole = ByteBuffer()
        while let part = try channel.readOutbound(as: HTTPServerResponsePart.self) {
            if case .body(.byteBuffer(let bytes)) = part { whole.writeImmutableBuffer(bytes) }
        }
        return whole
    }
}

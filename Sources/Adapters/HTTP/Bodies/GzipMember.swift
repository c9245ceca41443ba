package import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOHTTPCompression

/// Gzip (RFC 1952) of a piece of something: pieces one after another are the gzip of the whole.
package enum GzipMember {
    /// The library's compressor is a channel handler: it gets a channel of its own, and one response.
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

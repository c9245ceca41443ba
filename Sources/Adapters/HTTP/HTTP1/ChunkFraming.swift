import NIOCore
import NIOHTTP1

/// What the framing of a body in chunks comes to beside the body, of which NIO's parser tells nothing. A value, told of
/// the bytes before the parser has them and of what it made of them.
struct ChunkFraming {
    private var arrivedBytes = 0
    private var accountedBytes = 0

    /// The size of a chunk in at most 16 digits, and four bytes of line ends.
    private static let perPiece = 20

    mutating func arrived(_ count: Int) {
        arrivedBytes += count
    }

    mutating func parsed(_ part: HTTPServerRequestPart) {
        switch part {
        case .head(let head):
            let line = head.method.rawValue.utf8.count + head.uri.utf8.count + 14
            accountedBytes = head.headers.reduce(line) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 }
        case .body(let bytes):
            accountedBytes += bytes.readableBytes + Self.perPiece
        case .end:
            // What came behind it belongs to the next, which will seem that much shorter than it is.
            arrivedBytes = 0
            accountedBytes = 0
        }
    }

    /// Bytes that were neither head nor body nor sizes: extensions and trailers.
    var framingBytes: Int { arrivedBytes - accountedBytes }
}

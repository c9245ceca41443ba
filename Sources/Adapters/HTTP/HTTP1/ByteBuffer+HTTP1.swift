import NIOCore
import NIOHTTP1

/// Writes responses of HTTP/1.1 (RFC 9112, 4).
extension ByteBuffer {
    mutating func writeStatusLine(_ status: HTTPResponseStatus) {
        if case .ok = status {
            writeStaticString("HTTP/1.1 200 OK\r\n")
        } else {
            writeString("HTTP/1.1 \(status.code) \(status.reasonPhrase)\r\n")
        }
    }

    /// Writes a line for each field that is no pseudo-header field.
    mutating func writeLines(_ fields: HeaderFields) {
        fields.withUnsafeFields { base, records in
            // A record has more bytes besides its name and value than a line.
            _ = writeWithUnsafeMutableBytes(minimumWritableBytes: base.count) { memory in
                guard let start = memory.baseAddress, let bytes = base.baseAddress else { return 0 }
                var end = start
                func write(_ range: Range<Int>, _ mark: (UInt8, UInt8)) {
                    end.copyMemory(from: bytes + range.lowerBound, byteCount: range.count)
                    end += range.count
                    end.storeBytes(of: mark.0, as: UInt8.self)
                    end.storeBytes(of: mark.1, toByteOffset: 1, as: UInt8.self)
                    end += 2
                }
                for (name, value, _) in records where base[name.lowerBound] != UInt8(ascii: ":") {
                    write(name, (UInt8(ascii: ":"), UInt8(ascii: " ")))
                    write(value, (UInt8(ascii: "\r"), UInt8(ascii: "\n")))
                }
                return end - start
            }
        }
    }

    /// Writes a line with a date.
    mutating func writeLine(_ name: StaticString, _ date: InlineArray<29, UInt8>) {
        writeStaticString(name)
        writeStaticString(": ")
        date.span.withUnsafeBytes { _ = writeBytes($0) }
        writeStaticString("\r\n")
    }

    /// Writes a prepared response with `Age`, `x-request-id` and `Date`.
    mutating func writePrepared(_ response: PreparedResponse, date: InlineArray<29, UInt8>) {
        let lines = response.fields.lines(of: response.sent)
        let room = lines.count + response.body.readableBytes + Self.preparedRoom
        writeWithUnsafeMutableBytes(minimumWritableBytes: room) { memory in
            guard var end = memory.baseAddress else { return 0 }
            func write(_ text: StaticString) {
                end.copyMemory(from: text.utf8Start, byteCount: text.utf8CodeUnitCount)
                end += text.utf8CodeUnitCount
            }
            func write(_ bytes: UnsafeRawBufferPointer) {
                guard let start = bytes.baseAddress else { return }
                end.copyMemory(from: start, byteCount: bytes.count)
                end += bytes.count
            }
            write(response.status.line)
            write(lines)
            write("age: ")
            end += DecimalDigits.write(response.age, to: end)
            write("\r\nx-request-id: ")
            end += response.requestID.write(to: end)
            write("\r\ndate: ")
            date.span.withUnsafeBytes { write($0) }
            write("\r\n\r\n")
            response.body.withUnsafeReadableBytes { write($0) }
            return end - (memory.baseAddress ?? end)
        }
    }

    /// More than the status line and the three fields that are not prepared.
    private static let preparedRoom = 128 + DecimalDigits.bytesMax + RequestID.lengthMax + HTTPDate.bytesCount
}

extension PreparedResponse.Status {
    /// The status line, with its end.
    fileprivate var line: StaticString {
        switch self {
        case .ok: "HTTP/1.1 200 OK\r\n"
        case .notModified: "HTTP/1.1 304 Not Modified\r\n"
        }
    }
}

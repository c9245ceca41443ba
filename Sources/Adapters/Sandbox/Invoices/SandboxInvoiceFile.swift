import FoundationEssentials
import NIOCore

/// The PDF file of an invoice, of any size. Its pieces are computed when they are sent.
///
/// The file has one page of text. A stream object that no page uses fills it up to the requested size (ISO 32000-1, 7.3.8).
struct SandboxInvoiceFile: Sendable {
    let name: String
    let byteCount: Int

    /// Everything before and after the filler.
    private let beginning: ByteBuffer
    private let end: ByteBuffer

    /// The smallest size that has room for the text of any invoice.
    static let byteCountMin = 2048

    /// The largest size. Offsets in the cross-reference table have ten digits (ISO 32000-1, 7.5.4).
    static let byteCountMax = 8 << 30

    /// - Parameter byteCount: From `byteCountMin` to `byteCountMax`.
    init(_ invoice: SandboxInvoice, name: String, byteCount: Int) {
        precondition((Self.byteCountMin...Self.byteCountMax).contains(byteCount), "no PDF file of this size")
        self.name = name
        self.byteCount = byteCount
        var objects = Self.objects(invoice)
        // The length has leading zeros, so that its number of digits is independent of the size.
        let endCount = Self.end(offsets: Array(repeating: 0, count: objects.count + 1), table: 0).utf8.count
        let headCount = Self.header.utf8.count + objects.reduce(0) { $0 + $1.utf8.count }
        let fillerCount = byteCount - endCount - headCount - Self.fillerHead(count: 0).utf8.count
        precondition(fillerCount >= 0, "the text of the invoice is too long")
        objects.append(Self.fillerHead(count: fillerCount))
        var beginning = ByteBuffer(string: Self.header)
        var offsets: [Int] = []
        for object in objects {
            offsets.append(beginning.readableBytes)
            beginning.writeString(object)
        }
        let table = beginning.readableBytes + fillerCount + Self.fillerEnd.utf8.count
        self.beginning = beginning
        end = ByteBuffer(string: Self.end(offsets: offsets, table: table))
    }

    // MARK: Pieces

    private static let filler: ByteBuffer = {
        let line = "The sandbox fills this file up to the size that was requested.\n\n"
        return ByteBuffer(string: String(repeating: line, count: 65_536 / line.utf8.count))
    }()

    /// The bytes at an offset, up to `bytesMax`; empty at the end.
    func piece(at offset: Int, bytesMax: Int) -> ByteBuffer {
        let endOffset = byteCount - end.readableBytes
        if offset < beginning.readableBytes { return Self.slice(of: beginning, at: offset, bytesMax) }
        if offset >= endOffset { return Self.slice(of: end, at: offset - endOffset, bytesMax) }
        let start = (offset - beginning.readableBytes) % Self.filler.readableBytes
        return Self.slice(of: Self.filler, at: start, min(bytesMax, endOffset - offset))
    }

    private static func slice(of buffer: ByteBuffer, at offset: Int, _ bytesMax: Int) -> ByteBuffer {
        let count = min(bytesMax, buffer.readableBytes - offset)
        return buffer.getSlice(at: buffer.readerIndex + offset, length: count) ?? ByteBuffer()
    }

    /// The largest file whose digest is computed.
    private static let digestBytesMax = 1 << 20

    /// The SHA-256 digest in base64, for `Repr-Digest` (RFC 9530); `nil` for a large file.
    var digest: String? {
        guard byteCount <= Self.digestBytesMax else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount)
        while bytes.count < byteCount { bytes += piece(at: bytes.count, bytesMax: byteCount).readableBytesView }
        return Hexadecimal.decode(SHA256Digest(of: bytes[...]).hexadecimal).map { Data($0).base64EncodedString() }
    }

    // MARK: PDF

    /// A comment with bytes above 127 marks the file as binary (ISO 32000-1, 7.5.2).
    private static let header = "%PDF-1.4\n%\u{C4}\u{D6}\u{DC}\u{DF}\n"

    private static func objects(_ invoice: SandboxInvoice) -> [String] {
        let lines = [
            "Invoice \(invoice.number)", "Date \(invoice.date.text), due \(invoice.dueDate.text)",
            "\(invoice.items.count) items", "Tax \(invoice.tax.text) \(invoice.currency)",
            "Total \(invoice.total.text) \(invoice.currency)", "Balance \(invoice.balance.text) \(invoice.currency)",
        ]
        let text = "BT /F1 14 Tf 72 770 Td 20 TL\n" + lines.map { "(\($0)) Tj T*\n" }.joined() + "ET\n"
        return [
            "1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n",
            "2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n",
            "3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 5 0 R "
                + "/Resources << /Font << /F1 4 0 R >> >> >>\nendobj\n",
            "4 0 obj\n<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>\nendobj\n",
            "5 0 obj\n<< /Length \(text.utf8.count) >>\nstream\n\(text)endstream\nendobj\n",
        ]
    }

    private static func fillerHead(count: Int) -> String {
        "6 0 obj\n<< /Length \(SandboxAccounts.padded(count, to: 10)) >>\nstream\n"
    }

    private static let fillerEnd = "\nendstream\nendobj\n"

    /// The end of the filler object, the cross-reference table and the trailer.
    private static func end(offsets: [Int], table: Int) -> String {
        let entries = offsets.map { "\(SandboxAccounts.padded($0, to: 10)) 00000 n \n" }.joined()
        return fillerEnd
            + "xref\n0 \(offsets.count + 1)\n0000000000 65535 f \n\(entries)"
            + "trailer\n<< /Size \(offsets.count + 1) /Root 1 0 R >>\n"
            + "startxref\n\(SandboxAccounts.padded(table, to: 10))\n%%EOF\n"
    }
}

import NIOCore

/// A regular reply, which faults can change: a response with its body, or the head of a response and a file.
struct SandboxReply: Sendable {
    private let response: HTTPResponse
    private let file: SandboxInvoiceFile?

    init(_ response: HTTPResponse) {
        self.response = response
        file = nil
    }

    init(_ file: SandboxInvoiceFile) {
        var response = HTTPResponse(status: 200)
        response.fields.append(.contentType, "application/pdf")
        response.fields.append(
            FieldName("content-disposition"), "attachment; filename=\"\(Self.quoted(file.name))\"")
        if let digest = file.digest { response.fields.append(FieldName("repr-digest"), "sha-256=:\(digest):") }
        self.response = response
        self.file = file
    }

    /// Escapes a quoted string (RFC 9110, 5.6.4).
    private static func quoted(_ text: String) -> String {
        String(text.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] })
    }

    /// The reply with a changed head.
    func changing(_ change: (inout HTTPResponse) -> Void) -> SandboxReply {
        var response = response
        change(&response)
        return SandboxReply(response: response, file: file)
    }

    private init(response: HTTPResponse, file: SandboxInvoiceFile?) {
        self.response = response
        self.file = file
    }

    // MARK: Sending

    /// The response with its body; `nil` for a file, which is only sent in pieces.
    var whole: HTTPResponse? { file == nil ? response : nil }

    var byteCount: Int { file?.byteCount ?? response.body.readableBytes }

    /// The bytes of the body at an offset, up to `bytesMax`; empty at the end.
    func piece(at offset: Int, bytesMax: Int) -> ByteBuffer {
        if let file { return file.piece(at: offset, bytesMax: bytesMax) }
        let count = min(bytesMax, byteCount - offset)
        return response.body.getSlice(at: response.body.readerIndex + offset, length: count) ?? ByteBuffer()
    }

    /// The head of the response to a body that is sent in pieces. The length of a file is known.
    ///
    /// - Parameter hasLength: Whether `Content-Length` states the length of the file.
    func head(hasLength: Bool) -> HTTPResponse {
        var head = HTTPResponse(fields: response.fields)
        if let file, hasLength { head.fields.append(.contentLength, file.byteCount) }
        return head
    }

    static let pieceBytesMax = 65_536

    /// Sends the first bytes of the body.
    ///
    /// - Returns: Whether the peer received them; `false` if it closed the stream.
    func send(_ count: Int, to body: BodyWriter) async -> Bool {
        var offset = 0
        while offset < count {
            let piece = piece(at: offset, bytesMax: min(Self.pieceBytesMax, count - offset))
            guard (try? await body.write(piece)) != nil else { return false }
            offset += piece.readableBytes
        }
        return true
    }

    /// The reply of the server.
    var reply: Reply {
        guard whole == nil else { return .now(response) }
        return .stream(head(hasLength: true)) { body in await send(byteCount, to: body) ? .complete : .broken }
    }
}

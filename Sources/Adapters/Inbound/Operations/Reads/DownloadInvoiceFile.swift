import Domain
import Logging
import Metrics
import NIOCore

/// The file of an invoice, passed on in pieces (Zoom: Download an invoice file). The reader's pace is Zoom's: a bounded number
/// of bytes waits.
struct DownloadInvoiceFile: RouteHandler {
    private let openFile: OpenInvoiceFile<StreamedFile>
    private let bytesSent: Counter
    private let logger: Logger

    init(_ openFile: OpenInvoiceFile<StreamedFile>, bytesSent: Counter, logger: Logger) {
        self.openFile = openFile
        self.bytesSent = bytesSent
        self.logger = logger
    }

    private static let mediaType = "application/pdf"

    /// Zoom's path, and the older one of its reference.
    var routes: [RouteTable<any RouteHandler>.Route] {
        [
            .init("/v2/billing/invoices/{invoiceId}/download", [(.get, self)]),
            .init("/v2/api/download/billing/invoices/{invoiceId}", [(.get, self)]),
        ]
    }

    func reply(to request: HTTPRequest, _ context: RouteContext, _ note: inout RequestNote) -> Reply {
        let (caller, requestID) = (context.caller, context.requestID)
        guard let invoice = context.parameters.id(0, in: request.path, as: InvoiceID.init) else {
            return .now(FailureTable.invalidInvoiceID.response(requestID))
        }
        guard AcceptField(of: request).first(of: [Self.mediaType]) != nil else {
            return .now(FailureTable.notAcceptable.response(requestID))
        }
        // Files are not cached, so none can be answered from the cache (RFC 9111, 5.2.1.7).
        guard !CacheControlField.directives(of: request).onlyIfCached else {
            return .now(FailureTable.problem(for: .notCached).response(requestID))
        }
        do throws(BillingFailure) {
            try openFile.check(invoice, for: caller)
        } catch {
            return .now(FailureTable.problem(for: error).response(requestID))
        }
        // A request to Zoom would count as a download, of which Zoom permits few. So the length is unknown, and whether the
        // invoice exists, unless the caller is restricted to some accounts.
        if context.method == .head { return .now(Self.head(invoice, requestID)) }
        let queueTimeout = PreferField.wait(of: request)
        return .eventuallyStreamed { [self] in
            do throws(BillingFailure) {
                let file = try await openFile(invoice, for: caller, queueTimeout: queueTimeout)
                return .stream(Self.head(invoice, requestID, file)) { body in
                    await send(file, to: body, requestID)
                }
            } catch {
                return .whole(FailureTable.problem(for: error).response(requestID))
            }
        }
    }

    private static func head(
        _ invoice: InvoiceID, _ requestID: RequestID, _ file: StreamedFile? = nil
    ) -> HTTPResponse {
        var head = HTTPResponse(status: 200)
        if let digests = file?.digests {
            head.fields = HeaderFields(head.fields, digests, reservingBytes: 400)
        }
        head.fields.append(.contentType, mediaType)
        head.fields.append(
            .contentDisposition, ContentDisposition.attachment(named: InvoiceFileName.name(of: invoice, file?.name)))
        if let count = file?.byteCount { head.fields.append(.contentLength, count) }
        head.fields.append(.cacheControl, "private, no-store")
        head.fields.append(.acceptRanges, "none")
        head.fields.append(.contentTypeOptions, "nosniff")
        head.fields.append(.vary, "accept, authorization")
        requestID.append(to: &head.fields)
        return head
    }

    /// Passes a file on. A file that Zoom cuts off ends as broken, and so does one with another length than Zoom stated.
    private func send(_ file: StreamedFile, to body: BodyWriter, _ requestID: RequestID) async -> StreamEnding {
        var left = file.byteCount
        do throws(HTTPFailure) {
            while let bytes = try await file.next() {
                if let known = left { left = known - bytes.readableBytes }
                guard left ?? 0 >= 0 else { break }
                do throws(BodyWriter.Closed) {
                    try await body.write(bytes)
                } catch {
                    return .broken
                }
                bytesSent.increment(by: bytes.readableBytes)
            }
            guard left ?? 0 == 0 else { throw .malformed }
            return .complete
        } catch {
            guard !Task.isCancelled else { return .broken }
            logger.warning(
                "an invoice file was cut off",
                metadata: ["request_id": "\(requestID.text)", "reason": "\(error)", "sent": "\(body.sentBytes)"])
            return .broken
        }
    }
}

/// The name under which a caller saves the file of an invoice (RFC 6266, 4.3).
enum InvoiceFileName {
    private static let lengthMax = 100

    /// Zoom's name if it is safe on every system, otherwise a name made of the invoice's id.
    static func name(of invoice: InvoiceID, _ suggestion: String?) -> String {
        guard let suggestion, isSafe(suggestion) else { return "invoice-\(invoice).pdf" }
        return suggestion
    }

    /// Whether the name has only characters that no system interprets, does not hide the file, and ends as a PDF does.
    private static func isSafe(_ name: String) -> Bool {
        (5...lengthMax).contains(name.utf8.count) && name.utf8.first?.isASCIILetterOrDigit == true
            && name.lowercased().hasSuffix(".pdf")
            && name.utf8.allSatisfy { byte in
                byte.isASCIILetterOrDigit
                    || [UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: " ")].contains(byte)
            }
    }
}

import Domain
import NIOCore

/// `GET /v2/billing/stream`: the billing contacts of all sub accounts as NDJSON.
struct StreamBilling: Sendable {
    private let exportContacts: ExportContacts

    init(exportContacts: ExportContacts) {
        self.exportContacts = exportContacts
    }

    private static let mediaTypes = ["application/x-ndjson", "application/jsonl"]

    func reply(to request: HTTPRequest, caller: Caller, _ requestID: RequestID) -> Reply {
        guard let mediaType = AcceptField(of: request).first(of: Self.mediaTypes) else {
            return .now(FailureTable.notAcceptable.response(requestID))
        }
        do throws(BillingFailure) {
            let (options, lines) = try Self.parameters(of: request)
            let export = try exportContacts(options, for: caller)
            return .stream(Self.head(mediaType, requestID)) { await Self.run(export, lines, to: $0) }
        } catch {
            return .now(FailureTable.problem(for: error).response(requestID))
        }
    }

    private static func parameters(
        of request: HTTPRequest
    ) throws(BillingFailure) -> (ExportContacts.Options, NDJSONLines.Selection) {
        let query = try Query(request.query, allowed: ["after", "only"])
        var violations: [BillingFailure.Violation] = []
        var options = ExportContacts.Options()
        if let after = query["after"] {
            options.after = AccountID(after)
            if options.after == nil { violations.append(.init(field: "after", message: "Invalid field.")) }
        }
        var selection = NDJSONLines.Selection.all
        if let only = query["only"] {
            if only == "records" {
                selection = .records
            } else {
                violations.append(.init(field: "only", message: "Must be \"records\"."))
            }
        }
        guard violations.isEmpty else { throw .invalid(violations) }
        return (options, selection)
    }

    private static func head(_ mediaType: String, _ requestID: RequestID) -> HTTPResponse {
        var head = HTTPResponse(status: 200)
        head.fields.append(.contentType, mediaType)
        head.fields.append(.cacheControl, "private, no-store")
        head.fields.append(.acceptRanges, "none")
        head.fields.append(.contentTypeOptions, "nosniff")
        // Proxies that gather an answer before they pass it on are asked not to.
        head.fields.append(.accelBuffering, "no")
        requestID.append(to: &head.fields)
        return head
    }

    private static func run(
        _ export: ExportContacts.Export, _ selection: NDJSONLines.Selection, to body: BodyWriter
    ) async -> StreamEnding {
        let lines = NDJSONLines(selection: selection, body: body)
        do throws(BillingFailure) {
            try await export.run(to: lines)
            return .complete
        } catch {
            // Nobody takes a stream for complete that ends like this.
            await lines.end(with: error)
            return .broken
        }
    }
}

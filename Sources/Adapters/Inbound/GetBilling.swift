import Domain
import NIOCore

/// `GET /v2/accounts/{accountId}/billing`: Zoom's *Get billing information*.
struct GetBilling: Sendable {
    private let lookUpContact: LookUpContact

    init(lookUpContact: LookUpContact) {
        self.lookUpContact = lookUpContact
    }

    func reply(to request: HTTPRequest, account: ArraySlice<UInt8>, caller: Caller, _ requestID: RequestID) -> Reply {
        guard let account = AccountID(account) else {
            return .now(FailureTable.invalidAccountID.response(requestID))
        }
        guard AcceptField(of: request).first(of: ["application/json"]) != nil else {
            return .now(FailureTable.notAcceptable.response(requestID))
        }
        let patience = PreferField.wait(of: request)
        let wantsNothing = request.fields[.ifNoneMatch]?.elementsEqual("*".utf8) ?? false
        return .eventually {
            do throws(BillingFailure) {
                let dated = try await lookUpContact(account, for: caller, patience: patience)
                return wantsNothing ? Self.notModified(requestID) : Self.response(dated.contact, requestID)
            } catch {
                return FailureTable.problem(for: error).response(requestID)
            }
        }
    }

    private static let fields = HeaderFields([
        (.status, "200"),
        (.contentType, "application/json"),
        (.cacheControl, "private, no-store"),
        (.contentTypeOptions, "nosniff"),
        (.acceptRanges, "none"),
    ])

    private static let notModifiedFields = HeaderFields([
        (.status, "304"),
        (.cacheControl, "private, no-store"),
        (.contentTypeOptions, "nosniff"),
    ])

    /// What is there was asked for only if there is nothing (RFC 9110, 13.1.2).
    private static func notModified(_ requestID: RequestID) -> HTTPResponse {
        var fields = notModifiedFields
        requestID.append(to: &fields)
        return HTTPResponse(fields: fields)
    }

    private static func response(_ contact: BillingContact, _ requestID: RequestID) -> HTTPResponse {
        var body = ByteBuffer()
        body.writeContact(contact)
        var fields = HeaderFields(fields, reservingBytes: requestID.count + 64)
        fields.append(.contentLength, body.readableBytes)
        requestID.append(to: &fields)
        return HTTPResponse(fields: fields, body: body)
    }
}

package import Domain
package import Logging
package import NIOCore

/// A request to Zoom's API, except for the access token.
package struct ZoomRequest: Sendable {
    package let endpoint: ZoomEndpoint

    /// The account that the request is about; `nil` if it is about the master account as a whole.
    package let account: AccountID?

    /// The invoice that the request is about; `nil` if it is about none.
    package let invoice: InvoiceID?

    /// The path without the query, relative to the base path of the API.
    package let path: String

    private let query: String

    /// JSON; `nil` for a request without a body.
    package let body: ByteBuffer?

    /// `nil` for a read.
    let sending: WriteSending?

    /// - Parameters:
    ///   - account: Fills in `{accountId}` of the path template.
    ///   - invoice: Fills in `{invoiceId}`.
    ///   - query: Parameters in the order in which they are sent, not yet percent-encoded.
    package init(
        _ endpoint: ZoomEndpoint, account: AccountID? = nil, invoice: InvoiceID? = nil,
        query: [(name: String, value: String)] = [],
        body: ByteBuffer? = nil
    ) {
        self.init(endpoint, account: account, invoice: invoice, query: query, body: body, sending: nil)
    }

    /// A request that changes an account.
    init(_ endpoint: ZoomEndpoint, account: AccountID, body: ByteBuffer, sending: WriteSending) {
        self.init(endpoint, account: account, invoice: nil, query: [], body: body, sending: sending)
    }

    private init(
        _ endpoint: ZoomEndpoint, account: AccountID?, invoice: InvoiceID?, query: [(name: String, value: String)],
        body: ByteBuffer?, sending: WriteSending?
    ) {
        self.endpoint = endpoint
        self.account = account
        self.invoice = invoice
        self.body = body
        self.sending = sending
        path = endpoint.pathTemplate.path(account: account, invoice: invoice)
        self.query =
            query.isEmpty
            ? "" : query.map { "\($0.name)=\(PercentEncoding.encode($0.value))" }.joined(separator: "&")
    }

    /// A request to read one account.
    init(_ read: AccountRead) {
        let endpoint = read.operation.endpoint
        switch read.parameter {
        case nil: self.init(endpoint, account: read.account)
        case .invoice(let invoice): self.init(endpoint, account: read.account, invoice: invoice)
        case .period(let period):
            self.init(
                endpoint, account: read.account,
                query: [("from", period.from.description), ("to", period.to.description)])
        }
    }

    /// The path and the query.
    package var target: String { query.isEmpty ? path : "\(path)?\(query)" }
}

/// A request, and how its answer is read.
package struct ZoomCall<Answer: Sendable>: Sendable {
    package typealias Read = @Sendable (ZoomAnswer, Logger) throws(ZoomFailure) -> Answer
    package typealias Interpret = @Sendable (ZoomFailure) -> BillingFailure?

    let request: ZoomRequest

    /// Reads a successful answer. Throws `unreadable`.
    let read: Read

    /// Translates a failure that has a special meaning for this call; `nil` for all others, which
    /// `ZoomFailure.billingFailure` translates.
    let interpret: Interpret

    package init(
        _ request: ZoomRequest, interpret: @escaping Interpret = { _ in nil }, read: @escaping Read
    ) {
        self.request = request
        self.read = read
        self.interpret = interpret
    }
}

extension ZoomCall<SourceAnswer> {
    init(_ read: AccountRead) {
        let endpoint = read.operation.endpoint
        self.init(
            ZoomRequest(read), interpret: { endpoint.interpret($0, read) }, read: endpoint.readAnswer)
    }
}

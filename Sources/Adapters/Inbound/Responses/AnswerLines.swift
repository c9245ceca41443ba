package import Domain
import NIOCore

/// Encodes the answers that the cache stores as lines of the stream (docs/streaming.md), which contain the bodies of single
/// answers. An answer that no stream has is stored as its key and its body.
package struct AnswerLines: AnswerCodec {
    package init() {}

    private static let afterAccount: StaticString = "\",\"as_of\":\""
    private static let asOfCount = 20

    /// A line of a contact is shorter.
    private static let usualBytes = 512

    package func encode(
        _ outcome: Result<SourceAnswer, BillingFailure>, to read: AccountRead, asOf: Timestamp
    ) -> EncodedAnswer {
        var line = ByteBuffer()
        line.reserveCapacity(Self.usualBytes)
        let type = RecordType(read.operation)
        let keyStart: Int
        switch outcome {
        case .failure(let failure):
            keyStart = type.map { line.writeFailure(failure, $0, read.account) } ?? line.writeKey(of: read)
            return EncodedAnswer(
                text: Array(line.readableBytesView), keyStart: keyStart, body: line.writerIndex..<line.writerIndex,
                tag: 0)
        case .success(let answer):
            if let type {
                // Ids and times have no characters that JSON escapes.
                line.writeStaticString(type.head)
                keyStart = line.writerIndex
                line.writeString(read.account.rawValue)
                line.writeStaticString(Self.afterAccount)
                line.writeSecond(asOf)
                line.writeStaticString("\",\"")
                line.writeStaticString(type.member)
                line.writeStaticString("\":")
            } else {
                keyStart = line.writeKey(of: read)
            }
            let start = line.writerIndex
            line.write(answer)
            let body = start..<line.writerIndex
            if type != nil { line.writeStaticString("}\n") }
            let text = Array(line.readableBytesView)
            return EncodedAnswer(
                text: text, keyStart: keyStart, body: body, tag: SHA256Digest(of: text[body]).firstWord)
        }
    }

    package func response(from answer: StoredAnswer, to read: AccountRead) -> any CachedResponse {
        BillingAnswer(answer, asOf: Self.asOf(of: answer, read.operation))
    }

    package func invoices(in answer: StoredAnswer) -> (list: InvoiceList, asOf: Timestamp)? {
        guard let object = (try? JSONValue(parsing: Array(answer.body)))?.object,
            let list = try? InvoiceList(zoom: object),
            let asOf = Timestamp(rfc3339: String(decoding: Self.asOf(of: answer, .listBillingInvoices), as: UTF8.self))
        else { return nil }
        return (list, asOf)
    }

    /// When Zoom sent an answer (RFC 3339), as its line states it. Empty for a failure, and for an answer that no stream has.
    private static func asOf(of answer: StoredAnswer, _ operation: Domain.Operation) -> [UInt8] {
        guard answer.failure == nil, let type = RecordType(operation) else { return [] }
        let end = answer.body.startIndex - type.member.utf8CodeUnitCount - 5
        return Array(answer.text[end - asOfCount..<end])
    }
}

extension RecordType {
    /// The type of the lines with the answers to an operation; `nil` if no stream has them.
    fileprivate init?(_ operation: Domain.Operation) {
        switch operation {
        case .getBillingInformation: self = .contact
        case .getPlanInformation: self = .plans
        case .getPlanUsage: self = .usage
        case .listBillingInvoices: self = .invoices
        case .getInvoiceDetails, .downloadInvoiceFile, .listSubAccounts, .getSubAccountDetails,
            .updateBillingInformation, .subscribePlans, .subscribeAdditionalPlan, .updateAdditionalPlan,
            .cancelAdditionalPlans, .updateBasePlan, .cancelBasePlan:
            return nil
        }
    }

    /// The beginning of a line, up to the account.
    var head: StaticString {
        switch self {
        case .contact: "{\"type\":\"contact\",\"account_id\":\""
        case .plans: "{\"type\":\"plans\",\"account_id\":\""
        case .usage: "{\"type\":\"usage\",\"account_id\":\""
        case .invoices: "{\"type\":\"invoices\",\"account_id\":\""
        }
    }
}

extension ByteBuffer {
    /// Writes a time as `Timestamp.rfc3339`.
    fileprivate mutating func writeSecond(_ time: Timestamp) {
        let bytes = MillisecondTime(milliseconds: time.secondsSinceEpoch * 1000).rfc3339Bytes
        writeBytes(bytes.span.extracting(..<19).bytes)
        writeInteger(UInt8(ascii: "Z"))
    }

    /// Writes an answer of the source as Zoom's JSON object, on one line.
    fileprivate mutating func write(_ answer: SourceAnswer) {
        switch answer {
        case .contact(let contact): writeContact(contact)
        case .document(let document): writeBytes(document.text)
        case .invoices(let list):
            writeJSONObject { object in
                for member in list.members { object.member(named: member.name, text: member.value) }
                object.member("invoices") { buffer in
                    buffer.writeJSONArray(list.invoices) { $0.writeBytes($1.document.text) }
                }
            }
        }
    }

    /// Writes the key of an answer that no stream has.
    ///
    /// - Returns: Where the key starts.
    fileprivate mutating func writeKey(of read: AccountRead) -> Int {
        writeString(read.account.rawValue)
        if case .invoice(let invoice)? = read.parameter {
            writeInteger(UInt8(0))
            writeString(invoice.rawValue)
        }
        return 0
    }

    /// Writes the line of a failure as a stream of this kind alone has it: a stream of contacts does not name the kind.
    ///
    /// - Returns: Where the account id starts.
    fileprivate mutating func writeFailure(_ failure: BillingFailure, _ type: RecordType, _ account: AccountID) -> Int {
        let problem = FailureTable.problem(for: failure)
        writeFailureLine(problem, type == .contact ? nil : type, account)
        // The id is the first value that is not a constant of the grammar.
        return
            (type == .contact
            ? "{\"type\":\"failure\",\"account_id\":\""
            : "{\"type\":\"failure\",\"kind\":\"\(type.rawValue)\",\"account_id\":\"").utf8.count
    }

    /// Writes a line of a failure.
    ///
    /// - Parameter type: The kind that the line names; `nil` for none.
    mutating func writeFailureLine(_ problem: ProblemDetails, _ type: RecordType?, _ account: AccountID) {
        writeJSONObject { object in
            object.member("type", "failure")
            if let type { object.member("kind", type.rawValue) }
            object.member("account_id", account.rawValue)
            object.member("status", problem.status)
            object.member("code", problem.code)
            object.member("message", problem.message)
            if type != nil, let retryAfter = problem.retryAfter { object.member("retry_after", retryAfter) }
        }
        writeInteger(UInt8(ascii: "\n"))
    }
}

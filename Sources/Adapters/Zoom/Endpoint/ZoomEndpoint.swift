package import Domain
package import Logging

/// How Zoom performs an operation: the same for every request (Zoom: the page of the operation).
///
/// A class, since every function of a call has it: a copy costs one reference.
package final class ZoomEndpoint: Sendable {
    /// A method of HTTP (RFC 9110, 9.3; RFC 5789).
    package enum Method: String, Sendable {
        case get = "GET"
        case post = "POST"
        case put = "PUT"
        case patch = "PATCH"
        case delete = "DELETE"

        /// Whether a request changes nothing, so that it may be sent again (RFC 9110, 9.2.1).
        package var isSafe: Bool {
            switch self {
            case .get: true
            case .post, .put, .patch, .delete: false
            }
        }
    }

    /// The body of a successful answer.
    package enum AnswerBody: Sendable {
        /// A JSON object. Any other body is unreadable.
        case object
        /// Bytes of any media type. An empty body is unreadable.
        case bytes
        /// A file that begins with these bytes, which is passed on in pieces. Other answers are read whole, as errors.
        case file(beginning: String)
        /// Nothing, or an object that need not be there: 201, 204 or an empty 200.
        case none
    }

    /// Reads the successful answer to a read of one account. Throws `unreadable`.
    package typealias ReadAnswer = @Sendable (ZoomAnswer, Logger) throws(ZoomFailure) -> SourceAnswer

    /// Translates a failure that has a special meaning for this operation; `nil` for all others, which
    /// `ZoomFailure.billingFailure` translates.
    package typealias Interpret = @Sendable (ZoomFailure, AccountRead) -> BillingFailure?

    package let operation: Operation
    package let method: Method

    package let pathTemplate: PathTemplate

    package let rateLabel: ZoomRateLabel

    /// The app needs any one of these. Classic scopes come first: an app has either classic or granular scopes (Zoom: OAuth
    /// scopes).
    package let scopes: [String]

    package let answerBody: AnswerBody

    /// The largest answer that is accepted, before and after decompression, unless `ZoomConfiguration.answerBytesMax`
    /// overrides it. A file that is passed on in pieces has no limit.
    package let answerBytesMax: Int

    let readAnswer: ReadAnswer
    let interpret: Interpret

    /// - Parameter answerBytesMax: The default suits answers with thousands of entries of some 200 bytes, such as plans and the
    ///   items of invoices.
    package init(
        _ operation: Operation, _ method: Method, _ pathTemplate: PathTemplate, rateLabel: ZoomRateLabel,
        scopes: [String],
        answerBody: AnswerBody, answerBytesMax: Int = 4 << 20, interpret: @escaping Interpret = { _, _ in nil },
        readAnswer: @escaping ReadAnswer = { answer, _ throws(ZoomFailure) in .document(try answer.document()) }
    ) {
        self.operation = operation
        self.method = method
        self.pathTemplate = pathTemplate
        self.rateLabel = rateLabel
        self.scopes = scopes
        self.answerBody = answerBody
        self.answerBytesMax = answerBytesMax
        self.interpret = interpret
        self.readAnswer = readAnswer
    }

    package func isPermitted(by granted: Set<String>) -> Bool { scopes.contains(where: granted.contains) }
}

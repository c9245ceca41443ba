import Domain
import Synchronization

/// The sending of one write: it calls `willSend` before the request leaves, and records whether the request may have left.
final class WriteSending: Sendable {
    private let willSend: @Sendable () async throws(BillingFailure) -> Void
    private let lastTrackingID = Mutex<String?>(nil)
    private let mark = SendMark()

    /// Longer values are not Zoom's, and would only fill the logs.
    private static let trackingIDLengthMax = 128

    init(willSend: @escaping @Sendable () async throws(BillingFailure) -> Void) {
        self.willSend = willSend
    }

    var mayHaveLeft: Bool { mark.mayHaveLeft }

    /// Zoom's identifier of the last exchange.
    var trackingID: String? { lastTrackingID.withLock { $0 } }

    /// Calls `willSend`, and marks the message.
    ///
    /// - Throws: `stopped` if it must not leave.
    func prepare(_ message: ClientRequest) async throws(ZoomFailure) -> ClientRequest {
        do throws(BillingFailure) {
            try await willSend()
        } catch {
            throw .stopped(error)
        }
        var message = message
        message.sendMark = mark
        return message
    }

    func record(_ response: ClientResponse) {
        guard let text = response.fields.string(.trackingID), text.utf8.count <= Self.trackingIDLengthMax,
            text.utf8.allSatisfy(\.isASCIIVisible)
        else { return }
        lastTrackingID.withLock { $0 = text }
    }
}

extension FieldName {
    /// Zoom's identifier of an exchange, which its support asks for.
    fileprivate static let trackingID = FieldName("x-zm-trackingid")
}

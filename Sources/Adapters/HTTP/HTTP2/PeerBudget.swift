package import NIOCore

/// What one HTTP/2 peer may do that costs us and is worth nothing, as buckets that fill again with time. A value: told of
/// each event and when it was, it says *go on* or *cut off, because*.
///
/// nghttp2 counts such things too, but only while they are inside it, and later than is good for us.
package struct PeerBudget {
    /// Why a peer is cut off.
    package enum Reason: Sendable, Equatable, CaseIterable {
        /// Streams opened and reset at once (CVE-2023-44487).
        case resets
        /// Streams that made us reset them (CVE-2025-8671).
        case streamErrors
        /// PING, SETTINGS and PRIORITY, each of which is answered or kept (CVE-2019-9512, -9513, -9515).
        case controlFrames
        /// DATA without a byte of it (CVE-2019-9518).
        case emptyData
        /// Windows opened by a little at a time (CVE-2019-9511).
        case windowUpdates
    }

    package enum Verdict: Equatable {
        case goOn
        case cutOff(Reason)
    }

    private var resets: RateBucket
    private var streamErrors: RateBucket
    private var controlFrames: RateBucket
    private let emptyDataMax: Int
    private var emptyDataInARow = 0
    private let windowUpdatesSpare: Int
    private var windowUpdates = 0
    private var dataFramesSent = 0

    /// Window updates that each DATA frame of ours may be answered with: two are usual, one for the stream and one for
    /// the connection.
    private static let windowUpdatesPerDataFrame = 10

    package init(limits: Limits, now: NIODeadline) {
        resets = RateBucket(limits.resets, now: now)
        streamErrors = RateBucket(limits.streamErrors, now: now)
        controlFrames = RateBucket(limits.controlFrames, now: now)
        emptyDataMax = limits.emptyDataFramesMax
        windowUpdatesSpare = limits.windowUpdatesSpare
    }

    // MARK: Events

    package mutating func resetReceived(at now: NIODeadline) -> Verdict {
        resets.take(at: now) ? .goOn : .cutOff(.resets)
    }

    /// An answer was sent to its end. Balancers pass on the cancels of many clients: what is served earns half a reset.
    package mutating func answerCompleted() {
        resets.giveBack(0.5)
    }

    /// We had to reset a stream for what the peer did on it.
    package mutating func resetSent(at now: NIODeadline) -> Verdict {
        streamErrors.take(at: now) ? .goOn : .cutOff(.streamErrors)
    }

    package mutating func controlFrameReceived(at now: NIODeadline) -> Verdict {
        controlFrames.take(at: now) ? .goOn : .cutOff(.controlFrames)
    }

    /// - Parameter count: Bytes of it, padding left out.
    package mutating func dataReceived(count: Int, endsStream: Bool) -> Verdict {
        guard count == 0, !endsStream else {
            emptyDataInARow = 0
            return .goOn
        }
        emptyDataInARow += 1
        return emptyDataInARow <= emptyDataMax ? .goOn : .cutOff(.emptyData)
    }

    package mutating func windowUpdateReceived() -> Verdict {
        windowUpdates += 1
        let allowed = windowUpdatesSpare + dataFramesSent * Self.windowUpdatesPerDataFrame
        return windowUpdates <= allowed ? .goOn : .cutOff(.windowUpdates)
    }

    package mutating func dataSent() {
        dataFramesSent += 1
    }
}

package import NIOCore

/// What one HTTP/2 peer may do that costs us and is worth nothing, as buckets that fill again with time. A value: told of
/// each event and when it was, it says *go on* or *cut off, because*.
///
/// nghttp2 counts such things too, but only while they are inside it, and later than is good for us.
package struct PeerBudget {
    package enum Verdict: Equatable {
        case goOn
        case cutOff(Defence)
    }

    private var resets: TokenBucket
    private var streamErrors: TokenBucket
    private var controlFrames: TokenBucket
    private let emptyDataMax: Int
    private var emptyDataInARow = 0
    private var windowUpdatesLeft: Int
    private var dataBytesUncounted = 0
    private var overhead: Overhead
    private let queuedFramesMax: Int

    /// Window updates for each KiB that was sent, and for the end of each answer: two are usual, one for the stream and one
    /// for the connection.
    private static let windowUpdatesEarned = 10
    private static let earningBytes = 1024

    package init(limits: Limits, now: NIODeadline) {
        resets = TokenBucket(limits.resets, now: now)
        streamErrors = TokenBucket(limits.streamErrors, now: now)
        controlFrames = TokenBucket(limits.controlFrames, now: now)
        emptyDataMax = limits.emptyDataFramesMax
        windowUpdatesLeft = limits.windowUpdatesSpare
        overhead = Overhead(spareBytes: limits.overheadBytesMax)
        queuedFramesMax = limits.queuedFramesMax
    }

    // MARK: Events

    package mutating func resetReceived(at now: NIODeadline) -> Verdict {
        resets.take(at: now) ? .goOn : .cutOff(.resets)
    }

    /// An answer was sent to its end. Balancers pass on the cancels of many clients: what is served earns half a reset.
    package mutating func answerCompleted() {
        resets.giveBack(0.5)
        windowUpdatesLeft += Self.windowUpdatesEarned
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
        overhead.wasUseful(count)
        guard count == 0, !endsStream else {
            emptyDataInARow = 0
            return .goOn
        }
        emptyDataInARow += 1
        return emptyDataInARow <= emptyDataMax ? .goOn : .cutOff(.emptyData)
    }

    /// Fields of a section that was asked for, by their size in RFC 9113, 6.5.2.
    package mutating func fieldsReceived(bytes: Int) {
        overhead.wasUseful(bytes)
    }

    package mutating func windowUpdateReceived() -> Verdict {
        windowUpdatesLeft -= 1
        return windowUpdatesLeft >= 0 ? .goOn : .cutOff(.windowUpdates)
    }

    package mutating func dataSent(bytes: Int) {
        overhead.wasUseful(bytes)
        // By bytes and not by frames: a window opened by one byte at a time must not pay for itself.
        dataBytesUncounted += bytes
        windowUpdatesLeft += dataBytesUncounted / Self.earningBytes * Self.windowUpdatesEarned
        dataBytesUncounted %= Self.earningBytes
    }

    /// A read event was taken in whole.
    ///
    /// - Parameters:
    ///   - bytes: Of the event, frames nobody knows and padding included.
    ///   - queuedFrames: Frames of ours that wait to be serialised.
    package mutating func taken(bytes: Int, queuedFrames: Int) -> Verdict {
        overhead.took(bytes)
        if queuedFrames > queuedFramesMax { return .cutOff(.unreadAnswers) }
        return overhead.isExcessive ? .cutOff(.overhead) : .goOn
    }
}

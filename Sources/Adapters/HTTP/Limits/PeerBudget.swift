package import NIOCore

/// Rate limits for frames of one HTTP/2 peer that cost work without carrying data. A value: each event returns whether
/// to continue or to close the connection.
///
/// nghttp2 has similar limits, but they are higher and cover only its own queues.
package struct PeerBudget {
    package enum Verdict: Equatable {
        case proceed
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

    /// WINDOW_UPDATE frames allowed per KiB sent and per completed response. Usual are two: for the stream and for the
    /// connection.
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
        resets.take(at: now) ? .proceed : .cutOff(.resets)
    }

    /// A response was sent completely, which refunds half a reset: balancers forward the cancellations of many clients.
    package mutating func responseCompleted() {
        resets.refund(0.5)
        windowUpdatesLeft += Self.windowUpdatesEarned
    }

    /// A stream was reset because of an error of the peer.
    package mutating func resetSent(at now: NIODeadline) -> Verdict {
        streamErrors.take(at: now) ? .proceed : .cutOff(.streamErrors)
    }

    package mutating func controlFrameReceived(at now: NIODeadline) -> Verdict {
        controlFrames.take(at: now) ? .proceed : .cutOff(.controlFrames)
    }

    /// - Parameter count: The payload size without padding.
    package mutating func dataReceived(count: Int, endsStream: Bool) -> Verdict {
        overhead.carriedPayload(count)
        guard count == 0, !endsStream else {
            emptyDataInARow = 0
            return .proceed
        }
        emptyDataInARow += 1
        return emptyDataInARow <= emptyDataMax ? .proceed : .cutOff(.emptyData)
    }

    /// - Parameter bytes: The size of the section as defined by RFC 9113, 6.5.2.
    package mutating func fieldsReceived(bytes: Int) {
        overhead.carriedPayload(bytes)
    }

    package mutating func windowUpdateReceived() -> Verdict {
        windowUpdatesLeft -= 1
        return windowUpdatesLeft >= 0 ? .proceed : .cutOff(.windowUpdates)
    }

    package mutating func dataSent(bytes: Int) {
        overhead.carriedPayload(bytes)
        // Counted in bytes, not frames: otherwise window updates of one byte would earn new ones.
        dataBytesUncounted += bytes
        windowUpdatesLeft += dataBytesUncounted / Self.earningBytes * Self.windowUpdatesEarned
        dataBytesUncounted %= Self.earningBytes
    }

    /// One read was processed.
    ///
    /// - Parameters:
    ///   - bytes: The size of the read, including unknown frames and padding.
    ///   - queuedFrames: The number of queued outbound frames.
    package mutating func taken(bytes: Int, queuedFrames: Int) -> Verdict {
        overhead.received(bytes)
        if queuedFrames > queuedFramesMax { return .cutOff(.unreadAnswers) }
        return overhead.isExcessive ? .cutOff(.overhead) : .proceed
    }
}

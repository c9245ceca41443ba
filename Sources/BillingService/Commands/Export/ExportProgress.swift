import Adapters
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Reports the progress of an export on standard error, also while nothing arrives.
final class ExportProgress: Sendable {
    /// Why no account arrives.
    enum Wait: Equatable, Sendable {
        /// The service has not answered.
        case service
        case accountList
        /// The service waits for Zoom, in the words of its `heartbeat` line.
        case zoom(String)
        /// A write takes longer than usual.
        case writing
        /// An attempt has failed, and is repeated. `until` is the time before which it cannot succeed, in seconds since 1970.
        case retry(reason: String, until: Int?)
    }

    private struct State {
        var done: Int
        var total: Int?
        var failures = 0
        var wait: Wait? = .service
        var lastAccount = ContinuousClock.now
        var writingSince: ContinuousClock.Instant?
        var rate = ProgressRate()
    }

    private let state: Mutex<State>
    private let display: TerminalDisplay

    /// Where the lines are written, for messages.
    private let output: String

    /// Whether a request to Zoom waits for its rate limit; nil if only the lines of the stream say so.
    private let isRateLimited: (@Sendable () -> Bool)?

    /// The time without an account, or in one write, after which that is shown.
    private static let noticeDelay = Duration.seconds(2)

    /// - Parameter done: The number of accounts that an earlier run has written.
    init(
        done: Int, total: Int?, output: String, isRateLimited: (@Sendable () -> Bool)?, _ display: TerminalDisplay
    ) {
        self.isRateLimited = isRateLimited
        self.display = display
        self.output = output
        state = Mutex(State(done: done, total: total))
    }

    /// - Parameter received: Accounts that have arrived, and are not written yet.
    func report(_ position: ExportCheckpoint, received: Int = 0, total: Int?) {
        state.withLock { state in
            let done = min(position.taken + received, total ?? .max)
            if done > state.done {
                state.lastAccount = .now
                state.wait = nil
            }
            (state.done, state.failures) = (done, position.failureCount)
            if let total { state.total = total }
        }
    }

    /// - Parameter wait: nil if accounts arrive.
    func waits(for wait: Wait?) {
        state.withLock { $0.wait = wait }
    }

    func beginsWriting() {
        state.withLock { $0.writingSince = .now }
    }

    func endsWriting() {
        state.withLock { $0.writingSince = nil }
    }

    /// Reports until the task is cancelled.
    func run() async {
        var bar = ProgressBar(display)
        sample()
        if bar.isRedrawn { draw(&bar) }
        // The rate needs samples also between the lines in a pipe.
        let step = min(bar.interval, .seconds(1))
        var elapsed = Duration.zero
        while (try? await Task.sleep(for: step)) != nil {
            sample()
            elapsed += step
            guard elapsed >= bar.interval else { continue }
            elapsed = .zero
            draw(&bar)
        }
        bar.end()
    }

    private func sample() {
        state.withLock { $0.rate.add($0.done, at: .now) }
    }

    private func draw(_ bar: inout ProgressBar) {
        let (share, texts) = state.withLock { state -> (Double, [ProgressBar.Part]) in
            let now = ContinuousClock.now
            let share = state.total.map { $0 > 0 ? Double(state.done) / Double($0) : 1 } ?? 0
            return (share, parts(state, at: now))
        }
        bar.draw(share: share, texts)
    }

    private func parts(_ state: State, at now: ContinuousClock.Instant) -> [ProgressBar.Part] {
        var parts = [
            state.total.map { .init("\(state.done) of \($0) accounts", short: "\(state.done)/\($0)") }
                ?? ProgressBar.Part("\(state.done) accounts")
        ]
        if let wait = text(of: state, at: now) { parts.append(wait) }
        let failures = ProgressBar.Part(
            state.failures == 1 ? "1 failure" : "\(state.failures) failures", short: "\(state.failures) failed")
        if state.failures > 0 { parts.append(failures) }
        let rate = state.rate.perSecond
        if let total = state.total, rate > 0, state.done < total, !isBeforeRetry(state) {
            parts.append(.init(ProgressBar.duration(Double(total - state.done) / rate) + " left"))
        }
        let number = rate >= 10 || rate == 0 ? "\(Int(rate))" : "\(Double(Int(rate * 10)) / 10)"
        parts.append(.init("\(number) per second", short: "\(number)/s"))
        if state.failures == 0 { parts.append(failures) }
        return parts
    }

    /// Whether the rate says nothing about the time that is left.
    private func isBeforeRetry(_ state: State) -> Bool {
        if case .retry = state.wait { true } else { false }
    }

    private func text(of state: State, at now: ContinuousClock.Instant) -> ProgressBar.Part? {
        if let since = state.writingSince, now - since >= Self.noticeDelay { return text(of: .writing) }
        switch state.wait {
        case .retry, .accountList, .service, .writing: break
        case .zoom, nil: if isRateLimited?() ?? false { return text(of: .zoom("zoom-rate-limit")) }
        }
        if let wait = state.wait { return text(of: wait) }
        return now - state.lastAccount >= Self.noticeDelay ? text(of: .service) : nil
    }

    private func text(of wait: Wait) -> ProgressBar.Part {
        switch wait {
        case .service: return .init("waiting for the service")
        case .accountList: return .init("waiting for Zoom's list of accounts", short: "listing accounts")
        case .zoom("zoom-rate-limit"): return .init("waiting for Zoom's rate limit", short: "rate limit")
        case .zoom("zoom-account-list"): return text(of: .accountList)
        case .zoom: return .init("waiting for Zoom")
        case .writing:
            return output == "-"
                ? .init("waiting for the reader of the output", short: "slow reader")
                : .init("waiting for the disk", short: "slow disk")
        case .retry(let reason, let until):
            guard let until else { return .init(reason, short: DisplayWidth.truncated(reason, columnsMax: 30)) }
            let left = ProgressBar.duration(Double(max(0, until - time(nil))))
            return .init(
                "\(reason), possible again at \(LocalTime.text(of: until)), in \(left)",
                short: "possible again at \(LocalTime.text(of: until))")
        }
    }
}

/// The rate of the last half minute.
struct ProgressRate {
    private static let period = Duration.seconds(30)
    private static let samplesMax = 60

    private var samples: [(time: ContinuousClock.Instant, done: Int)] = []

    /// - Parameter time: After the times of all earlier calls.
    mutating func add(_ done: Int, at time: ContinuousClock.Instant) {
        // The time before the first account says nothing about the rate.
        if let only = samples.last, samples.count == 1, only.done == done { samples = [] }
        if let last = samples.dropLast().last, time - last.time < Self.period / Self.samplesMax { samples.removeLast() }
        samples.append((time, done))
        // Keep one sample that is older, for the whole period.
        while samples.count > 2, time - samples[1].time >= Self.period { samples.removeFirst() }
    }

    var perSecond: Double {
        guard let first = samples.first, let last = samples.last, last.time > first.time else { return 0 }
        return max(0, Double(last.done - first.done) / ((last.time - first.time) / .seconds(1)))
    }
}

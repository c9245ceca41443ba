/// Reports the progress of an export on standard error.
struct ExportProgress {
    private var bar: ProgressBar
    private let start = ContinuousClock.now
    private let startedAt: Int

    /// - Parameter done: The number of accounts that an earlier run has written.
    init(done: Int, terminal: String?) {
        startedAt = done
        bar = ProgressBar(terminal: terminal)
    }

    mutating func report(done: Int, total: Int?, failures: Int, waiting: String? = nil) {
        let share = total.map { $0 > 0 ? Double(done) / Double($0) : 1 } ?? 0
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let rate = seconds > 0 ? Double(done - startedAt) / seconds : 0
        bar.report(share: share) {
            var parts = [total.map { "\(done) of \($0) accounts" } ?? "\(done) accounts"]
            if let waiting { parts.append(waiting) }
            parts += ["\(Int(rate)) per second", "\(failures) failures"]
            if let total, rate > 0 { parts.append("\(ProgressBar.duration(Double(total - done) / rate)) left") }
            return parts
        }
    }

    func end() {
        bar.end()
    }
}

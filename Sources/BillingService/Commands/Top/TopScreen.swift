import Adapters

#if canImport(Glibc)
    import Glibc
#endif

/// `top` on a terminal.
struct TopScreen {
    private enum Event: Sendable {
        case terminal(TerminalEvents.Event)
        case reading(StatusReading)
    }

    private let source: StatusSource
    private let url: String
    private let interval: Duration
    private let display: TerminalDisplay

    init(_ source: StatusSource, url: String, interval: Duration, _ display: TerminalDisplay) {
        self.source = source
        self.url = url
        self.interval = interval
        self.display = display
    }

    /// Returns when the user ends it. The terminal is restored then, and also after an error.
    func run() async throws {
        let (events, continuation) = AsyncStream<Event>.makeStream(bufferingPolicy: .bufferingNewest(100))
        let keys = TerminalKeys()
        let terminal = await TerminalEvents(readsKeys: keys.areAvailable) { continuation.yield(.terminal($0)) }
        var screen = TerminalScreen()
        keys.begin()
        defer {
            screen.leave()
            keys.end()
            terminal.end()
        }
        try screen.enter()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { [source, interval] in
                while !Task.isCancelled {
                    continuation.yield(.reading(await source.read()))
                    try? await Task.sleep(for: interval)
                }
            }
            defer { group.cancelAll() }
            try await show(events, on: &screen, keys)
        }
    }

    private func show(_ events: AsyncStream<Event>, on screen: inout TerminalScreen, _ keys: TerminalKeys) async throws
    {
        var report = TopReport(url: url)
        try draw(report, on: &screen)
        for await event in events {
            switch event {
            case .reading(.status(let status, text: _)): report.received(status)
            case .reading(.away(let problem)): report.failed(problem.description, at: time(nil))
            case .reading(.refused(let problem)): throw problem
            case .terminal(.key(UInt8(ascii: "q"))), .terminal(.key(UInt8(ascii: "Q"))), .terminal(.ended): return
            // Ctrl-L redraws everything, as in other programs.
            case .terminal(.key(0x0C)): screen.forget()
            case .terminal(.key): continue
            case .terminal(.resized): break
            case .terminal(.suspended):
                screen.leave()
                keys.end()
                // Returns after SIGCONT.
                kill(getpid(), SIGSTOP)
                continue
            case .terminal(.continued):
                keys.begin()
                try screen.enter()
            }
            try draw(report, on: &screen)
        }
    }

    private func draw(_ report: TopReport, on screen: inout TerminalScreen) throws(OutputProblem) {
        guard let size = display.size else { return }
        try screen.draw(
            report.lines(columns: size.columns, rows: size.rows, hasColors: display.hasColors), size)
    }
}

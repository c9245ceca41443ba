import Dispatch

#if canImport(Glibc)
    import Glibc
#endif

/// What the user of a terminal does: keys, and the signals of the terminal and the shell.
struct TerminalEvents {
    enum Event: Sendable {
        /// A byte of the keyboard.
        case key(UInt8)
        case resized
        /// SIGTSTP: the shell wants the terminal.
        case suspended
        /// SIGCONT, also after SIGSTOP, which no program can notice.
        case continued
        /// SIGINT, SIGTERM, SIGQUIT or SIGHUP, or the terminal is gone.
        case ended
    }

    /// Keys that one read returns.
    private static let keysMax = 64

    // Sources end when they are released.
    private let sources: [any DispatchSourceProtocol]

    /// Returns when all signals are handled. Before that, a signal has its default action, such as to end the program.
    ///
    /// - Parameters:
    ///   - readsKeys: Whether standard input is a terminal.
    ///   - handle: Called for each event, one at a time.
    init(readsKeys: Bool, _ handle: @escaping @Sendable (Event) -> Void) async {
        let queue = DispatchQueue(label: "terminal")
        let signals: [(CInt, Event)] = [
            (SIGWINCH, .resized), (SIGTSTP, .suspended), (SIGCONT, .continued), (SIGINT, .ended), (SIGTERM, .ended),
            (SIGQUIT, .ended), (SIGHUP, .ended),
        ]
        var sources: [any DispatchSourceProtocol] = signals.map { signal, event in
            let source = DispatchSource.makeSignalSource(signal: signal, queue: queue)
            source.setEventHandler { handle(event) }
            return source
        }
        if readsKeys {
            let source = DispatchSource.makeReadSource(fileDescriptor: STDIN_FILENO, queue: queue)
            source.setEventHandler {
                var keys = [UInt8](repeating: 0, count: Self.keysMax)
                let count = read(STDIN_FILENO, &keys, keys.count)
                // The terminal is gone.
                if count == 0 || count < 0 && ![EINTR, EAGAIN].contains(errno) { handle(.ended) }
                for key in keys.prefix(max(0, count)) { handle(.key(key)) }
            }
            sources.append(source)
        }
        self.sources = sources
        for source in sources {
            // A source is registered some time after its activation.
            await withCheckedContinuation { registered in
                source.setRegistrationHandler { registered.resume() }
                source.activate()
            }
        }
    }

    func end() {
        for source in sources { source.cancel() }
    }
}

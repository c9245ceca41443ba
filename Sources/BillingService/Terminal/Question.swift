import NIOPosix

#if canImport(Glibc)
    import Glibc
#endif

/// A question on the terminal, to be answered with yes or no.
enum Question {
    /// Whether standard input and standard error are a terminal. Users must see what they answer.
    static var canBeAsked: Bool { isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 }

    /// Longer than any answer. A terminal returns one line per read.
    private static let answerBytesMax = 4096

    /// Writes the question to standard error, and reads a line from the terminal.
    ///
    /// - Returns: Whether the answer is `y` or `yes`, in any case. False at the end of input, if the task is cancelled, and if
    ///   the question cannot be written.
    static func ask(_ text: String) async -> Bool {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { return false }
        let (cancelled, cancel) = (ends[0], ends[1])
        defer {
            close(cancelled)
            close(cancel)
        }
        // Text that was typed before the question is no answer to it.
        tcflush(STDIN_FILENO, TCIFLUSH)
        guard Output.writeError(text + " [y/N] ") else { return false }
        let answer = await withTaskCancellationHandler {
            try? await NIOThreadPool.singleton.runIfActive { readLine(unlessReadable: cancelled) }
        } onCancel: {
            _ = write(cancel, [1], 1)
        }
        guard let line = answer else {
            // The cursor is still on the line of the question.
            Output.writeError("\n")
            return false
        }
        return ["y", "yes"].contains(line.withoutWhitespaceAround.lowercased())
    }

    /// Blocks until a line is typed.
    ///
    /// - Parameter cancelled: A descriptor that becomes readable when the wait shall end.
    /// - Returns: nil at the end of input, and if the wait was ended.
    private static func readLine(unlessReadable cancelled: CInt) -> String? {
        var ready = [
            pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
            pollfd(fd: cancelled, events: Int16(POLLIN), revents: 0),
        ]
        while true {
            guard poll(&ready, nfds_t(ready.count), -1) > 0 else {
                guard errno == EINTR else { return nil }
                continue
            }
            if ready[1].revents != 0 { return nil }
            var bytes = [UInt8](repeating: 0, count: answerBytesMax)
            let count = read(STDIN_FILENO, &bytes, bytes.count)
            if count < 0, [EINTR, EAGAIN].contains(errno) { continue }
            guard count > 0 else { return nil }
            return String(decoding: bytes.prefix(count), as: UTF8.self)
        }
    }
}

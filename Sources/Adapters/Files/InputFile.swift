#if canImport(Glibc)
    import Glibc
#endif

/// A file that is read once: a regular file, a pipe (`<(…)`), a device, or standard input.
package enum InputFile {
    /// Reads to the end, which a pipe has when its last writer has closed it. Blocks meanwhile.
    ///
    /// - Parameters:
    ///   - path: `-` and `/dev/stdin` are standard input.
    ///   - bytesMax: A larger file is refused.
    package static func read(_ path: String, bytesMax: Int) throws(FileProblem) -> [UInt8] {
        // Opening /dev/stdin anew fails for a socket, and for a file that only the caller of sudo may open.
        if path == "-" || path == "/dev/stdin" {
            return try read(STDIN_FILENO, of: "standard input", bytesMax: bytesMax)
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileProblem(path: path, code: errno) }
        defer { close(descriptor) }
        return try read(descriptor, of: path, bytesMax: bytesMax)
    }

    /// Whether it is a regular file, which can be read again when it changes.
    package static func isRegular(_ path: String) -> Bool {
        var status = stat()
        return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    private static func read(_ descriptor: CInt, of path: String, bytesMax: Int) throws(FileProblem) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0 {
                switch errno {
                case EINTR: continue
                case EAGAIN:
                    // Another program that shares this pipe has made it non-blocking.
                    var readiness = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
                    poll(&readiness, 1, -1)
                    continue
                case let code: throw FileProblem(path: path, code: code)
                }
            }
            guard count > 0 else { return bytes }
            guard bytes.count + count <= bytesMax else {
                throw FileProblem(path: path, reason: "larger than \(bytesMax) bytes")
            }
            bytes.append(contentsOf: chunk[..<count])
        }
    }
}

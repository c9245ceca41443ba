#if canImport(Glibc)
    import Glibc
#endif

/// Reads a file once: a regular file, a pipe (`<(…)`) or a device (`/dev/stdin`).
package enum InputFile {
    /// Reads to the end of the file. Blocks; a pipe ends when its last writer closes it.
    ///
    /// - Parameters:
    ///   - path: `-` and `/dev/stdin` mean standard input.
    ///   - bytesMax: Larger files are refused.
    package static func read(_ path: String, bytesMax: Int) throws(FileProblem) -> [UInt8] {
        // Reopening /dev/stdin fails for a socket, and under sudo for a file that only the invoking user may open.
        if path == "-" || path == "/dev/stdin" {
            return try read(STDIN_FILENO, of: "standard input", bytesMax: bytesMax)
        }
        let descriptor = open(SystemText.cString(of: path), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileProblem(path: path, code: errno) }
        defer { close(descriptor) }
        return try read(descriptor, of: path, bytesMax: bytesMax)
    }

    /// Whether it is a regular file, which can be reloaded.
    package static func isRegular(_ path: String) -> Bool {
        var status = stat()
        return stat(SystemText.cString(of: path), &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }

    /// Reads from a descriptor to the end.
    ///
    /// - Parameter sizeHint: Bytes to reserve. Growing the array would leave a copy of a secret in freed memory.
    static func read(
        _ descriptor: CInt, of path: String, sizeHint: Int = 0, bytesMax: Int
    ) throws(FileProblem) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(max(0, sizeHint), bytesMax) + 1)
        var chunk = [UInt8](repeating: 0, count: 65_536)
        defer { cleanse(&chunk) }
        while bytes.count <= bytesMax {
            let count = Glibc.read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw FileProblem(path: path, code: errno) }
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
        }
        cleanse(&bytes)
        throw FileProblem(path: path, reason: "larger than \(bytesMax) bytes")
    }
}

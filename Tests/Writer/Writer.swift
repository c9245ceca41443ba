import Adapters
import Foundation

/// Writes a private file repeatedly until a test kills the program.
///
///     Writer PATH
///
/// Each version is a number, repeated on 400 lines so that a write takes long enough to be interrupted. The number of
/// each completed version is printed on standard output; from then on it must not be lost.
@main
enum Writer {
    private static let lines = 400

    static func main() throws {
        let file = PrivateFile(path: CommandLine.arguments[1])
        while true {
            var number = 0
            try file.update { bytes throws(FileProblem) in
                number = (try version(of: bytes ?? [], path: file.path)) + 1
                return Array(String(repeating: "\(number)\n", count: lines).utf8)
            }
            try FileHandle.standardOutput.write(contentsOf: Data("\(number)\n".utf8))
        }
    }

    private static func version(of bytes: [UInt8], path: String) throws(FileProblem) -> Int {
        let found = bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        guard let first = found.first else { return 0 }
        guard found.count == lines, found.allSatisfy({ $0 == first }), let number = Int(first) else {
            throw FileProblem(path: path, reason: "torn: \(found.count) lines of \(Set(found))")
        }
        return number
    }
}

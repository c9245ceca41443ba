/// A file cannot be used. Says which and why, and never what is in it.
package struct FileProblem: Error, CustomStringConvertible {
    package let path: String
    package let reason: String

    package var description: String { "\(path): \(reason)" }
}

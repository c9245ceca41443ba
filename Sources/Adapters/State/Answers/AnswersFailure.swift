/// Why the answers file could not do something.
enum AnswersFailure: Error, Equatable, CustomStringConvertible {
    /// Why a file is set aside. The raw values are the label of a metric.
    enum Unusable: String, CaseIterable, Sendable {
        case damaged
        case foreign
        /// Some rows are encrypted with a key that the service does not have.
        case wronglyKeyed = "wrongly-keyed"
        case newer
    }

    /// The file cannot be used: set it aside and create a new one.
    case unusable(Unusable, String)
    /// Another file, or none, is at the path of the opened file.
    case replaced
    /// The answers are those of other master accounts, or of a sandbox.
    case otherSource
    case sqlite(SQLiteFailure)
    case problem(FileProblem)

    /// Damage that SQLite found is a reason to set the file aside.
    init(_ failure: SQLiteFailure) {
        switch failure.kind {
        case .damaged: self = .unusable(.damaged, failure.reason)
        case .foreign: self = .unusable(.foreign, failure.reason)
        case .locked, .full, .readOnly, .failed:
            // The statements are fixed, so that one fails only if the tables are not what they were.
            self = failure.isOfStatement ? .unusable(.damaged, failure.reason) : .sqlite(failure)
        }
    }

    static func damaged(_ reason: String) -> AnswersFailure { .unusable(.damaged, reason) }

    var description: String {
        switch self {
        case .unusable(_, let reason): reason
        case .replaced: "the file was removed or replaced"
        case .otherSource: "its answers are those of other master accounts"
        case .sqlite(let failure):
            switch failure.kind {
            case .full: "no space left"
            case .readOnly: "it cannot be written"
            case .locked: "another program has held its lock for too long"
            case .foreign, .damaged, .failed: failure.reason
            }
        case .problem(let problem): problem.description
        }
    }
}

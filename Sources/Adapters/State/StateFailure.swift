/// Why the state file could not do something.
enum StateFailure: Error, Equatable, CustomStringConvertible {
    case sqlite(SQLiteFailure)
    /// Another file, or none, is at the path of the opened file. What is written now would be lost with the process.
    case replaced
    /// A row has a value that this version does not write.
    case unreadable(column: String)
    /// The claim is not the current one of its key, or not in the state that the call needs.
    case claimLost
    /// Too many calls wait for the disk.
    case overloaded
    /// The store was closed.
    case closed

    /// The label of metrics.
    var kind: String {
        switch self {
        case .sqlite(let failure): failure.kind.rawValue
        case .replaced: "replaced"
        case .unreadable: "unreadable"
        case .claimLost: "claim-lost"
        case .overloaded: "overloaded"
        case .closed: "closed"
        }
    }

    /// Whether the failure concerns the file, and not one call.
    var concernsFile: Bool {
        switch self {
        case .sqlite, .replaced, .unreadable: true
        case .claimLost, .overloaded, .closed: false
        }
    }

    var description: String {
        switch self {
        case .sqlite(let failure): failure.reason
        case .replaced: "the file was removed or replaced"
        case .unreadable(let column): "a row has an unknown value in the column \(column)"
        case .claimLost: "the claim was lost"
        case .overloaded: "too many calls wait for the disk"
        case .closed: "the store is closed"
        }
    }
}

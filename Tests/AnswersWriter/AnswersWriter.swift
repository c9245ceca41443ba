import Adapters
import Domain
import Foundation
import Logging

/// Changes random pages and stores them, until a test kills the program.
///
///     AnswersWriter STATE-FILE [KEY]
///
/// `restored N PAGES` is printed after the start, with the number of the newest change that was restored. `stored N` is printed
/// when all changes up to `N` have been written, and `failed REASON` when the file fails.
@main
enum AnswersWriter {
    static func main() throws {
        let arguments = CommandLine.arguments
        let keys = arguments.count > 2 ? SealingKey(hexadecimal: arguments[2]).map { SealingKeys.given($0) } : nil
        let pages = ChangingPages()
        let time = SystemTime()
        var rules = AnswersStore.Rules()
        rules.writeInterval = .milliseconds(2)
        let store = AnswersStore(
            stateFile: PrivateFile(path: arguments[1]), keys: keys ?? .none, pages: pages, rules: rules, time: time,
            logger: Logger(label: "answers-writer"))
        var isRestored = false
        var stored: Int64 = 0
        while true {
            switch store.step() {
            case .restore: _ = store.restore(changedAt: [:])
            case .wait: break
            }
            if !isRestored {
                guard store.isRestored else { continue }
                isRestored = true
                let (newest, count) = pages.restored
                stored = newest
                try say("restored \(newest) \(count)")
            }
            if let failure = store.failure { try say("failed \(failure)") }
            for _ in 0..<Int.random(in: 0...20) { pages.change() }
            let written = pages.written
            if written > stored {
                stored = written
                try say("stored \(written)")
            }
        }
    }

    /// Writes to the descriptor at once, without a buffer.
    private static func say(_ line: String) throws {
        try FileHandle.standardOutput.write(contentsOf: Data("\(line)\n".utf8))
    }
}

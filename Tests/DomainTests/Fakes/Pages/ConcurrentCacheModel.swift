import Domain
import Synchronization

/// Changes, lookups, streams, evictions and removals of all answers at once, on one cache.
///
/// The content of an account is a version that only grows. No request may see a version from before a change that had ended
/// when the request began, nor an older version than an earlier request of the same task.
package struct ConcurrentCacheModel: Sendable {
    /// The cache and the model differ.
    package struct Difference: Error, CustomStringConvertible {
        package let description: String
    }

    package struct Summary: Sendable {
        package var lookups = 0
        package var hits = 0
        package var lines = 0
        package var changes = 0
        package var evicted = 0
    }

    private let source = VersionedSource(accounts: 400)
    private let clock = TestClock()
    private let pages: AnswerPages
    private let cache: BillingCache
    private let list: AccountList

    package init() {
        var rules = CacheRules()
        rules.ttl = .seconds(20)
        // Room for two thirds of the answers, and for a few prepared ones.
        rules.bytesMax = 2_400_000
        pages = AnswerPages(rules: rules)
        cache = BillingCache(source: source, time: clock, rules: rules, codec: VersionedCodec(), pages: pages)
        list = AccountList(source.accounts)
    }

    /// - Parameters:
    ///   - tasks: The number of concurrent tasks.
    ///   - operations: The number of operations of each task.
    /// - Throws: `Difference`.
    package func run(tasks: Int, operations: Int, seed: UInt64) async throws -> Summary {
        let summary = try await withThrowingTaskGroup(of: Summary.self) { group in
            for task in 0..<tasks {
                group.addTask {
                    var worker = Worker(model: self, task: task, tasks: tasks, seed: seed + UInt64(task))
                    for _ in 0..<operations { try await worker.step() }
                    return worker.summary
                }
            }
            var sum = Summary()
            for try await part in group {
                sum.lookups += part.lookups
                sum.hits += part.hits
                sum.lines += part.lines
                sum.changes += part.changes
            }
            return sum
        }
        await cache.close()
        if let problem = pages.inspect().problems.first { throw Difference(description: problem) }
        var result = summary
        result.evicted = pages.evicted
        return result
    }

    private struct Worker {
        let model: ConcurrentCacheModel
        let task: Int
        let tasks: Int
        var random: SeededRandom
        var summary = Summary()

        /// The newest version that this task has seen, by account.
        var seen: [Int]

        init(model: ConcurrentCacheModel, task: Int, tasks: Int, seed: UInt64) {
            self.model = model
            self.task = task
            self.tasks = tasks
            random = SeededRandom(seed: seed)
            seen = Array(repeating: 0, count: model.source.accounts.count)
        }

        mutating func step() async throws {
            switch Int.random(in: 0..<5000, using: &random) {
            case 0..<3500: try await lookUp()
            case 3500..<4200: try stream()
            case 4200..<4700: await change()
            case 4700..<4998: model.clock.advance(by: .milliseconds(200))
            default: model.cache.removeAll()
            }
        }

        private mutating func randomPosition() -> Int {
            // Some accounts are looked up often.
            let count = model.source.accounts.count
            return Int.random(in: 0..<(Bool.random(using: &random) ? 20 : count), using: &random)
        }

        private mutating func lookUp() async throws {
            let position = randomPosition()
            let account = model.source.accounts[position]
            let oldest = model.source.oldestVisible(position)
            summary.lookups += 1
            let read = AccountRead.billingInformation(of: account)
            if let cached = model.cache.cached(read, under: nil, directives: .none, at: model.clock.now) {
                summary.hits += 1
                try check(cached, account, position, oldest)
                return
            }
            let entry = try await model.cache.entry(
                for: read, under: nil, for: Bool.random(using: &random) ? .interactive : .bulk, directives: .none)
            try check(entry, account, position, oldest)
        }

        private mutating func check(
            _ entry: CacheEntry, _ account: AccountID, _ position: Int, _ oldest: Int
        ) throws {
            guard let response = entry.response as? VersionedResponse else {
                throw Difference(description: "another response")
            }
            try check(response.account, response.version, account, position, oldest)
        }

        private mutating func check(
            _ found: AccountID, _ version: Int, _ account: AccountID, _ position: Int, _ oldest: Int
        ) throws {
            if found != account { throw Difference(description: "an answer of \(found) for \(account)") }
            if version < max(oldest, seen[position]) {
                throw Difference(
                    description: "version \(version) of \(account) after \(oldest), and \(seen[position]) seen")
            }
            seen[position] = version
        }

        /// Runs over a part of the list.
        private mutating func stream() throws {
            var position = randomPosition()
            let end = min(position + Int.random(in: 1...40, using: &random), model.list.count)
            var directives = CacheDirectives()
            if Bool.random(using: &random) { directives.maxStale = .seconds(10) }
            while position < end {
                let oldest = (position..<end).map { model.source.oldestVisible($0) }
                let run = model.cache.run(
                    of: .contact, under: nil, in: model.list, position..<end, directives: directives,
                    at: model.clock.now)
                guard case .answers(let run)? = run else {
                    position += 1
                    continue
                }
                for index in 0..<run.count {
                    let answer = run[index]
                    let found = VersionedCodec.account(answer.text, answer.body)
                    guard found == answer.account, let version = VersionedCodec.version(answer.body) else {
                        throw Difference(description: "a line of \(found) for \(answer.account)")
                    }
                    try check(found, version, model.list[position + index], position + index, oldest[index])
                }
                summary.lines += run.count
                position += run.count
            }
        }

        /// Changes an account that no other task changes.
        private mutating func change() async {
            let position = randomPosition() / tasks * tasks + task
            guard position < model.source.accounts.count else { return }
            let account = model.source.accounts[position]
            model.cache.changeBegan(account, invalidating: [.getBillingInformation])
            await Task.yield()
            model.source.change(position)
            if Bool.random(using: &random) { await Task.yield() }
            model.cache.changeEnded(account, invalidating: [.getBillingInformation])
            model.source.changeEnded(position)
            summary.changes += 1
        }
    }
}

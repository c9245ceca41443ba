import Adapters
import Domain
import DomainFakes
import Foundation
import Logging
import Testing

@Suite("Page writer", .timeLimit(.minutes(10)))
struct PageWriterTests {
    private static func writer(
        _ path: String, _ pages: FakePages, interval: Duration,
        lastChanges: @escaping @Sendable () async -> [AccountID: Int64]? = { [:] }
    ) -> PageWriter {
        var rules = AnswersStore.Rules()
        rules.writeInterval = interval
        let time = SystemTime()
        return PageWriter(
            AnswersStore(
                stateFile: PrivateFile(path: path), keys: .none, pages: pages, documents: pages, rules: rules,
                time: time, logger: .silent),
            time: time, lastChanges: lastChanges)
    }

    private static func put(_ pages: FakePages, _ number: Int64) {
        pages.put(number, "a\(number)", at: SystemTime().millisecondsSinceEpoch, "value")
    }

    @Test("changes are written behind the cache, and the last ones at the shutdown")
    func writes() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let pages = FakePages()
            Self.put(pages, 1)
            let writer = Self.writer(path, pages, interval: .milliseconds(100))
            try await withServices([writer]) {
                while try await pages.takes.next() == 0 {}
                Self.put(pages, 2)
                while try await pages.takes.next() == 0 {}
                Self.put(pages, 3)
            }
            #expect(await AnswersStoreTests.query(path, "SELECT number FROM pages ORDER BY number") == "1\n2\n3")
            let restored = FakePages()
            try await withServices([Self.writer(path, restored, interval: .milliseconds(100))]) {
                while restored.restored.count < 3 { _ = try await restored.takes.next() }
            }
            #expect(restored.pages == pages.pages)
        }
    }

    @Test("at the shutdown, changes of an interval that has not ended are written")
    func shutdown() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let pages = FakePages()
            try await withServices([Self.writer(path, pages, interval: .seconds(600))]) {
                _ = try await pages.takes.next()
                Self.put(pages, 1)
            }
            #expect(await AnswersStoreTests.query(path, "SELECT number FROM pages") == "1")
        }
    }

    @Test("the account lists are restored before the service answers, and the answers afterwards")
    func restoresListsFirst() async throws {
        try await withTemporaryFolder { folder async throws in
            let path = folder + "/state.db"
            let pages = FakePages()
            Self.put(pages, 1)
            pages.put(StoredDocument(name: "accounts", content: [1], asOf: SystemTime().millisecondsSinceEpoch))
            try await withServices([Self.writer(path, pages, interval: .seconds(600))]) {
                _ = try await pages.takes.next()
            }
            let restored = FakePages()
            let writer = Self.writer(path, restored, interval: .milliseconds(100))
            await writer.restoreLists()
            #expect(restored.documents == pages.documents && restored.pages.isEmpty)
            try await withServices([writer]) {
                while restored.restored.isEmpty { _ = try await restored.takes.next() }
            }
            #expect(restored.pages == pages.pages)
        }
    }

    @Test("a start continues without account lists while the last changes of accounts are unknown")
    func startWhileUnknown() async throws {
        try await withTemporaryFolder { folder async throws in
            let restored = FakePages()
            let writer = Self.writer(folder + "/state.db", restored, interval: .milliseconds(100)) { nil }
            await writer.restoreLists()
            #expect(restored.documents.isEmpty)
        }
    }

    @Test("the shutdown does not wait for the last changes of accounts while they are unknown")
    func shutdownWhileUnknown() async throws {
        try await withTemporaryFolder { folder async throws in
            let calls = Event<Void>()
            let writer = Self.writer(folder + "/state.db", FakePages(), interval: .milliseconds(100)) {
                calls.fire()
                return nil
            }
            try await withServices([writer]) { try await calls.next() }
        }
    }
}

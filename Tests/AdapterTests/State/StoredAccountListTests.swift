import Adapters
import Domain
import DomainFakes
import Testing

@Suite("Stored account lists", .timeLimit(.minutes(10)))
struct StoredAccountListTests {
    private static let accounts = (10..<60).map { AccountID(literal: "a\($0)") }

    @Test("a stored list has its accounts, its age and its history after a restart")
    func restart() async throws {
        let clock = TestClock()
        let directory = FakeDirectory(Self.accounts)
        let lists = AccountListCache(directory: directory, time: clock)
        let stored = CachedAccountLists(lists, time: clock)
        #expect(stored.takeChangedDocuments().isEmpty)
        let first = try await lists.snapshot(of: nil, .all, maxAge: nil)
        clock.advance(by: .seconds(600))
        directory.change { $0.removeLast() }
        _ = try await lists.snapshot(of: nil, .all, maxAge: .zero)
        let documents = stored.takeChangedDocuments()
        #expect(documents.map(\.name) == ["accounts/"])
        #expect(stored.takeChangedDocuments().isEmpty)
        stored.returnDocuments(documents)
        #expect(stored.takeChangedDocuments() == documents)
        stored.changeAllDocuments()
        #expect(stored.takeChangedDocuments() == documents)

        clock.advance(by: .seconds(100))
        let later = FakeDirectory([])
        let restarted = AccountListCache(directory: later, time: clock)
        let restored = CachedAccountLists(restarted, time: clock)
        #expect(restored.restore(try #require(documents.first), gaps: []))
        #expect(restored.takeChangedDocuments().isEmpty)
        let list = try await restarted.snapshot(of: nil, .all, maxAge: nil)
        #expect(list.list == AccountList(Self.accounts.dropLast()))
        #expect(list.age(at: clock.now) == .seconds(100))
        let difference = try list.history.difference(since: first.currentSince)
        #expect(difference.removed == AccountList([Self.accounts[49]]) && difference.added.count == 0)
        #expect(later.requests.isEmpty)
        // Too old: listed again, and stored again.
        clock.advance(by: .seconds(201))
        #expect(try await restarted.snapshot(of: nil, .all, maxAge: nil).list.count == 0)
        #expect(restored.takeChangedDocuments().count == 1)
    }

    /// A reader may have had a later list than the stored one. So its differences to the present list are unknown.
    @Test("if the last lists of the last process are lost, no earlier moment is known, also after a further restart")
    func lost() async throws {
        let clock = TestClock()
        let directory = FakeDirectory(Self.accounts)
        let lists = AccountListCache(directory: directory, time: clock)
        let stored = CachedAccountLists(lists, time: clock)
        let first = try await lists.snapshot(of: nil, .all, maxAge: nil)
        let document = try #require(stored.takeChangedDocuments().first)
        clock.advance(by: .seconds(1))
        let restart = clock.millisecondsSinceEpoch

        let restarted = AccountListCache(directory: directory, time: clock)
        let restored = CachedAccountLists(restarted, time: clock)
        #expect(restored.restore(document, gaps: nil))
        let list = try await restarted.snapshot(of: nil, .all, maxAge: nil)
        #expect(list.list == first.list && list.currentSince == restart)
        #expect(throws: AccountListHistory.Incomplete(completeSince: restart)) {
            try list.history.difference(since: restart - 1)
        }
        #expect(try list.history.difference(since: restart).isEmpty)
        let again = try #require(restored.takeChangedDocuments().first)
        clock.advance(by: .seconds(1))
        let third = AccountListCache(directory: directory, time: clock)
        #expect(CachedAccountLists(third, time: clock).restore(again, gaps: []))
        let history = try await third.snapshot(of: nil, .all, maxAge: nil).history
        #expect(history.completeSince == restart)
    }

    @Test("a stored list does not replace a newer one, and a list that was removed is removed from the file")
    func newer() async throws {
        let clock = TestClock()
        let lists = AccountListCache(directory: FakeDirectory(Self.accounts), time: clock)
        let stored = CachedAccountLists(lists, time: clock)
        _ = try await lists.snapshot(of: nil, .all, maxAge: nil)
        let documents = stored.takeChangedDocuments()
        let other = AccountListCache(directory: FakeDirectory([]), time: clock)
        let otherStored = CachedAccountLists(other, time: clock)
        _ = try await other.snapshot(of: nil, .all, maxAge: nil)
        #expect(otherStored.restore(try #require(documents.first), gaps: []))
        #expect(try await other.snapshot(of: nil, .all, maxAge: nil).list.count == 0)
        lists.removeAll()
        #expect(stored.takeChangedDocuments() == [StoredDocument(name: "accounts/", content: [], asOf: 0)])
        #expect(stored.takeChangedDocuments().isEmpty)
    }

    @Test("a list of another form is not restored")
    func otherForm() async throws {
        let clock = TestClock()
        let lists = AccountListCache(directory: FakeDirectory(Self.accounts), time: clock)
        let stored = CachedAccountLists(lists, time: clock)
        _ = try await lists.snapshot(of: nil, .all, maxAge: nil)
        let document = try #require(stored.takeChangedDocuments().first)
        let restored = CachedAccountLists(
            AccountListCache(directory: FakeDirectory([]), time: clock), time: clock)
        for count in 0..<document.content.count {
            let cut = StoredDocument(name: document.name, content: Array(document.content.prefix(count)), asOf: 0)
            #expect(!restored.restore(cut, gaps: []), "\(count) bytes")
        }
        #expect(
            !restored.restore(StoredDocument(name: document.name, content: document.content + [0], asOf: 0), gaps: []))
        #expect(!restored.restore(StoredDocument(name: "other", content: document.content, asOf: 0), gaps: []))
        #expect(restored.restore(document, gaps: nil))
    }
}

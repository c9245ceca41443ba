import Adapters
import Domain
import DomainFakes
import Testing

@Suite("Account lists as documents of the answers file", .timeLimit(.minutes(1)))
struct AccountListDocumentsTests {
    @Test("the list of each master account is a document of its own, and is restored for that master account")
    func documents() async throws {
        let directory = FakeDirectory((0..<25).map { AccountID(literal: "a\($0)") })
        let lists = AccountListCache(directory: directory, time: TestClock())
        let documents = AccountListDocuments(lists)
        let masters = [nil, Name(literal: "main"), Name(literal: "team/second")]
        for master in masters { _ = try await lists.accounts(of: master, .all) }
        let taken = documents.takeChangedDocuments()
        #expect(Set(taken.map(\.name)) == ["accounts/", "accounts/main", "accounts/team/second"])
        documents.returnDocuments(taken)
        #expect(documents.takeChangedDocuments().count == 3)
        documents.changeAllDocuments()
        #expect(documents.takeChangedDocuments().count == 3 && documents.takeChangedDocuments().isEmpty)

        let calls = directory.requests.count
        let restarted = AccountListCache(directory: directory, time: TestClock())
        for document in taken { #expect(AccountListDocuments(restarted).restore(document)) }
        for master in masters { #expect(try await restarted.accounts(of: master, .all).count == 25) }
        #expect(directory.requests.count == calls)
        for name in ["other", "accounts/-"] {
            let document = StoredDocument(name: name, content: taken[0].content, asOf: taken[0].asOf)
            #expect(!AccountListDocuments(restarted).restore(document))
        }
    }
}

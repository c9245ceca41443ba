package import Domain

/// The account lists of all master accounts, as documents of the answers file.
package struct AccountListDocuments: PersistentDocuments {
    private let lists: AccountListCache

    package init(_ lists: AccountListCache) {
        self.lists = lists
    }

    /// A document has this name, followed by the name of the master account, if it has one.
    private static let prefix = "accounts/"

    package func takeChangedDocuments() -> [StoredDocument] {
        lists.takeChangedLists().map { list in
            StoredDocument(
                name: Self.prefix + (list.master?.rawValue ?? ""), content: list.content, asOf: list.asOf)
        }
    }

    package func returnDocuments(_ documents: [StoredDocument]) {
        lists.countAsChanged(documents.compactMap { Self.master(of: $0.name) })
    }

    package func restore(_ document: StoredDocument) -> Bool {
        guard let master = Self.master(of: document.name) else { return false }
        return lists.restore(.init(master: master, content: document.content, asOf: document.asOf))
    }

    package func changeAllDocuments() {
        lists.countAllAsChanged()
    }

    /// - Returns: The master account, which is `nil` if it is the only one; `nil` for a document of another kind.
    private static func master(of name: String) -> Name?? {
        guard name.hasPrefix(prefix) else { return nil }
        let master = name.dropFirst(prefix.count)
        guard !master.isEmpty else { return .some(nil) }
        guard let name = Name(String(master)) else { return nil }
        return name
    }
}

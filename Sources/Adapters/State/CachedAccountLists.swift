package import Domain
import Synchronization

/// The cached account lists, as the answers file stores them.
package final class CachedAccountLists: PersistentDocuments {
    private let lists: AccountListCache
    private let time: any TimeSource

    /// `currentSince` of each stored list, by the name of its document.
    private let stored = Mutex<[String: Int64]>([:])

    /// The value for a list that must be written again or removed.
    private static let unknown: Int64 = -1

    private static let prefix = "accounts/"

    package init(_ lists: AccountListCache, time: any TimeSource) {
        self.lists = lists
        self.time = time
    }

    package func takeChangedDocuments() -> [StoredDocument] {
        let current = Dictionary(
            lists.storable.map { (Self.prefix + ($0.master?.rawValue ?? ""), $0.snapshot) }, uniquingKeysWith: { $1 })
        let (changed, removed) = stored.withLock { stored in
            let changed = current.filter { stored[$0.key] != $0.value.currentSince }
            let removed = stored.keys.filter { current[$0] == nil }
            for (name, snapshot) in changed { stored[name] = snapshot.currentSince }
            for name in removed { stored[name] = nil }
            return (changed, removed)
        }
        return changed.map { name, snapshot in
            StoredDocument(
                name: name, content: snapshot.packed,
                asOf: snapshot.asOf.secondsSinceEpoch * 1000)
        } + removed.map { StoredDocument(name: $0, content: [], asOf: 0) }
    }

    package func returnDocuments(_ documents: [StoredDocument]) {
        stored.withLock { stored in
            for document in documents { stored[document.name] = Self.unknown }
        }
    }

    package func restore(_ document: StoredDocument, gaps: [ClosedRange<Int64>]?) -> Bool {
        guard document.name.hasPrefix(Self.prefix),
            let snapshot = AccountListSnapshot(unpacking: document.content, gaps: gaps, time)
        else { return false }
        let text = String(document.name.dropFirst(Self.prefix.count))
        guard text.isEmpty || Name(text) != nil else { return false }
        if lists.restore(snapshot, of: Name(text)) {
            // Without the gaps, the stored history must not be used again.
            stored.withLock { $0[document.name] = gaps == nil ? Self.unknown : snapshot.currentSince }
        }
        return true
    }

    package func changeAllDocuments() {
        stored.withLock { $0 = $0.mapValues { _ in Self.unknown } }
    }
}

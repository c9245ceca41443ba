/// The rows of the answers file. Its calls block.
final class AnswersTables {
    private let file: AnswersFile
    private let begin: SQLiteStatement
    private let commit: SQLiteStatement
    private let rollback: SQLiteStatement
    private let selectPage: SQLiteStatement
    private let selectContent: SQLiteStatement
    private let upsertPage: SQLiteStatement
    private let upsertContent: SQLiteStatement
    private let updateUse: SQLiteStatement
    private let deletePage: SQLiteStatement
    private let deleteContent: SQLiteStatement
    private let selectDocument: SQLiteStatement
    private let upsertDocument: SQLiteStatement
    private let deleteDocument: SQLiteStatement

    init(_ file: AnswersFile) throws(AnswersFailure) {
        self.file = file
        func prepare(_ sql: String) throws(AnswersFailure) -> SQLiteStatement {
            try AnswersFile.sql { () throws(SQLiteFailure) in try file.connection.prepare(sql) }
        }
        begin = try prepare("BEGIN IMMEDIATE")
        commit = try prepare("COMMIT")
        rollback = try prepare("ROLLBACK")
        selectPage = try prepare(
            "SELECT shelf, key_id, answers, oldest, newest, used_at FROM pages WHERE number = ?")
        selectContent = try prepare("SELECT content FROM contents WHERE number = ?")
        upsertPage = try prepare(
            """
            INSERT INTO pages (number, shelf, key_id, answers, oldest, newest, used_at) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (number) DO UPDATE SET shelf = excluded.shelf, key_id = excluded.key_id,
                answers = excluded.answers, oldest = excluded.oldest, newest = excluded.newest,
                used_at = excluded.used_at
            """)
        upsertContent = try prepare(
            """
            INSERT INTO contents (number, content) VALUES (?, ?)
            ON CONFLICT (number) DO UPDATE SET content = excluded.content
            """)
        updateUse = try prepare("UPDATE pages SET used_at = ?2 WHERE number = ?1")
        deletePage = try prepare("DELETE FROM pages WHERE number = ?")
        deleteContent = try prepare("DELETE FROM contents WHERE number = ?")
        selectDocument = try prepare("SELECT key_id, as_of, content FROM documents WHERE name = ?")
        upsertDocument = try prepare(
            """
            INSERT INTO documents (name, key_id, as_of, content) VALUES (?, ?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET key_id = excluded.key_id, as_of = excluded.as_of,
                content = excluded.content
            """)
        deleteDocument = try prepare("DELETE FROM documents WHERE name = ?")
    }

    // MARK: Reading

    /// The digest of the source that gave the answers; nil if there is none yet.
    func source() throws(AnswersFailure) -> [UInt8]? {
        try rows("SELECT digest FROM source").first?[0].blob
    }

    /// The numbers of all pages, the most recently used first.
    func pageNumbers() throws(AnswersFailure) -> [Int64] {
        try rows("SELECT number FROM pages ORDER BY used_at DESC, number").compactMap { $0[0].integer }
    }

    /// - Returns: nil if there is no such page.
    /// - Throws: `unusable` for a page that is damaged, or whose key is unknown.
    func page(_ number: Int64, _ sealing: RowSealing) throws(AnswersFailure) -> StoredPage? {
        let found = try AnswersFile.sql { () throws(SQLiteFailure) in try selectPage.rows(.integer(number)) }
        guard let row = found.first else { return nil }
        guard let shelf = row[0].text, let answers = row[2].integer, let oldest = row[3].integer,
            let newest = row[4].integer, let usedAt = row[5].integer
        else { throw .damaged("a page has a value of another type") }
        let contents = try AnswersFile.sql { () throws(SQLiteFailure) in try selectContent.rows(.integer(number)) }
        guard let sealed = contents.first?[0].blob else { throw .damaged("a page has no content") }
        let content = try sealing.open(
            sealed, of: .page(number: number, shelf: shelf, answers: answers, oldest: oldest, newest: newest),
            keyID: row[1].text)
        return StoredPage(
            number: number, shelf: shelf, content: content, answerCount: Int(answers), oldest: oldest, newest: newest,
            usedAt: usedAt)
    }

    func documentNames() throws(AnswersFailure) -> [String] {
        try rows("SELECT name FROM documents ORDER BY name").compactMap { $0[0].text }
    }

    /// - Returns: nil if there is no such document.
    /// - Throws: `unusable` for a document that is damaged, or whose key is unknown.
    func document(_ name: String, _ sealing: RowSealing) throws(AnswersFailure) -> StoredDocument? {
        let found = try AnswersFile.sql { () throws(SQLiteFailure) in try selectDocument.rows(.text(name)) }
        guard let row = found.first else { return nil }
        guard let asOf = row[1].integer, let sealed = row[2].blob else {
            throw .damaged("a document has a value of another type")
        }
        let content = try sealing.open(sealed, of: .document(name: name, asOf: asOf), keyID: row[0].text)
        return StoredDocument(name: name, content: content, asOf: asOf)
    }

    /// The numbers of pages that are not encrypted with the current key.
    func pageNumbers(notSealedBy sealing: RowSealing, limit: Int) throws(AnswersFailure) -> [Int64] {
        try rows(
            "SELECT number FROM pages WHERE key_id IS NOT ? LIMIT \(limit)",
            sealing.keyID.map { .text($0) } ?? .null
        ).compactMap { $0[0].integer }
    }

    /// The names of documents that are not encrypted with the current key.
    func documentNames(notSealedBy sealing: RowSealing) throws(AnswersFailure) -> [String] {
        try rows(
            "SELECT name FROM documents WHERE key_id IS NOT ?", sealing.keyID.map { .text($0) } ?? .null
        ).compactMap { $0[0].text }
    }

    private func rows(_ sql: String, _ parameter: SQLiteValue? = nil) throws(AnswersFailure) -> [[SQLiteValue]] {
        try AnswersFile.sql { () throws(SQLiteFailure) in
            let statement = try file.connection.prepare(sql)
            if let parameter { return try statement.rows(parameter) }
            return try statement.rows()
        }
    }

    // MARK: Writing

    /// Writes changed pages and removes others, in one transaction.
    func write(_ changes: PageChanges, _ sealing: RowSealing) throws(AnswersFailure) {
        try transaction { () throws(SQLiteFailure) in
            for page in changes.changed {
                let sealed = sealing.seal(
                    page.content,
                    of: .page(
                        number: page.number, shelf: page.shelf, answers: Int64(page.answerCount), oldest: page.oldest,
                        newest: page.newest))
                try upsertPage.rows(
                    .integer(page.number), .text(page.shelf), sealing.keyID.map { .text($0) } ?? .null,
                    .integer(Int64(page.answerCount)), .integer(page.oldest), .integer(page.newest),
                    .integer(page.usedAt))
                try upsertContent.rows(.integer(page.number), .blob(sealed))
            }
            for number in changes.removed { try remove(number) }
        }
    }

    func write(source digest: [UInt8]) throws(AnswersFailure) {
        try transaction { () throws(SQLiteFailure) in
            try file.connection.execute("DELETE FROM source")
            try file.connection.prepare("INSERT INTO source (digest) VALUES (?)").rows(.blob(digest))
        }
    }

    func remove(_ numbers: some Sequence<Int64>) throws(AnswersFailure) {
        try transaction { () throws(SQLiteFailure) in
            for number in numbers { try remove(number) }
        }
    }

    private func remove(_ number: Int64) throws(SQLiteFailure) {
        try deletePage.rows(.integer(number))
        try deleteContent.rows(.integer(number))
    }

    /// Removes a document, and waits for the disk, so that a loss of power does not bring it back.
    func removeDurably(_ name: String) throws(AnswersFailure) {
        try AnswersFile.sql { () throws(SQLiteFailure) in try file.connection.execute("PRAGMA synchronous = FULL") }
        try removeDocument(name)
        try AnswersFile.sql { () throws(SQLiteFailure) in try file.connection.execute("PRAGMA synchronous = NORMAL") }
    }

    /// - Parameter uses: When pages were used, in seconds since 1970. Pages that are not in the file are ignored.
    func markUsed(_ uses: [Int64: Int64]) throws(AnswersFailure) {
        try transaction { () throws(SQLiteFailure) in
            for (number, time) in uses { try updateUse.rows(.integer(number), .integer(time)) }
        }
    }

    func write(_ document: StoredDocument, _ sealing: RowSealing) throws(AnswersFailure) {
        let sealed = sealing.seal(document.content, of: .document(name: document.name, asOf: document.asOf))
        try transaction { () throws(SQLiteFailure) in
            try upsertDocument.rows(
                .text(document.name), sealing.keyID.map { .text($0) } ?? .null, .integer(document.asOf), .blob(sealed))
        }
    }

    func removeDocument(_ name: String) throws(AnswersFailure) {
        try transaction { () throws(SQLiteFailure) in try deleteDocument.rows(.text(name)) }
    }

    /// Removes the pages with an answer that was received before a time, and the documents from before it.
    ///
    /// - Parameters:
    ///   - time: In milliseconds since 1970.
    ///   - limit: The largest number of pages that are removed.
    /// - Returns: How many pages were removed.
    func remove(receivedBefore time: Int64, limit: Int) throws(AnswersFailure) -> Int {
        let numbers = try rows("SELECT number FROM pages WHERE oldest < ? LIMIT \(limit)", .integer(time))
            .compactMap { $0[0].integer }
        if !numbers.isEmpty { try remove(numbers) }
        let names = try rows("SELECT name FROM documents WHERE as_of < ?", .integer(time)).compactMap { $0[0].text }
        for name in names { try removeDocument(name) }
        return numbers.count
    }

    private func transaction(_ body: () throws(SQLiteFailure) -> Void) throws(AnswersFailure) {
        guard file.isInPlace else { throw .replaced }
        do throws(SQLiteFailure) {
            try begin.rows()
            try body()
            try commit.rows()
        } catch {
            // Some failures have ended the transaction already.
            if file.connection.isInTransaction { _ = try? rollback.rows() }
            throw AnswersFailure(error)
        }
    }
}

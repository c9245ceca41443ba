/// Indexes the callers of a document by token digest and certificate name.
package struct CallerRegistry: Sendable, Equatable {
    package let document: CallersDocument
    private var byToken: [SHA256Digest: CallersDocument.Entry] = [:]
    private var byCertificate: [String: CallersDocument.Entry] = [:]

    package init(_ document: CallersDocument) {
        self.document = document
        for entry in document.entries {
            switch entry.credential {
            case .token(let digest, let previous):
                byToken[digest] = entry
                if let previous { byToken[previous] = entry }
            case .certificate(let san): byCertificate[san] = entry
            }
        }
    }

    package static func == (left: CallerRegistry, right: CallerRegistry) -> Bool { left.document == right.document }

    /// The caller whose token has this digest, whether expired or not; `nil` if there is none.
    package func entry(presenting digest: SHA256Digest) -> CallersDocument.Entry? {
        byToken[digest]
    }

    /// The caller whose certificate has one of these names.
    package func entry(certificateNames names: [String]) -> CallersDocument.Entry? {
        names.lazy.compactMap { byCertificate[$0] }.first
    }
}

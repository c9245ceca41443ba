/// The callers of a document, by the digest of their tokens and the names in their certificates.
package struct CallerRegistry: Sendable, Equatable {
    package let document: CallersDocument
    private var byToken: [SHA256Digest: CallersDocument.Entry] = [:]
    private var byCertificate: [String: CallersDocument.Entry] = [:]

    package init(_ document: CallersDocument) {
        self.document = document
        for entry in document.entries {
            switch entry.proof {
            case .token(let digest, let previous):
                byToken[digest] = entry
                if let previous { byToken[previous] = entry }
            case .certificate(let san): byCertificate[san] = entry
            }
        }
    }

    package static func == (left: CallerRegistry, right: CallerRegistry) -> Bool { left.document == right.document }

    /// Who presents a token with that digest; `nil` for nobody we know, expired or not.
    package func entry(presenting digest: SHA256Digest) -> CallersDocument.Entry? {
        byToken[digest]
    }

    /// Who is named by a certificate with these names.
    package func entry(certificateNames names: [String]) -> CallersDocument.Entry? {
        names.lazy.compactMap { byCertificate[$0] }.first
    }
}

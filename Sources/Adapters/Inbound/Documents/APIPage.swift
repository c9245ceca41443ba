import NIOCore

/// The page about the API on the operations listener: the contract, rendered by Redoc. A program that was built without
/// Redoc has a list of the operations.
enum APIPage {
    static let document = renderer.map(rendered) ?? listed

    /// Redoc, compressed; `nil` if the program was built without `make assets`.
    static let renderer = EmbeddedFile.redocScript.map { script in
        PublishedDocument(
            "text/javascript; charset=utf-8", script, lifetime: .ofContent,
            extraFields: [(.contentEncoding, "gzip")])
    }

    static let rendererPath: StaticString = "/api/redoc.js"

    // MARK: With Redoc

    private static let style = String(buffer: EmbeddedFile.apiPageStyle)
    private static let script = String(buffer: EmbeddedFile.apiPageScript)

    /// The styles that Redoc puts into the page: those of its scroll bars, and an element that is empty until its rules are
    /// inserted. A new version of Redoc can need other ones, and then `make test` fails.
    private static let rendererStyles = [
        "'sha256-QMIg+bpjm3JdElJ388KYke01izlUW0UoNOeKjpMxdgc='", ContentSecurityPolicy.hash(of: ""),
    ]

    /// The search runs in a worker, which Redoc makes of a part of its script.
    private static let policy = ContentSecurityPolicy([
        ("script-src", ["'self'", ContentSecurityPolicy.hash(of: script)]),
        ("style-src", [ContentSecurityPolicy.hash(of: style)] + rendererStyles),
        ("worker-src", ["blob:"]), ("connect-src", ["'self'"]),
    ])

    private static func rendered(by renderer: PublishedDocument) -> PublishedDocument {
        var page = HTMLWriter()
        // The address contains the entity tag without its quotes.
        let version = String(decoding: renderer.etag.dropFirst().dropLast(), as: UTF8.self)
        page.document("API of billing-service", style: style) { page in
            page.markup(
                """
                <noscript><p>This page needs JavaScript. <a href="/openapi.yaml">The contract</a> is also a file.</p>\
                </noscript><main id="api"></main>
                """)
            page.element("script", [("src", "\(rendererPath)?\(version)")], "")
            page.raw("<script>\(script)</script>")
        }
        return PublishedDocument(page: page, policy: policy)
    }

    // MARK: Without Redoc

    private static let listStyle = String(buffer: EmbeddedFile.documentStyle)

    private static var listed: PublishedDocument {
        var page = HTMLWriter()
        page.document("API of billing-service", style: listStyle) { page in
            page.markup("<header><h1>API</h1></header><main>")
            page.paragraph(
                "This program was built without the renderer of its contract. `make assets`, and then `swift build`, "
                    + "adds it. The contract is here as a file:")
            page.markup(#"<p><a href="/openapi.yaml">openapi.yaml</a>, <a href="/v2/errors">errors</a></p>"#)
            page.markup("<h2>Operations</h2><ul>")
            for operation in ContractOperation.all(in: String(buffer: EmbeddedFile.openapiYAML)) {
                page.element("li") { page in
                    page.element("code", "\(operation.method) \(operation.path)")
                    page.text(": \(operation.summary)")
                }
            }
            page.markup("</ul></main>")
        }
        return PublishedDocument(
            page: page, policy: ContentSecurityPolicy([("style-src", [ContentSecurityPolicy.hash(of: listStyle)])]))
    }
}

/// An operation of the contract.
package struct ContractOperation: Sendable, Equatable {
    package let method: String
    package let path: String
    package let summary: String

    /// Finds the operations by the indentation of `openapi.yaml`. This is not a reader of YAML: it needs the form that
    /// this file has.
    package static func all(in contract: String) -> [ContractOperation] {
        var operations: [ContractOperation] = []
        var isInPaths = false
        var path = ""
        var method = ""
        for line in contract.split(separator: "\n") {
            if line.first != " " {
                isInPaths = line == "paths:"
            } else if isInPaths, line.hasPrefix("  /"), line.hasSuffix(":") {
                path = String(line.dropFirst(2).dropLast())
            } else if isInPaths, line.hasPrefix("    "), line.dropFirst(4).first != " ", line.hasSuffix(":") {
                method = line.dropFirst(4).dropLast().uppercased()
            } else if isInPaths, let summary = line.wholeMatch(of: /\ {6}summary: (.+)/) {
                operations.append(ContractOperation(method: method, path: path, summary: String(summary.output.1)))
            }
        }
        return operations
    }
}

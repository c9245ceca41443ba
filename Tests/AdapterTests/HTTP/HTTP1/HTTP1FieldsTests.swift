import Adapters
import DomainFakes
import NIOHTTP1
import Testing

@Suite("Fields of HTTP/1.1 requests")
struct HTTP1FieldsTests {
    /// What a request becomes.
    private enum Result: Equatable {
        case fields([String], keepsAlive: Bool, contentLength: Int?)
        case refused(Refusal)
    }

    private static func result(of head: HTTPRequestHead, isEncrypted: Bool, limits: Limits) -> Result {
        do throws(Refusal) {
            let request = try HTTP1Fields(head, isEncrypted: isEncrypted, limits: limits)
            var fields: [String] = []
            request.fields.forEach { name, value in
                fields.append(String(decoding: name, as: UTF8.self) + ": " + String(decoding: value, as: UTF8.self))
            }
            return .fields(fields, keepsAlive: request.keepsAlive, contentLength: request.contentLength)
        } catch {
            return .refused(error)
        }
    }

    /// The same with a search for each name, which is simple and slow: the oracle.
    private static func model(of head: HTTPRequestHead, isEncrypted: Bool, limits: Limits) -> Result {
        guard head.version.major == 1 else { return .refused(.malformed) }
        guard head.method != .CONNECT else { return .refused(.connectMethod) }
        let isHTTP10 = head.version.minor == 0
        let size = head.headers.reduce(head.uri.utf8.count + 32) { $0 + $1.name.utf8.count + $1.value.utf8.count + 32 }
        guard size <= limits.headerListBytesMax, head.headers.count <= limits.headerFieldsMax else {
            return .refused(.excessiveHead)
        }
        let hosts = head.headers["host"]
        guard hosts.count <= 1 else { return .refused(.repeatedField(.host)) }
        guard hosts.count == 1 || (isHTTP10 && hosts.isEmpty),
            hosts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(isAuthority) })
        else { return .refused(.malformed) }
        guard let target = target(of: head, host: hosts.first ?? "") else { return .refused(.malformed) }

        let encodings = head.headers["transfer-encoding"]
        let lengths = head.headers["content-length"]
        let contentLength: Int?
        switch (encodings.count, lengths.count) {
        case (0, 0): contentLength = 0
        case (1, 0) where !isHTTP10 && encodings[0].lowercased() == "chunked": contentLength = nil
        case (0, 1):
            guard let length = Int(lengths[0]), lengths[0].allSatisfy({ "0123456789".contains($0) }) else {
                return .refused(.malformed)
            }
            contentLength = length
        case (0, _): return .refused(.repeatedField(.contentLength))
        default: return .refused(.malformed)
        }

        let options = Set(head.headers[canonicalForm: "connection"].map { $0.lowercased() })
        let keepsAlive = !head.headers.contains(name: "upgrade") && !options.contains("close") && !isHTTP10
        var fields = [":method: \(head.method.rawValue)", ":scheme: \(isEncrypted ? "https" : "http")"]
        if let host = hosts.first { fields.append(":authority: \(host)") }
        fields.append(":path: \(target)")
        for (name, value) in head.headers {
            let name = name.lowercased()
            guard !connectionSpecific.contains(name), !options.contains(name) else { continue }
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7F || $0 == 0x09 }) else { return .refused(.malformed) }
            var trimmed = value[...]
            while trimmed.last == " " || trimmed.last == "\t" { trimmed.removeLast() }
            fields.append(name + ": " + trimmed)
        }
        return .fields(fields, keepsAlive: keepsAlive, contentLength: contentLength)
    }

    private static let connectionSpecific: Set<String> = [
        "connection", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
    ]

    private static func isAuthority(_ byte: UInt8) -> Bool {
        (0x21...0x7E).contains(byte) && !"@/?#,\\\"<>".utf8.contains(byte)
    }

    private static func target(of head: HTTPRequestHead, host: String) -> String? {
        if head.uri.hasPrefix("/") || head.uri == "*" { return head.uri }
        let schemes = ["http://", "https://"]
        guard let scheme = schemes.first(where: { head.uri.lowercased().hasPrefix($0) }) else { return nil }
        let rest = head.uri.dropFirst(scheme.count)
        let authority = rest.prefix { $0 != "/" && $0 != "?" }
        guard !host.isEmpty, authority.lowercased() == host.lowercased() else { return nil }
        let path = rest.dropFirst(authority.count)
        return path.first == "/" ? String(path) : "/" + path
    }

    private static let names = [
        "Host", "host", "Content-Length", "content-length", "Transfer-Encoding", "Connection", "connection", "Upgrade",
        "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Accept", "Authorization", "x-a", "X-Request-ID",
        "User-Agent", "Close", "Hosts", "Hose", "Te-", "Content-Lengths",
    ]

    private static let values = [
        "a", "a:1", "A:1", "", " ", "a b", "a@b", "b/c", "1", "12", "-1", "+1", "1 ", "0x1", "99999999999999999999",
        "٣",
        "chunked", "Chunked", "gzip, chunked", "keep-alive", "Keep-Alive", "close", "CLOSE", "close, x-a", "x-a",
        "X-A, te",
        ",", "keep-alive, accept", "h2c", "value \t", "\t", "a\tb", "a\u{7F}", "a\u{1}", "ü", "é ",
    ]

    private static let targets = [
        "/", "/a?b", "*", "http://a:1/c", "HTTPS://A:1", "http://b/c", "http://a:1?x", "a", "", "ftp://a/", "http://",
    ]

    @Test("Requests have the same fields, framing and refusals as with a search for each name")
    func model() throws {
        let seed = UInt64.random(in: .min ... .max)
        var random = SeededRandom(seed: seed)
        func pick<Element>(_ elements: [Element]) -> Element {
            elements[Int.random(in: elements.indices, using: &random)]
        }
        var limits = Limits()
        limits.headerListBytesMax = 500
        limits.headerFieldsMax = 8
        var accepted = 0
        for _ in 0..<20_000 {
            var head = HTTPRequestHead(
                version: pick([.http1_1, .http1_1, .http1_1, .http1_0, .http2]),
                method: pick([.GET, .POST, .HEAD, .OPTIONS, .CONNECT, .RAW(value: "BREW")]), uri: pick(Self.targets))
            if Int.random(in: 0..<4, using: &random) > 0 { head.headers.add(name: "Host", value: pick(["a", "a:1"])) }
            for _ in 0..<Int.random(in: 0..<6, using: &random) {
                head.headers.add(name: pick(Self.names), value: pick(Self.values))
            }
            let isEncrypted = Bool.random(using: &random)
            let expected = Self.model(of: head, isEncrypted: isEncrypted, limits: limits)
            let result = Self.result(of: head, isEncrypted: isEncrypted, limits: limits)
            try #require(result == expected, "seed \(seed): \(head)")
            if case .fields = result { accepted += 1 }
        }
        #expect(accepted > 1000, "the test compares too few requests that are accepted")
    }

    @Test("A secret field of a request is never indexed, and its name is in lower case")
    func secrets() throws {
        var head = HTTPRequestHead(version: .http1_1, method: .GET, uri: "/")
        head.headers.add(contentsOf: [("Host", "a"), ("Authorization", "Bearer x"), ("Accept", "*/*")])
        let fields = try HTTP1Fields(head, isEncrypted: true, limits: Limits()).fields
        var expected = HeaderFields()
        for (name, value) in [
            (FieldName.method, "GET"), (.scheme, "https"), (.authority, "a"), (.path, "/"),
            (.authorization, "Bearer x"), (.accept, "*/*"),
        ] {
            expected.append(name, value)
        }
        #expect(fields == expected)
    }
}

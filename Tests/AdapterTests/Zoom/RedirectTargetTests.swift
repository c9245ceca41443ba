import Adapters
import Domain
import Testing

@Suite("Redirects of invoice files")
struct RedirectTargetTests {
    private static let zoom = Origin(scheme: .https, host: "api.zoom.us", port: 443)
    private static let sandbox = Origin(scheme: .http, host: "127.0.0.1", port: 8090)

    private static func hosts(_ texts: String...) -> [RedirectTarget.Host] {
        texts.compactMap { RedirectTarget.Host($0) }
    }

    private static func problem(
        _ location: String, from base: Origin = zoom, _ hosts: [RedirectTarget.Host] = hosts("files.zoom.us")
    ) -> BillingFailure.RedirectProblem? {
        do throws(BillingFailure.RedirectProblem) {
            _ = try RedirectTarget(location, from: base, allowed: hosts)
            return nil
        } catch {
            return error
        }
    }

    @Test(
        "an allowed location is followed",
        arguments: [
            ("https://files.zoom.us/a.pdf?sig=%2B&x=1#page=2", "files.zoom.us", "/a.pdf?sig=%2B&x=1"),
            ("HTTPS://FILES.ZOOM.US:443/a@b", "files.zoom.us", "/a@b"),
            ("//files.zoom.us/a", "files.zoom.us", "/a"),
            ("https://files.zoom.us", "files.zoom.us", "/"), ("https://files.zoom.us?a", "files.zoom.us", "/?a"),
            // The host itself is always allowed.
            ("/other/path?a#b", "api.zoom.us", "/other/path?a"), ("https://api.zoom.us/a", "api.zoom.us", "/a"),
        ])
    func allowed(location: String, host: String, target: String) throws {
        let found = try RedirectTarget(location, from: Self.zoom, allowed: Self.hosts("files.zoom.us"))
        #expect(found.origin == Origin(scheme: .https, host: host, port: 443))
        #expect(found.target == target)
    }

    @Test(
        "a location on a host that is not allowed is refused",
        arguments: [
            "https://evil.example/a", "https://files.zoom.us.evil.example/a", "https://xfiles.zoom.us/a",
            "https://files.zoom.us:8443/a", "https://api.zoom.us:8443/a", "//evil.example/a",
            "https://files.zoom.us./a",
        ])
    func forbidden(location: String) {
        #expect(Self.problem(location) == .forbiddenHost)
    }

    @Test("a location without encryption is refused, unless the file was requested without encryption")
    func encryption() {
        #expect(Self.problem("http://files.zoom.us/a") == .notEncrypted)
        #expect(Self.problem("http://api.zoom.us/a") == .notEncrypted)
        #expect(Self.problem("http://127.0.0.1:8091/a", from: Self.sandbox, Self.hosts("127.0.0.1:8091")) == nil)
        #expect(Self.problem("http://127.0.0.1:8090/a", from: Self.sandbox, []) == nil)
    }

    @Test(
        "a location with a user name, another scheme, or characters that no URL has is refused",
        arguments: [
            "", "a.pdf", "../a.pdf", "ftp://files.zoom.us/a", "file:///etc/passwd", "javascript:alert(1)",
            "https://user@files.zoom.us/a", "https://files.zoom.us@evil.example/a", "https://a:b@files.zoom.us/a",
            "https:///a", "https://files.zoom.us:0/a", "https://files.zoom.us:65536/a", "https://files.zoom.us:x/a",
            "https://files.zoom.us\\@evil.example/a", "https://files.zoom.us /a", "https://files.zoom.us/\r\nx: y",
            "https://files.zoom.us/\u{E9}", "https://files%2Ezoom.us/a", "https://[::1/a",
            "https://files.zoom.us/" + String(repeating: "a", count: 8000),
        ])
    func malformed(location: String) {
        #expect(Self.problem(location) == .malformed)
        #expect(RedirectTarget.origin(of: location, from: Self.zoom) == nil)
    }

    @Test("logs show the origin of a location only, which holds no secret")
    func origin() {
        let location = "https://evil.example:8443/a?token=secret"
        #expect(RedirectTarget.origin(of: location, from: Self.zoom) == "https://evil.example:8443")
    }

    @Test(
        "an allowed host is a name or an address, with or without a port",
        arguments: [
            ("files.zoom.us", true), ("127.0.0.1:8080", true), ("[::1]:8443", true), ("[::1]", true), ("", false),
            ("https://files.zoom.us", false), ("files.zoom.us/a", false), ("a b", false), ("a@b", false),
            (":80", false),
            ("*", false),
        ])
    func host(text: String, isValid: Bool) {
        #expect((RedirectTarget.Host(text) != nil) == isValid)
    }
}

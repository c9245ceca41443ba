import Adapters
import Testing

@Suite("Forward proxies")
struct ForwardProxiesTests {
    @Test(
        "HTTPS_PROXY gives host, port and credentials of the proxy",
        arguments: [
            ("http://proxy.example:3128", "proxy.example", 3128, nil),
            ("proxy.example:3128", "proxy.example", 3128, nil),
            ("http://proxy.example", "proxy.example", 80, nil), ("HTTP://proxy.example/", "proxy.example", 80, nil),
            ("http://[::1]:3128", "::1", 3128, nil),
            ("http://user:p%40ss@proxy.example:1", "proxy.example", 1, "Basic dXNlcjpwQHNz"),
            ("http://user:p@ss@proxy.example:1", "proxy.example", 1, "Basic dXNlcjpwQHNz"),
        ])
    func proxy(text: String, host: String, port: Int, authorization: String?) throws {
        let proxies = try ForwardProxies(httpsProxy: text, noProxy: nil)
        let proxy = try #require(proxies.proxy(forHost: "api.zoom.us", port: 443))
        #expect(proxy.host == host && proxy.port == port && proxy.authorization == authorization)
    }

    @Test("without HTTPS_PROXY there is no proxy", arguments: [nil, "", " "])
    func none(text: String?) throws {
        #expect(try ForwardProxies(httpsProxy: text, noProxy: nil).proxy(forHost: "api.zoom.us", port: 443) == nil)
    }

    @Test(
        "variables are read in upper or lower case, and an empty one does not hide the other",
        arguments: [
            (["HTTPS_PROXY": "http://a"], "a"), (["https_proxy": "http://b"], "b"),
            (["HTTPS_PROXY": "http://a", "https_proxy": "http://b"], "a"),
            (["HTTPS_PROXY": "", "https_proxy": "http://b"], "b"),
            (["HTTPS_PROXY": " ", "https_proxy": "http://b"], "b"),
            (["HTTPS_PROXY": "http://a", "https_proxy": ""], "a"), (["HTTPS_PROXY": "", "https_proxy": ""], nil),
            (["HTTPS_PROXY": "http://a", "NO_PROXY": "", "no_proxy": "api.zoom.us"], nil),
            (["HTTPS_PROXY": "http://a", "NO_PROXY": "api.zoom.us", "no_proxy": ""], nil),
            (["HTTPS_PROXY": "http://a", "NO_PROXY": "other", "no_proxy": "api.zoom.us"], "a"), ([:], nil),
        ] as [([String: String], String?)])
    func environment(variables: [String: String], host: String?) throws {
        let proxies = try ForwardProxies(environment: variables)
        #expect(proxies.proxy(forHost: "api.zoom.us", port: 443)?.host == host)
    }

    @Test(
        "a malformed proxy URL is an error that does not contain the URL",
        arguments: [
            ("https://user:secret@proxy.example", ForwardProxies.Problem.schemeNotSupported),
            ("socks5://secret.example", .schemeNotSupported), ("http://secret:secret@", .notAnAddress),
            ("http://proxy.example:99999/secret", .notAnAddress), ("http://secret example", .notAnAddress),
            ("http://proxy.example/secret", .notAnAddress),
            // Unencoded passwords: the text before ?, # or / would be read as the host.
            ("http://user:12?secret@proxy.example", .notAnAddress),
            ("http://user:12#secret@proxy.example", .notAnAddress),
            ("http://user:12/secret@proxy.example", .notAnAddress),
            ("http://secret%0d%0aexample:3128", .notAnAddress), ("http://secret example:3128", .notAnAddress),
        ])
    func malformed(text: String, problem: ForwardProxies.Problem) {
        #expect(throws: problem) { try ForwardProxies(httpsProxy: text, noProxy: nil) }
        #expect(!"\(problem)".contains("secret"))
    }

    @Test("a proxy's credentials do not appear in descriptions and dumps")
    func masked() throws {
        let proxies = try ForwardProxies(httpsProxy: "http://user:secret@proxy.example", noProxy: nil)
        let proxy = try #require(proxies.proxy(forHost: "a", port: 443))
        var dumped = ""
        dump(proxy, to: &dumped)
        for text in ["\(proxy)", String(reflecting: proxy), dumped] {
            #expect(!text.contains("Basic") && !text.contains(proxy.authorization ?? "-"), "\(text)")
        }
    }

    @Test(
        "hosts in NO_PROXY are contacted directly",
        arguments: [
            ("*", "api.zoom.us", true), ("zoom.us", "api.zoom.us", true), (".zoom.us", "api.zoom.us", true),
            ("*.zoom.us", "api.zoom.us", true), ("ZOOM.us", "Api.Zoom.US", true), ("zoom.us", "notzoom.us", false),
            ("api.zoom.us", "zoom.us", false), ("zoom.us:443", "zoom.us", true), ("zoom.us:8443", "zoom.us", false),
            ("a, b ,zoom.us", "zoom.us", true), ("", "zoom.us", false), ("10.0.0.0/8", "10.1.2.3", true),
            ("10.0.0.0/8", "11.1.2.3", false), ("10.1.2.3", "10.1.2.3", true), ("10.1.2.3:443", "10.1.2.3", true),
            ("10.1.2.3:444", "10.1.2.3", false), ("[::1]:443", "::1", true), ("::1", "::1", true),
            ("[::1]", "::1", true), ("[::1]:444", "::1", false), ("::1:443", "::1", false),
            ("2001:db8::/32", "2001:db8::7", true), ("10.0.0.0/8:443", "10.1.2.3", true),
            ("zoom.us:x", "zoom.us", false), ("zoom.us:+443", "zoom.us", false), ("zoom.us.", "zoom.us", true),
            ("zoom.us", "api.zoom.us.", true),
        ])
    func exceptions(noProxy: String, host: String, isDirect: Bool) throws {
        let proxies = try ForwardProxies(httpsProxy: "proxy.example:3128", noProxy: noProxy)
        #expect((proxies.proxy(forHost: host, port: 443) == nil) == isDirect)
    }
}

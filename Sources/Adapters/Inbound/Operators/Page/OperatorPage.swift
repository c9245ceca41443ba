package import Domain
import NIOCore
import Synchronization

/// The operator's page: the state of the service as HTML. The page is complete without JavaScript. Its script replaces the
/// sections that change, by server-sent events.
package final class OperatorPage: Sendable {
    /// The sections at one time.
    struct Sections: Sendable {
        let madeAt: Moment
        let all: [(id: StaticString, html: String)]
    }

    private let collector: StatusCollector
    private let health: Health
    private let time: any TimeSource
    private let latest = Mutex<Sections?>(nil)

    package init(collector: StatusCollector, health: Health, time: any TimeSource) {
        self.collector = collector
        self.health = health
        self.time = time
    }

    /// How often the sections are made, however many readers the page has.
    static let interval = Duration.seconds(1)

    /// The present sections.
    var sections: Sections {
        let now = time.now
        if let latest = latest.withLock(\.self), now - latest.madeAt < Self.interval { return latest }
        let sections = PageSections(status: collector.status(), checks: health.reports())
        let made = Sections(madeAt: now, all: sections.all)
        latest.withLock { $0 = made }
        return made
    }

    /// The body of `/status`.
    func statusJSON() -> ByteBuffer {
        var body = ByteBuffer()
        collector.status().write(health.reports(), to: &body)
        return body
    }

    private static let style = String(buffer: EmbeddedFile.operatorPageStyle)
    private static let script = String(buffer: EmbeddedFile.operatorPageScript)

    /// Permits this style and this script, and connections to this listener.
    static let contentSecurityPolicy = ContentSecurityPolicy([
        ("script-src", [ContentSecurityPolicy.hash(of: script)]),
        ("style-src", [ContentSecurityPolicy.hash(of: style)]), ("connect-src", ["'self'"]),
    ]).text

    private static let titles: [(id: StaticString, title: String, isWide: Bool)] = [
        ("checks", "Checks", true), ("rates", "Zoom's rate limits", true), ("streams", "Streams and refresh", true),
        ("cache", "Cache", false), ("connections", "Connections and defences", false),
        ("service", "Service and replicas", true), ("failures", "Failed requests", true),
    ]

    /// The whole page.
    func html() -> ByteBuffer {
        let sections = Dictionary(uniqueKeysWithValues: sections.all.map { ("\($0.id)", $0.html) })
        var page = HTMLWriter()
        page.markup("<!doctype html>\n")
        page.element("html", [("lang", "en")]) { page in
            page.element("head") { page in
                page.markup(
                    """
                    <meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">\
                    <meta name="color-scheme" content="light dark"><title>billing-service</title>\
                    <link rel="icon" href="data:,"><noscript><meta http-equiv="refresh" content="5"></noscript>
                    """)
                page.raw("<style>\(Self.style)</style>")
            }
            page.element("body") { page in
                page.markup(
                    ##"<a class="skip" href="#main">Skip to the numbers</a><header><h1>billing-service</h1>"##)
                page.element("p", [("id", "live")], "As of \(time.timestamp.clock) UTC")
                page.element("nav", [("aria-label", "Sections and other pages")]) { page in
                    for (id, title, _) in Self.titles { page.element("a", [("href", "#\(id)-title")], title) }
                    for (path, title) in [("/api", "API"), ("/v2/errors", "Errors"), ("/metrics", "Metrics")] {
                        page.element("a", [("href", path)], title)
                    }
                }
                page.markup(##"</header><main id="main">"##)
                page.element("div", [("id", "summary")]) { $0.raw(sections["summary"] ?? "") }
                for (id, title, isWide) in Self.titles {
                    let layout: [(StaticString, String)] = isWide ? [("class", "wide")] : []
                    page.element("section", [("aria-labelledby", "\(id)-title")] + layout) { page in
                        page.element("h2", [("id", "\(id)-title")], title)
                        page.element("div", [("id", "\(id)")]) { $0.raw(sections["\(id)"] ?? "") }
                    }
                }
                page.markup("</main>")
                page.raw("<script>\(Self.script)</script>")
            }
        }
        return ByteBuffer(string: page.html)
    }
}

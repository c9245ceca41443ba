import Domain

/// The sections of the operator's page. Each has a fixed id, by which the page's script replaces its content.
struct PageSections {
    let status: ServiceStatus
    let checks: [Health.Report]

    /// The ids of the sections, and their content as HTML, in the order of the page.
    var all: [(id: StaticString, html: String)] {
        [
            section("summary", summary), section("checks", checksTable), section("rates", rates),
            section("streams", streams), section("cache", cache), section("connections", connections),
            section("service", service), section("failures", failures),
        ]
    }

    private func section(_ id: StaticString, _ write: (inout HTMLWriter) -> Void) -> (StaticString, String) {
        var page = HTMLWriter()
        write(&page)
        return (id, page.html)
    }

    private var worst: Health.Finding.Status {
        let statuses = checks.map(\.finding.status)
        return statuses.contains(.failing) ? .failing : statuses.contains(.degraded) ? .degraded : .good
    }

    // MARK: Summary

    private func summary(_ page: inout HTMLWriter) {
        let troubled = checks.filter { $0.finding.status != .good }
        let answer: (title: String, detail: String) =
            switch worst {
            case .good: ("Ready", "All \(checks.count) checks are good.")
            case .degraded: ("Ready, degraded", "Look at: \(troubled.map(\.name).joined(separator: ", ")).")
            case .failing: ("Not ready", "Failing: \(failingNames).")
            }
        page.element("div", [("class", "tile wide \(worst.rawValue)"), ("role", "status")]) { page in
            page.element("span", [("class", "label")], "State")
            page.element("strong", answer.title)
            page.element("span", answer.detail)
        }
        tile(&page, "Requests a second", Quantity.decimal(status.requests.perSecond)) { page in
            page.value(status.requests.inFlight)
            page.text(" in flight")
        }
        let used = status.rates.reduce(0) { $0 + $1.usedPerSecond }
        let limit = status.rates.reduce(0) { $0 + $1.limitPerSecond }
        tile(&page, "Zoom's rate, a second", "\(Quantity.decimal(used)) of \(Quantity.decimal(limit))") { page in
            page.value(status.rates.reduce(0) { $0 + $1.waiting })
            page.text(" waiting")
        }
        let cache = status.cache
        tile(&page, "Accounts cached", coverage) { page in
            page.text(cache.hitRatio.map { "\(Quantity.percent($0)) of lookups hit" } ?? "No lookup in five minutes")
        }
        tile(&page, "Streams open", Quantity.count(status.streams.count)) { page in
            let left = status.streams.compactMap(\.left).max()
            page.text(left.map { "The last ends in \(Quantity.duration($0))" } ?? "Exports are streams")
        }
        let since = status.time.secondsSinceEpoch - 300
        let recent = status.failures.count { $0.time.secondsSinceEpoch >= since }
        tile(&page, "Failures in five minutes", recent == status.failures.count && recent == 50 ? "50+" : "\(recent)") {
            page in
            page.element("a", [("href", "#failures-title")], "Last failures")
        }
    }

    private var failingNames: String {
        checks.filter { $0.finding.status == .failing }.map(\.name).joined(separator: ", ")
    }

    private var coverage: String {
        guard let accounts = status.cache.accounts else { return Quantity.count(status.cache.accountsCached) }
        return "\(Quantity.count(status.cache.accountsCached)) of \(Quantity.count(accounts))"
    }

    private func tile(
        _ page: inout HTMLWriter, _ title: String, _ value: String, _ detail: (inout HTMLWriter) -> Void
    ) {
        page.element("div", [("class", "tile")]) { page in
            page.element("span", [("class", "label")], title)
            page.element("strong", value)
            page.element("span", [], detail)
        }
    }

    // MARK: Checks

    private func checksTable(_ page: inout HTMLWriter) {
        page.element("ul", [("class", "checks")]) { page in
            // The worst first.
            for check in checks.enumerated().sorted(by: { ($0.element.rank, $0.offset) < ($1.element.rank, $1.offset) })
                .map(\.element)
            {
                page.element("li", [("class", check.finding.status.rawValue)]) { page in
                    page.element("span", [("class", "badge")], check.finding.status.rawValue)
                    page.element("b", check.name)
                    page.element("span", [("class", "muted")]) { page in
                        page.text("for ")
                        page.age(since: check.since, at: status.time)
                    }
                    if let detail = check.finding.detail { page.element("p", detail) }
                    if let remedy = check.finding.remedy {
                        page.element("p") { page in
                            page.element("b", "What to do: ")
                            page.text(remedy)
                        }
                    }
                }
            }
        }
    }

    // MARK: Rates

    private func rates(_ page: inout HTMLWriter) {
        guard !status.rates.isEmpty else { return page.element("p", "There is no limit: Zoom's plan is not set.") }
        page.table(
            "Requests to Zoom by master account and rate limit",
            [
                "Master", "Limit", "Used a second", "of", "Last five minutes", "Waiting", "Refused", "429", "Today",
                "Ends",
            ],
            numbers: [2, 3, 5, 6, 7]
        ) { page in
            for rate in status.rates {
                page.element("tr") { page in
                    page.element("th", [("scope", "row")], rate.master)
                    page.element("td", [("title", rate.operations.joined(separator: ", "))]) { page in
                        page.text(rate.label)
                        if rate.isOwnShare == true { page.element("span", [("class", "badge")], "own share") }
                    }
                    page.number(rate.usedPerSecond)
                    page.number(rate.limitPerSecond)
                    page.element("td") { RateChart(values: rate.history, limit: rate.limitPerSecond).write(to: &$0) }
                    page.number(rate.waiting)
                    page.number(rate.refused)
                    page.number(rate.tooManyRequests)
                    page.element("td") { page in
                        guard let day = rate.day else { return page.text("no quota") }
                        page.meter(day.used, of: day.limit, "Daily quota used")
                        page.value(day.used)
                        page.text(" of ")
                        page.value(day.limit)
                    }
                    page.element("td") { page in
                        guard rate.day != nil else { return page.text("–") }
                        guard let end = rate.dayEnds else { return page.text("after the reset") }
                        if end <= status.time { return page.text("used up; resets at 00:00 UTC") }
                        page.text("in ")
                        page.age(until: end, at: status.time)
                    }
                }
            }
        }
        page.table("Access tokens by master account", ["Master", "Token age", "Expires in", "Circuit breaker"]) {
            page in
            for token in status.tokens {
                page.element("tr") { page in
                    page.element("th", [("scope", "row")], token.master)
                    page.element("td", token.age.map(Quantity.duration) ?? "no token")
                    page.element("td", token.left.map { $0 < .zero ? "expired" : Quantity.duration($0) } ?? "–")
                    page.element("td", token.isCircuitOpen ? "open: calls fail at once" : "closed")
                }
            }
        }
    }

    // MARK: Streams

    private func streams(_ page: inout HTMLWriter) {
        if status.streams.isEmpty {
            page.element("p", "No stream is open.")
        } else {
            page.table(
                "Open streams",
                ["Reader", "Request id", "Done", "Progress", "Accounts a second", "Left", "State", "Open for"],
                numbers: [4]
            ) { page in
                for stream in status.streams { row(stream, &page) }
            }
        }
        guard let refresh = status.refresh else { return }
        page.element("p") { page in
            page.element("b", "Background refresh: ")
            page.text("round ")
            page.value(refresh.round)
            page.text(", ")
            page.value(refresh.done)
            page.text(" of ")
            page.value(refresh.accounts)
            page.text(" accounts, ")
            page.value(refresh.failures)
            page.text(" failures")
            if let began = refresh.began {
                page.text(", began ")
                page.age(since: began, at: status.time)
                page.text(" ago")
            }
        }
    }

    private func row(_ stream: ServiceStatus.Stream, _ page: inout HTMLWriter) {
        page.element("tr") { page in
            page.element("th", [("scope", "row")], stream.caller)
            page.element("td") { $0.element("code", stream.requestID) }
            page.element("td") { page in
                page.value(stream.done)
                if let accounts = stream.accounts {
                    page.text(" of ")
                    page.value(accounts)
                }
            }
            page.element("td") { page in
                guard let accounts = stream.accounts else { return page.text("–") }
                page.meter(stream.done, of: accounts, "Accounts done")
            }
            page.number(stream.perSecond)
            page.element("td", stream.left.map(Quantity.duration) ?? "–")
            page.element("td", stream.state.rawValue)
            page.element("td") { $0.age(since: stream.began, at: status.time) }
        }
    }

    // MARK: Cache

    private func cache(_ page: inout HTMLWriter) {
        let cache = status.cache
        page.facts { page in
            page.fact("Accounts with cached billing", coverage)
            page.fact("Cached answers to all operations") { $0.value(cache.entries) }
            page.fact("Memory", "\(Quantity.bytes(cache.bytes)) of \(Quantity.bytes(cache.bytesMax))")
            page.fact("Hit ratio, last five minutes", cache.hitRatio.map(Quantity.percent) ?? "–")
        }
        let most = cache.ages.map(\.entries).max() ?? 0
        page.table("Cached billing information by age", ["Age", "Accounts", "Share"], numbers: [1]) { page in
            var last = Duration.zero
            for age in cache.ages {
                page.element("tr") { page in
                    page.element(
                        "th", [("scope", "row")],
                        age.upTo.map { "\(last == .zero ? "up" : Quantity.duration(last)) to \(Quantity.duration($0))" }
                            ?? "over \(Quantity.duration(last))")
                    page.number(age.entries)
                    page.element("td") { $0.meter(age.entries, of: max(most, 1), "Share of the largest group") }
                }
                last = age.upTo ?? last
            }
        }
    }

    // MARK: Service

    private func service(_ page: inout HTMLWriter) {
        let process = status.process
        page.facts { page in
            page.fact("Version", process.version)
            page.fact("Up for", process.uptime(at: status.time).map(Quantity.duration) ?? "–")
            page.fact("Memory of the process", Quantity.bytes(process.residentBytes))
            page.fact("Open files") { page in
                page.value(process.openFiles)
                page.text(" of ")
                page.value(process.openFilesMax)
            }
            page.fact("Event loops") { $0.value(process.eventLoops) }
            switch status.store {
            case .memory: page.fact("Store", "memory of this process")
            case .file: page.fact("Store", "state file")
            case .redis(let isConnected, let replicas):
                page.fact("Store", isConnected ? "Redis, connected" : "Redis, not connected")
                page.fact("Replicas", replicas.map(Quantity.count) ?? "unknown")
            }
        }
    }

    // MARK: Connections

    private func connections(_ page: inout HTMLWriter) {
        page.table("Connections by protocol", ["Protocol", "Open", "Accepted"], numbers: [1, 2]) { page in
            for kind in status.connections {
                page.element("tr") { page in
                    page.element(
                        "th", [("scope", "row")], "HTTP/\(kind.version), \(kind.isEncrypted ? "TLS" : "clear text")")
                    page.number(kind.open)
                    page.number(kind.accepted)
                }
            }
        }
        page.facts { page in
            page.fact("Buffered", Quantity.bytes(status.requests.bufferedBytes))
        }
        if status.defences.isEmpty {
            page.element("p", "No defence has acted since the start.")
        } else {
            page.table("Defences that have acted since the start", ["Reason", "Times"], numbers: [1]) { page in
                for defence in status.defences {
                    page.element("tr") { page in
                        page.element("th", [("scope", "row")], defence.reason)
                        page.number(defence.count)
                    }
                }
            }
        }
    }

    // MARK: Failures

    private func failures(_ page: inout HTMLWriter) {
        guard !status.failures.isEmpty else { return page.element("p", "No request has failed since the start.") }
        page.table(
            "The last failed requests, the newest first",
            ["Time", "Status", "Request", "Request id", "Caller", "Took"], numbers: [1, 5]
        ) { page in
            for failure in status.failures {
                page.element("tr") { page in
                    page.element("td") { page in
                        page.element("time", [("datetime", failure.time.rfc3339)], failure.time.clock)
                    }
                    page.element("td", [("class", "n")], failure.status < 400 ? "incomplete" : "\(failure.status)")
                    page.element("td", "\(failure.method) \(failure.route)")
                    page.element("td") { $0.element("code", failure.requestID) }
                    page.element("td", failure.caller ?? "–")
                    page.element("td", [("class", "n")], Quantity.requestTime(failure.duration))
                }
            }
        }
    }
}

extension Health.Report {
    /// The place in a list whose worst check is the first.
    fileprivate var rank: Int {
        switch finding.status {
        case .failing: 0
        case .degraded: 1
        case .good: 2
        }
    }
}

extension Timestamp {
    /// The time of the day in UTC: `12:00:05`.
    var clock: String { String(rfc3339.dropFirst(11).dropLast()) }
}

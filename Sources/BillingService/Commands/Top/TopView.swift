import Adapters

/// What `top` shows of a status, from the most important section to the least.
struct TopView {
    struct Section {
        let title: String
        let lines: [StyledLine]

        /// Whether the first lines are useful without the others.
        var isList = false
    }

    private let status: JSONObject

    /// Whether there is room for charts.
    private let hasCharts: Bool

    /// The time of the status, in seconds since 1970.
    private let now: Int

    /// - Parameter hasCharts: False for text that other programs read.
    init(_ status: JSONObject, hasCharts: Bool) {
        self.status = status
        self.hasCharts = hasCharts
        now = TopFigures.seconds(status.text("time")) ?? 0
    }

    // MARK: Head

    /// The service, and whether it is ready.
    func head(url: String) -> [StyledLine] {
        let service = status["service"]?.object
        var first = StyledLine("billing-service " + (service?.text("version") ?? ""), .bold)
        first.add("  " + url)
        if let uptime = service?.number("uptime_s") { first.add("  up " + ProgressBar.duration(uptime)) }
        first.add("  " + LocalTime.text(of: now, hasSeconds: true), .dim)
        let isReady = status.flag("ready") ?? false
        var second = StyledLine(isReady ? "READY" : "NOT READY", isReady ? .green : .boldRed)
        var facts: [String] = []
        if let requests = status["requests"]?.object {
            facts.append("\(TopFigures.rate(requests.number("per_second") ?? 0)) requests per second")
            facts.append("\(TopFigures.count(requests.count("in_flight") ?? 0)) in flight")
        }
        if let memory = service?.count("memory_bytes") { facts.append("memory \(DownloadProgress.size(memory))") }
        if let files = service?.count("open_files") { facts.append("\(TopFigures.count(files)) open files") }
        second.add("  " + facts.joined(separator: ", "))
        return [first, second]
    }

    // MARK: Sections

    /// The sections that have lines.
    var sections: [Section] {
        [
            Section(title: "Checks", lines: checks, isList: true),
            Section(title: "Zoom's rate limits", lines: rates, isList: true),
            Section(title: "Zoom's daily quota", lines: days, isList: true),
            Section(title: "Tokens and cache", lines: tokens + cache),
            Section(title: "Streams and exports", lines: streams, isList: true),
            Section(title: "Service", lines: refresh + store + connections + defences),
            Section(title: "Last failures", lines: failures, isList: true),
        ].filter { !$0.lines.isEmpty }
    }

    /// The failing checks first, with what to do. The good ones share a line.
    private var checks: [StyledLine] {
        let checks = status.objects("checks")
        var lines: [StyledLine] = []
        for (name, style) in [("failing", TerminalStyle.boldRed), ("degraded", .yellow)] {
            for check in checks where check.text("status") == name {
                var line = StyledLine("\(check.text("name")) \(name)", style)
                if let since = TopFigures.seconds(check.text("since")) {
                    line.add(
                        " since \(LocalTime.text(of: since)) (\(ProgressBar.duration(Double(max(0, now - since)))))",
                        style)
                }
                if let detail = check["detail"]?.string { line.add(": \(detail)") }
                lines.append(line)
                if let remedy = check["remedy"]?.string { lines.append(StyledLine("  To do: \(remedy)")) }
            }
        }
        let others = checks.filter { !["failing", "degraded"].contains($0.text("status")) }
        if !others.isEmpty {
            var line = StyledLine("good: ", .green)
            line.add(others.map { $0.text("name") }.joined(separator: ", "))
            lines.append(line)
        }
        for check in others {
            if let detail = check["detail"]?.string {
                lines.append(StyledLine("  \(check.text("name")): \(detail)", .dim))
            }
        }
        return lines
    }

    private var rates: [StyledLine] {
        StyledTable.lines(
            status.objects("rates").map { rate in
                let (used, limit) = (rate.number("used_per_second") ?? 0, rate.number("limit_per_second") ?? 0)
                let share = limit > 0 ? used / limit : 0
                let (waiting, refusals) = (rate.count("waiting") ?? 0, rate.count("answers_429") ?? 0)
                let history = (rate["history"]?.array ?? []).compactMap { value -> Double? in
                    guard case .number(let text) = value else { return nil }
                    return Double(text)
                }
                return [
                    .init(rate.text("master")), .init(rate.text("label")),
                    .number(TopFigures.rate(used)), .init("of " + TopFigures.rate(limit) + "/s"),
                    .init(TopFigures.bar(share), TopFigures.style(share)),
                    .number("\(TopFigures.count(waiting)) waiting", waiting > 0 ? .yellow : nil),
                    .number("\(TopFigures.count(refusals)) x 429", refusals > 0 ? .yellow : nil),
                    .init(rate.flag("own_share") == true ? "own share" : ""),
                    .init(
                        hasCharts ? TopFigures.sparkline(history, scale: limit, columnsMax: 30) : "", .cyan),
                ]
            })
    }

    private var days: [StyledLine] {
        StyledTable.lines(
            status.objects("rates").compactMap { rate in
                guard let day = rate["day"]?.object, let limit = day.count("limit"), limit > 0 else { return nil }
                let used = day.count("used") ?? 0
                let share = Double(used) / Double(limit)
                var end = StyledTable.Cell("")
                if let time = TopFigures.seconds(day["exhausted_at"]?.string) {
                    end = .init("used up at \(LocalTime.text(of: time)) at this pace", .yellow)
                } else if let time = TopFigures.seconds(day["resets_at"]?.string) {
                    end = .init("renewed at \(LocalTime.text(of: time))")
                }
                if used >= limit { end = .init("used up", .red) }
                return [
                    .init(rate.text("master")), .init(rate.text("label")), .number(TopFigures.count(used)),
                    .init("of " + TopFigures.count(limit)), .init(TopFigures.bar(share), TopFigures.style(share)), end,
                ]
            })
    }

    private var tokens: [StyledLine] {
        status.objects("tokens").map { token in
            var line = StyledLine("access token of \(token.text("master"))  ")
            if let age = token.number("age_s") {
                line.add("\(ProgressBar.duration(age)) old")
                if let left = token.number("left_s") { line.add(", \(ProgressBar.duration(left)) left") }
            } else {
                line.add("none", .yellow)
            }
            if token.flag("circuit_open") == true { line.add(", circuit open: no calls to Zoom for a while", .red) }
            return line
        }
    }

    private var cache: [StyledLine] {
        guard let cache = status["cache"]?.object else { return [] }
        var facts: [String] = []
        if let cached = cache.count("accounts_cached") {
            let accounts = cache.count("accounts").map { " of \(TopFigures.count($0))" } ?? ""
            facts.append("\(TopFigures.count(cached))\(accounts) accounts")
        }
        if let ratio = cache.number("hit_ratio") { facts.append("hit ratio \(TopFigures.percent(ratio))") }
        if let entries = cache.count("entries") { facts.append("\(TopFigures.count(entries)) entries") }
        if let bytes = cache.count("bytes") {
            let most = cache.count("max_bytes").map { " of \(DownloadProgress.size($0))" } ?? ""
            facts.append(DownloadProgress.size(bytes) + most)
        }
        var lines = [StyledLine("cache  " + facts.joined(separator: ", "))]
        let ages = cache.objects("ages").compactMap { age -> String? in
            guard let entries = age.count("entries"), entries > 0 else { return nil }
            let name = age.number("up_to_s").map { "up to \(ProgressBar.duration($0))" } ?? "older"
            return "\(name): \(TopFigures.count(entries))"
        }
        if !ages.isEmpty { lines.append(StyledLine("age of the entries  " + ages.joined(separator: ", "))) }
        return lines
    }

    private var streams: [StyledLine] {
        StyledTable.lines(
            status.objects("streams").map { stream in
                let (done, accounts) = (stream.count("done") ?? 0, stream.count("accounts"))
                let share = accounts.map { $0 > 0 ? Double(done) / Double($0) : 1 }
                let state = stream.text("state")
                return [
                    .init(stream["caller"]?.string ?? "-"),
                    .number(TopFigures.count(done)), .init("of " + (accounts.map(TopFigures.count) ?? "?")),
                    .init(share.map(TopFigures.bar) ?? ""),
                    .number(TopFigures.rate(stream.number("per_second") ?? 0) + "/s"),
                    .init(stream.number("left_s").map { ProgressBar.duration($0) + " left" } ?? ""),
                    .init(state, state == "running" ? .green : .yellow), .init(stream.text("request_id"), .dim),
                ]
            })
    }

    private var refresh: [StyledLine] {
        guard let refresh = status["refresh"]?.object else { return [] }
        let accounts = refresh.count("accounts").map { " of \(TopFigures.count($0))" } ?? ""
        var line = StyledLine(
            "refresh  round \(refresh.count("round") ?? 0): \(TopFigures.count(refresh.count("done") ?? 0))\(accounts) accounts"
        )
        let failures = refresh.count("failures") ?? 0
        line.add(
            failures == 1 ? ", 1 failure" : ", \(TopFigures.count(failures)) failures", failures > 0 ? .yellow : nil)
        if let began = TopFigures.seconds(refresh["began"]?.string) {
            line.add(", began at \(LocalTime.text(of: began))")
        }
        return [line]
    }

    private var store: [StyledLine] {
        guard let store = status["store"]?.object else { return [] }
        var line = StyledLine("store  " + store.text("kind"))
        if let isConnected = store.flag("connected") {
            line.add(isConnected ? ", connected" : ", not connected", isConnected ? nil : .red)
        }
        if let replicas = store.count("replicas") { line.add(", \(replicas) replicas") }
        return [line]
    }

    private var connections: [StyledLine] {
        // Most services are called over one or two of the protocols.
        let all = status.objects("connections").filter { ($0.count("accepted") ?? 0) > 0 }
        guard !all.isEmpty else { return [] }
        let texts = all.map { kind in
            let name = "HTTP/\(kind.text("protocol"))" + (kind.flag("tls") == true ? " with TLS" : "")
            return "\(name) \(TopFigures.count(kind.count("open") ?? 0)) open, "
                + "\(TopFigures.count(kind.count("accepted") ?? 0)) accepted"
        }
        return [StyledLine("connections  " + texts.joined(separator: "; "))]
    }

    private var defences: [StyledLine] {
        let acted = status.objects("defences").filter { ($0.count("count") ?? 0) > 0 }
        guard !acted.isEmpty else { return [] }
        var line = StyledLine("defences  ")
        line.add(
            acted.map { "\($0.text("reason")) \(TopFigures.count($0.count("count") ?? 0))" }.joined(separator: ", "),
            .yellow)
        return [line]
    }

    private var failures: [StyledLine] {
        StyledTable.lines(
            status.objects("failures").map { failure in
                let code = failure.count("status") ?? 0
                return [
                    .init(
                        TopFigures.seconds(failure.text("time")).map { LocalTime.text(of: $0, hasSeconds: true) } ?? ""),
                    .init("\(code)", code >= 500 ? .red : .yellow),
                    .init("\(failure.text("method")) \(failure.text("route"))"),
                    .init(failure["caller"]?.string ?? "-"),
                    .number("\(TopFigures.rate(failure.number("duration_ms") ?? 0)) ms"),
                    .init(failure.text("request_id"), .dim),
                ]
            })
    }
}

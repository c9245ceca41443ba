import Domain
import NIOCore

/// The sandbox's own API under `/sandbox/`, with which tests control it and read its counts.
extension SandboxZoom {
    private static let bodyBytesMax = 65_536

    /// `nil` if the path is not under `/sandbox/`.
    func controlReply(to request: HTTPRequest) -> Reply? {
        guard request.path.starts(with: "/sandbox/".utf8) else { return nil }
        let path = String(decoding: request.path.dropFirst("/sandbox/".utf8.count), as: UTF8.self)
        switch (String(decoding: request.method, as: UTF8.self), path) {
        case ("GET", "accounts"): return .now(accountsResponse)
        case ("POST", "account"):
            return changing(request) { value throws(DocumentProblem) in try self.setMode(value) }
        case ("POST", "app"): return changing(request) { value throws(DocumentProblem) in try self.changeApp(value) }
        case ("GET", "counts"): return .now(countsResponse)
        case ("GET", "faults"): return .now(faultsResponse)
        case ("POST", "faults"):
            return changing(request) { value throws(DocumentProblem) in
                self.add(try SandboxFault(value, at: "the fault"))
            }
        case ("DELETE", "faults"):
            faults.removeAll()
            return .now(HTTPResponse(status: 204))
        case ("GET", "clock"): return .now(clockResponse)
        case ("POST", "clock"): return changing(request) { value throws(DocumentProblem) in try self.move(value) }
        case ("POST", "secret"):
            return changing(request) { value throws(DocumentProblem) in try self.setSecret(value) }
        case ("POST", "tokens/revoke"):
            revokeTokens()
            return .now(HTTPResponse(status: 204))
        case ("GET", "writes"): return writesReply(to: request)
        case ("DELETE", "writes"):
            clearWrites()
            return .now(HTTPResponse(status: 204))
        default: return .now(SandboxResponse.error(404, 404, "The sandbox has no such operation."))
        }
    }

    /// Parses the JSON body and applies a change.
    private func changing(
        _ request: HTTPRequest, _ change: @escaping @Sendable (JSONValue) throws(DocumentProblem) -> Void
    ) -> Reply {
        .eventually {
            guard let body = try? await request.body.collect(bytesMax: Self.bodyBytesMax),
                let value = try? JSONValue(parsing: Array(body.readableBytesView))
            else { return SandboxResponse.error(400, 300, "Request Body should be a valid JSON object.") }
            do throws(DocumentProblem) {
                try change(value)
                return HTTPResponse(status: 204)
            } catch {
                return SandboxResponse.error(400, 300, error.description)
            }
        }
    }

    /// The id of the first account of each kind.
    private var accountsResponse: HTTPResponse {
        SandboxResponse.json(status: 200) { object in
            for kind in SandboxAccountKind.allCases {
                let first = stride(from: kind.remainder, to: accounts.end, by: 100).first(where: accounts.contains)
                if let first { object.member(named: kind.rawValue) { $0.writeJSONString(accounts.id(of: first)) } }
            }
            for (number, kind) in SandboxPlanKind.allCases.enumerated() {
                // The first account of a kind of plan may be of another kind that writes its plans differently.
                let regular = stride(from: number, to: accounts.end, by: SandboxPlanKind.allCases.count).first {
                    accounts.kind(of: $0) == nil && accounts.contains($0) && !accounts.isFree($0)
                }
                if let regular { object.member(named: kind.rawValue) { $0.writeJSONString(accounts.id(of: regular)) } }
            }
        }
    }

    /// Changes the scopes of an app's later tokens, or the account that installed it.
    private func changeApp(_ value: JSONValue) throws(DocumentProblem) {
        let object = try StrictObject(value, at: "the app", members: ["client_id", "scopes", "account"])
        let id = try object.required("client_id", as: "a string") { $0.string }
        let scopes = try object.member("scopes", as: "an array of strings") { value -> [String]? in
            guard let values = value.array else { return nil }
            let scopes = values.compactMap(\.string)
            return scopes.count == values.count ? scopes : nil
        }
        let account = try object.member(
            "account", as: "one of \(SandboxConfiguration.App.Account.allCases.map(\.rawValue).joined(separator: ", "))"
        ) { $0.string.flatMap(SandboxConfiguration.App.Account.init) }
        let isKnown = change(appWithClientID: id) { app in
            if let scopes { app.scopes = scopes }
            if let account { app.account = account }
        }
        guard isKnown else { throw object.problem("there is no such app") }
    }

    /// Puts an account into a mode.
    private func setMode(_ value: JSONValue) throws(DocumentProblem) {
        let object = try StrictObject(value, at: "the account", members: ["account_id", "mode"])
        let id = try object.required("account_id", as: "a string") { $0.string }
        let mode = try object.required(
            "mode", as: "one of \(SandboxAccountMode.allCases.map(\.rawValue).joined(separator: ", "))"
        ) { $0.string.flatMap(SandboxAccountMode.init) }
        guard let number = accounts.number(of: id) else { throw object.problem("there is no such account") }
        set(mode, of: number)
    }

    /// The number of writes that are read from the journal at once.
    private static let writesInPiece = 256

    /// The journal of writes as NDJSON; of one account if `account_id` is in the query.
    private func writesReply(to request: HTTPRequest) -> Reply {
        guard let query = SandboxCall.form(request.query ?? []), Set(query.keys).isSubset(of: ["account_id"]) else {
            return .now(SandboxResponse.error(400, 300, "The query may have account_id once."))
        }
        let account = query["account_id"]
        var head = HTTPResponse(status: 200)
        head.fields.append(.contentType, "application/x-ndjson")
        return .stream(head) { [journal] body in
            var sequence = 0
            var piece = ByteBuffer()
            while true {
                let writes = journal.writes(after: sequence, limit: Self.writesInPiece)
                for write in writes where account == nil || write.account == account {
                    piece.writeJSONObject { write.write(to: &$0) }
                    piece.writeStaticString("\n")
                    guard piece.readableBytes >= SandboxReply.pieceBytesMax else { continue }
                    guard (try? await body.write(piece)) != nil else { return .broken }
                    piece.clear()
                }
                guard let last = writes.last?.sequence else { break }
                sequence = last
            }
            guard piece.readableBytes > 0 else { return .complete }
            return (try? await body.write(piece)) == nil ? .broken : .complete
        }
    }

    /// Like generating a new client secret in the Zoom Marketplace.
    private func setSecret(_ value: JSONValue) throws(DocumentProblem) {
        let object = try StrictObject(value, at: "the app", members: ["client_id", "client_secret"])
        let id = try object.member("client_id", as: "a string") { $0.string }
        let secret = try object.member("client_secret", as: "a string of 1 to 256 bytes") { value in
            value.string.flatMap { (1...256).contains($0.utf8.count) ? $0 : nil }
        }
        guard let id, let secret else { throw object.problem("\"client_id\" and \"client_secret\" are required") }
        guard change(appWithClientID: id, { $0.clientSecret = secret }) else {
            throw object.problem("there is no such app")
        }
    }

    private func move(_ value: JSONValue) throws(DocumentProblem) {
        let object = try StrictObject(value, at: "the clock", members: ["now", "advance_seconds"])
        let now = try object.member("now", as: "a time like 2026-01-31T12:00:00Z") { value in
            value.string.flatMap(Timestamp.init(rfc3339:))
        }
        let seconds = try object.member("advance_seconds", as: "a number from 0 to 1000000000") { (value) -> Int64? in
            guard case .number(let text) = value, let seconds = Int64(text) else { return nil }
            return (0...1_000_000_000).contains(seconds) ? seconds : nil
        }
        switch (now, seconds) {
        case (let now?, nil): clock.set(now)
        case (nil, let seconds?): clock.advance(bySeconds: seconds)
        case (nil, nil), (_?, _?): throw object.problem("either \"now\" or \"advance_seconds\" is required")
        }
    }

    private var clockResponse: HTTPResponse {
        SandboxResponse.json(status: 200) { $0.member("now", clock.timestamp.rfc3339) }
    }

    private var countsResponse: HTTPResponse {
        let counts = requestCounts
        return SandboxResponse.json(status: 200) { object in
            object.member("tokens", counts.tokens)
            object.member("billing", counts.billing)
            object.member("account_pages", counts.accountPages)
            object.member("rate_limited", counts.rateLimited)
            object.member("operations") { buffer in
                buffer.writeJSONObject { object in
                    for operation in SandboxOperation.allCases {
                        object.member(named: operation.rawValue) { buffer in
                            buffer.writeString(String(counts.operations[operation] ?? 0))
                        }
                    }
                }
            }
        }
    }

    private var faultsResponse: HTTPResponse {
        SandboxResponse.json(status: 200) { object in
            object.member("faults") { buffer in
                buffer.writeJSONArray(faults.entries) { buffer, entry in
                    buffer.writeJSONObject { object in
                        entry.fault.write(to: &object)
                        object.member("seen", entry.seen)
                        object.member("spoiled", entry.spoiled)
                    }
                }
            }
        }
    }
}

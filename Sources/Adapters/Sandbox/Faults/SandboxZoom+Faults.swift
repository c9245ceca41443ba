import Domain
import NIOCore

extension SandboxZoom {
    /// Applies a fault and a latency to a request.
    ///
    /// - Parameter regular: Makes the regular reply. It is not called if another response replaces it. If the connection
    ///   fails, it is called and its reply is discarded, since Zoom has processed the request.
    func inject(
        _ fault: SandboxFault?, after delay: Duration, into regular: @escaping @Sendable () -> Reply
    ) -> Reply {
        guard let fault else { return delayed(delay, regular) }
        switch fault.kind {
        case .latency: return delayed(delay, regular)
        case .badText:
            return .eventually { [self] in
                await wait(delay)
                return await response(of: regular()).withBadText()
            }
        case .tooManyASecond, .tooManyUntilSeconds, .tooManyUntilDate, .tooManyADay, .tooManyForUser, .tooManyBare,
            .status, .html, .empty, .wrongTypes, .tokenRevoked, .unavailableSeconds, .unavailableDate, .redirect:
            let response = SandboxResponse.replacement(for: fault, at: clock.timestamp)
            return delayed(delay) { .now(response) }
        case .huge:
            return .stream(Self.head) { [self] body in
                await wait(delay)
                let line = ByteBuffer(repeating: UInt8(ascii: " "), count: 64 * 1024)
                for _ in 0..<160 where (try? await body.write(line)) == nil { return .broken }
                return .complete
            }
        case .reset: return abandoned(.reset, delay, regular)
        case .goAway: return abandoned(.goAway, delay, regular)
        case .close: return abandoned(.disconnect, delay, regular)
        case .stall: return abandoned(.disconnect, .seconds(3600), regular)
        case .truncation, .resetHalfway:
            let isClean = fault.kind == .truncation
            return .stream(Self.head) { [self] body in
                await wait(delay)
                var bytes = await response(of: regular()).body
                _ = try? await body.write(bytes.readSlice(length: bytes.readableBytes / 2) ?? ByteBuffer())
                return isClean ? .complete : .broken
            }
        case .slowDrip:
            return .stream(Self.head) { [self] body in
                await wait(delay)
                var bytes = await response(of: regular()).body
                while let byte = bytes.readSlice(length: 1) {
                    guard (try? await body.write(byte)) != nil else { return .broken }
                    await wait(fault.delay)
                }
                return .complete
            }
        }
    }

    /// A response head without `Content-Length`, since the body is longer or shorter than the regular one.
    private static var head: HTTPResponse {
        var response = HTTPResponse(status: 200)
        response.fields.append(.contentType, "application/json;charset=UTF-8")
        return response
    }

    private func delayed(_ delay: Duration, _ regular: @escaping @Sendable () -> Reply) -> Reply {
        guard delay > .zero else { return regular() }
        return .eventually { [self] in
            await wait(delay)
            return await response(of: regular())
        }
    }

    private func abandoned(
        _ abandonment: Abandonment, _ delay: Duration, _ regular: @escaping @Sendable () -> Reply
    ) -> Reply {
        .abandoned { [self] in
            _ = await response(of: regular())
            await wait(delay)
            return abandonment
        }
    }

    private func response(of reply: Reply) async -> HTTPResponse {
        switch reply {
        case .now(let response): return response
        case .eventually(let make): return await make()
        case .stream, .abandoned: preconditionFailure("no operation of the sandbox streams or abandons its response")
        }
    }

    /// Returns early if the request is cancelled.
    private func wait(_ delay: Duration) async {
        guard delay > .zero else { return }
        try? await clock.sleep(until: clock.now + delay)
    }
}

extension SandboxResponse {
    /// The response that replaces the regular one.
    static func replacement(for fault: SandboxFault, at now: Timestamp) -> HTTPResponse {
        switch fault.kind {
        case .tooManyASecond:
            var response = tooManyASecond
            appendRateFields(.overPerSecond(limit: 20), .medium, to: &response)
            return response
        case .tooManyUntilSeconds:
            var response = tooManyASecond
            response.fields.append(.retryAfter, fault.retryAfterSeconds)
            return response
        case .tooManyUntilDate:
            var response = tooManyASecond
            let seconds = now.secondsSinceEpoch + Int64(fault.retryAfterSeconds)
            response.fields.append(.retryAfter, HTTPDate.text(secondsSinceEpoch: seconds))
            return response
        case .tooManyADay:
            let seconds = now.secondsSinceEpoch + Int64(fault.retryAfterSeconds)
            var response = tooManyADay(until: Timestamp(secondsSinceEpoch: seconds))
            response.fields.append(FieldName("x-ratelimit-category"), "Medium")
            response.fields.append(FieldName("x-ratelimit-type"), "Daily-limit")
            return response
        case .tooManyForUser:
            var response = error(
                429, 429,
                "You have exceeded the daily rate limit (100) of this API requests permitted for this particular user. "
                    + "You may resume these requests at GMT 00:00:00.")
            response.fields.append(FieldName("x-ratelimit-category"), "Light")
            response.fields.append(FieldName("x-ratelimit-remaining"), 79)
            return response
        case .tooManyBare: return HTTPResponse(status: 429)
        case .html:
            let page = "<html><head><title>\(fault.status)</title></head><body>The gateway has no answer.</body></html>"
            var response = HTTPResponse(status: fault.status, body: ByteBuffer(string: page))
            response.fields.append(.contentType, "text/html")
            return response
        case .empty: return HTTPResponse(status: 200)
        case .wrongTypes:
            return json(status: 200) { object in
                object.member("city", 94607)
                object.member("zip") { $0.writeString("{\"code\":94607}") }
                object.member("accounts", "none")
                object.member("access_token", 1)
                object.member("code", "300")
                object.member("message", "The code of this error is a string.")
            }
        case .tokenRevoked: return error(fault.status, 124, "Invalid access token.")
        case .unavailableSeconds:
            var response = error(503, 503, "The sandbox was told to fail.")
            response.fields.append(.retryAfter, fault.retryAfterSeconds)
            return response
        case .unavailableDate:
            var response = error(503, 503, "The sandbox was told to fail.")
            let seconds = now.secondsSinceEpoch + Int64(fault.retryAfterSeconds)
            response.fields.append(.retryAfter, HTTPDate.text(secondsSinceEpoch: seconds))
            return response
        case .redirect:
            var response = HTTPResponse(status: fault.status)
            response.fields.append(.location, "https://login.example/?from=zoom")
            return response
        case .status, .latency, .truncation, .huge, .reset, .resetHalfway, .goAway, .close, .stall, .slowDrip, .badText:
            return error(fault.status, fault.status, "The sandbox was told to fail.")
        }
    }
}

extension HTTPResponse {
    /// Members with human-readable text. Ids and tokens stay valid.
    private static let textMembers = ["city", "first_name", "account_name", "message", "reason", "token_type"]

    /// Inserts a lone surrogate and an invalid UTF-8 byte into each text, and adds a member with such a name.
    fileprivate func withBadText() -> HTTPResponse {
        let bad: [UInt8] = Array("\\ud83d".utf8) + [0xFF]
        var bytes = Array(body.readableBytesView)
        for name in Self.textMembers {
            let begin = Array("\"\(name)\":\"".utf8)
            var index = 0
            while index + begin.count <= bytes.count {
                if bytes[index] == begin[0], bytes[index..<index + begin.count].elementsEqual(begin) {
                    index += begin.count
                    bytes.insert(contentsOf: bad, at: index)
                }
                index += 1
            }
        }
        if bytes.first == UInt8(ascii: "{"), bytes.count > 2 {
            bytes.insert(
                contentsOf: Array("\"note ".utf8) + bad + Array("\":[\"".utf8) + bad + Array("\"],".utf8), at: 1)
        }
        var response = HTTPResponse(status: status, body: ByteBuffer(bytes: bytes))
        response.fields.append(.contentType, "application/json;charset=UTF-8")
        return response
    }
}

import Domain
import NIOCore

extension SandboxZoom {
    /// Applies a fault and a latency to a request.
    ///
    /// A read is processed unless another response replaces the regular one. `effectOnWrites` says which writes are.
    func inject(_ fault: SandboxFault?, after delay: Duration, into call: SandboxCall) -> Reply {
        guard let fault else { return delayed(delay, call, nil) }
        switch fault.kind {
        case .latency: return delayed(delay, call, fault)
        case .badText:
            // A file has no texts.
            if call.operation.respondsWithFile { return delayed(delay, call, fault) }
            return .eventually { [self] in await delayedResponse(to: call, delay, under: fault).withBadText() }
        case .statusAfterEffect, .success200, .emptyCreated:
            // The regular response of a read is changed here, that of a write when it takes effect.
            if call.operation.respondsWithFile { return delayed(delay, call, fault) }
            return .eventually { [self] in
                let response = await delayedResponse(to: call, delay, under: fault)
                return call.operation.isWrite
                    ? response : fault.changing(response, isSuccess: (200..<300).contains(response.status))
            }
        case .tooManyASecond, .tooManyUntilSeconds, .tooManyUntilDate, .tooManyADay, .tooManyForUser, .tooManyBare,
            .status, .html, .empty, .wrongTypes, .tokenRevoked, .unavailableSeconds, .unavailableDate, .redirect:
            let response = SandboxResponse.replacement(for: fault, call, at: clock.timestamp)
            guard delay > .zero || call.operation.isWrite else { return .now(response) }
            return replaced(by: response, after: delay, call, fault)
        case .refusedLate:
            let response = SandboxResponse.replacement(for: fault, call, at: clock.timestamp)
            return replaced(by: response, after: delay + fault.delay, call, fault)
        case .huge:
            return .stream(Self.head) { [self] body in
                await recordPrevented(call, by: fault, status: Self.head.status)
                await wait(delay)
                let line = ByteBuffer(repeating: UInt8(ascii: " "), count: 64 * 1024)
                for _ in 0..<160 where (try? await body.write(line)) == nil { return .broken }
                return .complete
            }
        case .reset, .resetAfterEffect: return abandoned(.reset, delay, call, fault)
        case .goAway: return abandoned(.goAway, delay, call, fault)
        case .close, .closeAfterEffect: return abandoned(.disconnect, delay, call, fault)
        case .stall, .noAnswerAfterEffect: return abandoned(.disconnect, .seconds(3600), call, fault)
        case .truncation:
            return pieces(of: call, after: delay, hasLength: false, fault) { reply, body in
                _ = await reply.send(reply.byteCount / 2, to: body)
                return .complete
            }
        case .resetHalfway:
            return pieces(of: call, after: delay, hasLength: true, fault) { reply, body in
                _ = await reply.send(reply.byteCount / 2, to: body)
                return .broken
            }
        case .slowDrip:
            return pieces(of: call, after: delay, hasLength: true, fault) { [self] reply, body in
                var offset = 0
                while offset < reply.byteCount {
                    let piece = reply.piece(at: offset, bytesMax: fault.bytes)
                    guard (try? await body.write(piece)) != nil else { return .broken }
                    offset += piece.readableBytes
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

    /// Sends a regular reply in pieces.
    ///
    /// - Parameter hasLength: Whether `Content-Length` states the length of a file.
    private func pieces(
        of call: SandboxCall, after delay: Duration, hasLength: Bool, _ fault: SandboxFault,
        _ send: @escaping @Sendable (SandboxReply, BodyWriter) async -> StreamEnding
    ) -> Reply {
        if call.operation.isWrite {
            return .eventuallyStreamed { [self] in
                let response = await delayedResponse(to: call, delay, under: fault)
                // A response without a body has no pieces.
                guard response.body.readableBytes > 0 else { return .whole(response) }
                var head = HTTPResponse(status: response.status)
                head.fields.append(.contentType, "application/json;charset=UTF-8")
                return .stream(head) { body in await send(SandboxReply(response), body) }
            }
        }
        guard call.operation.respondsWithFile else {
            return .stream(Self.head) { [self] body in
                await wait(delay)
                return await send(regularReply(to: call), body)
            }
        }
        // The head depends on the file, so the request is processed before the delay.
        let reply = immediateReply(to: call)
        return .stream(reply.head(hasLength: hasLength)) { [self] body in
            await wait(delay)
            return await send(reply, body)
        }
    }

    /// The response of an operation that does not respond with a file.
    ///
    /// A write takes effect before the delay, so that it is independent of how long the client waits.
    private func delayedResponse(
        to call: SandboxCall, _ delay: Duration, under fault: SandboxFault?
    ) async -> HTTPResponse {
        guard call.operation.isWrite else {
            await wait(delay)
            return await response(to: call)
        }
        let response = await response(to: call, under: fault)
        await wait(delay)
        return response
    }

    /// Another response, without processing the request.
    private func replaced(
        by response: HTTPResponse, after delay: Duration, _ call: SandboxCall, _ fault: SandboxFault
    ) -> Reply {
        .eventually { [self] in
            await recordPrevented(call, by: fault, status: response.status)
            await wait(delay)
            return response
        }
    }

    private func delayed(_ delay: Duration, _ call: SandboxCall, _ fault: SandboxFault?) -> Reply {
        guard delay > .zero else { return reply(to: call) }
        guard call.operation.respondsWithFile else {
            return .eventually { [self] in await delayedResponse(to: call, delay, under: fault) }
        }
        // The head of a file precedes the delay.
        let reply = immediateReply(to: call)
        if let response = reply.whole {
            return .eventually { [self] in
                await wait(delay)
                return response
            }
        }
        return .stream(reply.head(hasLength: true)) { [self] body in
            await wait(delay)
            return await reply.send(reply.byteCount, to: body) ? .complete : .broken
        }
    }

    private func abandoned(
        _ abandonment: Abandonment, _ delay: Duration, _ call: SandboxCall, _ fault: SandboxFault
    ) -> Reply {
        .abandoned { [self] in
            switch fault.kind.effectOnWrites {
            case .preventedWithoutResponse where call.operation.isWrite:
                await recordPrevented(call, by: fault, status: nil)
            case .applied, .appliedWithoutResponse, .prevented, .preventedWithoutResponse:
                _ = await regularReply(to: call, under: fault)
            }
            await wait(delay)
            return abandonment
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
    static func replacement(for fault: SandboxFault, _ call: SandboxCall, at now: Timestamp) -> HTTPResponse {
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
            response.fields.append(.location, location(fault.location, call))
            return response
        case .status, .refusedLate, .latency, .truncation, .huge, .reset, .resetHalfway, .goAway, .close, .stall,
            .slowDrip, .badText, .noAnswerAfterEffect, .resetAfterEffect, .closeAfterEffect, .statusAfterEffect,
            .success200, .emptyCreated:
            return error(fault.status, fault.code ?? fault.status, fault.message)
        }
    }

    /// - Parameter template: A URL in which `{invoiceId}` is the invoice of the request.
    private static func location(_ template: String, _ call: SandboxCall) -> String {
        let parts = template.split(separator: "{invoiceId}", omittingEmptySubsequences: false)
        return parts.joined(separator: call.invoice)
    }
}

extension SandboxFault {
    /// The response that replaces the regular response after the request was processed.
    func changing(_ response: HTTPResponse, isSuccess: Bool) -> HTTPResponse {
        switch kind {
        case .statusAfterEffect: SandboxResponse.error(status, code ?? status, message)
        case .success200: isSuccess ? HTTPResponse(status: 200) : response
        case .emptyCreated: isSuccess && response.status == 201 ? HTTPResponse(status: 201) : response
        case .latency, .tooManyASecond, .tooManyUntilSeconds, .tooManyUntilDate, .tooManyADay, .tooManyForUser,
            .tooManyBare, .status, .html, .empty, .truncation, .wrongTypes, .huge, .reset, .resetHalfway, .goAway,
            .close,
            .stall, .slowDrip, .tokenRevoked, .unavailableSeconds, .unavailableDate, .redirect, .badText, .refusedLate,
            .noAnswerAfterEffect, .resetAfterEffect, .closeAfterEffect:
            response
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

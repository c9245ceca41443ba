import Domain

extension ZoomFailure {
    /// The result of a failed write. It is unknown unless the answer or the connection proves that Zoom did not process the
    /// write.
    ///
    /// - Parameter mayHaveLeft: The request was passed to a connection.
    func result(of request: ZoomRequest, mayHaveLeft: Bool, _ translated: BillingFailure) -> WriteReport.Result {
        switch self {
        case .token, .rateLimited, .dailyQuotaSpent, .quotaSpent, .unavailable, .credentials, .scopesMissing, .stopped:
            return .notSent(translated)
        case .transport: return isUnprocessed || !mayHaveLeft ? .notSent(translated) : .unknown
        case .unreadable, .unusableFile: return .unknown
        // Neither a redirect nor a client error processes the request (RFC 9110, 15.4 and 15.5).
        case .misaddressed(.redirect): return .notSent(translated)
        case .misaddressed(.unknownPath(let status)), .misaddressed(.page(let status)):
            return (400..<500).contains(status) ? .notSent(translated) : .unknown
        case .api(let status, let code, _, _):
            if status < 500, let refusal = refusal(of: request) { return .answered(.refused(refusal)) }
            let isRefused = (400..<500).contains(status) || isTokenRefused || isScopeMissing || code == 429
            return isRefused && status < 500 ? .notSent(translated) : .unknown
        }
    }

    /// Zoom's refusal of the change itself; `nil` for an answer that says nothing about the change, such as a refused token.
    private func refusal(of request: ZoomRequest) -> SourceRefusal? {
        guard case .api(_, let code?, let message, _) = self, let account = request.account else { return nil }
        guard !isTokenRefused, !isScopeMissing else { return nil }
        if Self.isUnknownAccount(code: code, message: message) {
            return SourceRefusal(kind: .accountNotFound, code: 2001, message: "Account does not exist: \(account).")
        }
        if isSelfPay {
            return SourceRefusal(kind: .selfPay, code: code, message: "This sub account is on self pay mode.")
        }
        let text =
            ZoomRefusalTexts.documented(message, for: request.endpoint.operation)
            ?? "Zoom refused the change with code \(code) and a text that its documentation does not have."
        return switch code {
        case 3200, 3201, 3211: SourceRefusal(kind: .notFound, code: code, message: text)
        // Business rules, parameters, and accounts (Zoom: error codes).
        case 200, 300, 1000..<4000: SourceRefusal(kind: .refused, code: code, message: text)
        default: nil
        }
    }
}

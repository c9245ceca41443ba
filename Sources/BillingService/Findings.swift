import Adapters

/// What the adapters know of themselves, in the words of probes.
extension ZoomClient.Standing {
    var finding: Health.Finding {
        switch self {
        case .notAsked, .good: .good
        case .refused:
            .degraded(
                "Zoom refuses the credentials, or they lack a permission",
                remedy: "check the app's account id, client id, secret and scopes, and that it is activated")
        case .unreachable:
            .degraded(
                "the last call to Zoom failed",
                remedy: "look at the log for the reason; check the network, the proxy and zoom.ca-file")
        }
    }
}

extension ServerCertificate {
    /// Long enough to get another, on a working day.
    private static let warnsBefore = 14 * 86_400

    var finding: Health.Finding {
        let days = secondsLeft / 86_400
        if secondsLeft <= 0 {
            return .failing("the certificate has expired", remedy: "put a new one in the place of its file")
        }
        if let problem {
            return .degraded(
                "the files as they are now cannot be used: \(problem); the last good ones are in use",
                remedy: "mend the files; they are read again when they change")
        }
        if secondsLeft < Self.warnsBefore {
            return .degraded(
                "the certificate expires in \(days) days", remedy: "put a new one in the place of its file")
        }
        return .good
    }
}

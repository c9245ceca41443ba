import NIOCore
import NIOPosix

#if canImport(Glibc)
    import Glibc
#endif

/// The reason why a connection attempt failed, with origin and proxy. The texts contain no secrets.
package struct ConnectFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Cause: Sendable, Equatable {
        /// The name has no address.
        case unknownHost
        /// The resolver failed; the name may have an address.
        case resolverFailed
        case resolverTimedOut
        /// The name resolves to link-local addresses only, which are never connected to.
        case forbiddenAddress
        case refused
        case unreachable
        case connectTimedOut
        /// Another error of the socket, in the system's words.
        case socket(String)
        /// Status 407, or 401 from proxies that send it for a wrong password.
        case proxyAuthentication(_ status: Int, wasAttempted: Bool)
        /// The proxy refused the CONNECT request with this status.
        case proxyStatus(Int)
        case proxyTimedOut
        case proxyClosed
        /// The proxy's response is not HTTP.
        case proxyMalformed
        case tls(TLSFailure)
        case tlsTimedOut
        /// The peer closed the connection before the end of the TLS handshake.
        case tlsClosed
        /// The peer closed the connection immediately.
        case closed
        /// The queue of requests waiting for a connection is full.
        case tooManyWaiting
        /// The client is shutting down.
        case shuttingDown
    }

    package let cause: Cause

    /// The origin as `host:port`.
    package let origin: String

    /// The proxy as `host:port`, if one is configured for the origin.
    package let proxy: String?

    package init(_ cause: Cause, origin: String, proxy: String? = nil) {
        self.cause = cause
        self.origin = origin
        self.proxy = proxy
    }

    init(_ cause: Cause, to origin: Origin, through proxy: ForwardProxy? = nil) {
        self.init(cause, origin: origin.hostAndPort, proxy: proxy.map(\.hostAndPort))
    }

    /// Whether the cause is in this process and no connection was attempted.
    package var isOurs: Bool {
        switch cause {
        case .tooManyWaiting, .shuttingDown: true
        case .unknownHost, .resolverFailed, .resolverTimedOut, .forbiddenAddress, .refused, .unreachable,
            .connectTimedOut,
            .socket, .proxyAuthentication, .proxyStatus, .proxyTimedOut, .proxyClosed, .proxyMalformed, .tls,
            .tlsTimedOut,
            .tlsClosed, .closed:
            false
        }
    }

    /// The host that the socket connects to: the proxy or the origin.
    private var nextHop: String { proxy.map { "the proxy \($0)" } ?? origin }

    package var description: String {
        switch cause {
        case .unknownHost: "\(nextHop): the host name is not known"
        case .resolverFailed: "\(nextHop): the host name could not be looked up, the name server failed"
        case .resolverTimedOut: "\(nextHop): the host name could not be looked up in time"
        case .forbiddenAddress: "\(nextHop): the host has link-local addresses only, which are not connected to"
        case .refused: "\(nextHop) refused the connection"
        case .unreachable: "\(nextHop) cannot be reached, there is no route to it"
        case .connectTimedOut: "\(nextHop) did not accept the connection in time"
        case .socket(let reason): "\(nextHop): connecting failed (\(reason))"
        case .proxyAuthentication(let status, wasAttempted: false):
            "\(nextHop) demands a user name and a password (status \(status))"
        case .proxyAuthentication(let status, wasAttempted: true):
            "\(nextHop) refused the user name and password (status \(status))"
        case .proxyStatus(let status): "\(nextHop) did not connect to \(origin), it answered with status \(status)"
        case .proxyTimedOut: "\(nextHop) did not connect to \(origin) in time"
        case .proxyClosed: "\(nextHop) closed the connection instead of connecting to \(origin)"
        case .proxyMalformed: "\(nextHop) does not answer in HTTP"
        case .tls(let failure): "\(origin): \(failure)"
        case .tlsTimedOut: "\(origin) did not complete the TLS handshake in time"
        case .tlsClosed: "\(origin) closed the connection during the TLS handshake"
        case .closed: "\(origin) closed the connection at once"
        case .tooManyWaiting: "\(origin): too many requests wait for a connection"
        case .shuttingDown: "\(origin): no connection is made during the shutdown"
        }
    }

    /// The names of the connection settings, as shown to the user.
    package struct SettingNames: Sendable {
        package let address: String
        package let caFile: String

        /// `nil` if the caller does not support proxies.
        package let proxy: String?

        package init(address: String, caFile: String, proxy: String?) {
            self.address = address
            self.caFile = caFile
            self.proxy = proxy
        }
    }

    /// Advice for the user.
    package func remedy(_ names: SettingNames) -> String {
        // If `proxy` is set, `names.proxy` is set too.
        let proxySetting = names.proxy ?? "HTTPS_PROXY"
        let hopSetting = proxy == nil ? names.address : proxySetting
        let proxyHint = proxy == nil && names.proxy != nil ? "; if a proxy leads there, name it in \(proxySetting)" : ""
        switch cause {
        case .unknownHost:
            return "check the host name in \(hopSetting), and that the name server of this machine knows it\(proxyHint)"
        case .resolverFailed, .resolverTimedOut:
            return "check the name server of this machine (/etc/resolv.conf)\(proxyHint)"
        case .forbiddenAddress:
            return "check the host name in \(hopSetting), and what the name server answers for it"
        case .refused: return "check the host and port in \(hopSetting), and that a server listens there\(proxyHint)"
        case .unreachable, .connectTimedOut, .socket:
            return "check the host and port in \(hopSetting), the network and the firewall\(proxyHint)"
        case .proxyAuthentication(_, wasAttempted: false):
            return "put the user name and password into \(proxySetting), as http://user:password@host:port"
        case .proxyAuthentication(_, wasAttempted: true):
            return "correct the user name and password in \(proxySetting); special characters are percent-encoded there"
        case .proxyStatus(let status) where status >= 500:
            return "check the host and port in \(names.address), and whether the proxy can reach it"
        case .proxyStatus:
            return "have the proxy permit connections to \(origin), or except the host from it in NO_PROXY"
        case .proxyTimedOut, .proxyClosed:
            return "check whether the proxy works, can reach \(origin) and permits it"
        case .proxyMalformed: return "check the host and port in \(proxySetting)"
        case .tls(let failure): return failure.remedy(names)
        case .tlsTimedOut, .tlsClosed:
            return "check the port in \(names.address), and whether a firewall cuts off the connection\(proxyHint)"
        case .closed: return "check the port in \(names.address)"
        case .tooManyWaiting: return "send fewer requests at a time"
        case .shuttingDown: return "try again"
        }
    }
}

extension TLSFailure {
    fileprivate func remedy(_ names: ConnectFailure.SettingNames) -> String {
        switch self {
        case .peerUntrusted:
            "put the certificate of its issuer (PEM) into \(names.caFile); a firewall that decrypts TLS has an issuer of its "
                + "own"
        case .peerExpired: "the server needs a new certificate; check the clock of this machine, too"
        case .peerNotYetValid: "check the clock of this machine"
        case .peerNameMismatch: "check the host name in \(names.address): the certificate must be for it"
        case .peerInvalid: "the server needs another certificate"
        case .peerSpeaksNoTLS: "check the port in \(names.address): TLS is not spoken there"
        case .handshake, .broken:
            "the server must offer TLS 1.2 or 1.3; check the host and port in \(names.address), and whether a firewall stands "
                + "between"
        case .file, .keyMismatch, .certificateExpired, .certificateNotYetValid: "check the certificate files"
        }
    }
}

extension ConnectFailure.Cause {
    /// Selects the most specific of the errors that NIO reports for one or several addresses.
    init(connecting error: any Error) {
        let errors = (error as? NIOConnectionError)?.connectionErrors.map(\.error) ?? [error]
        let causes = errors.map(Self.cause(of:))
        self =
            causes.first { $0 == .refused } ?? causes.first { $0 == .connectTimedOut }
            ?? causes.first { $0 == .unreachable } ?? causes.first ?? .unreachable
    }

    private static func cause(of error: any Error) -> Self {
        if case ChannelError.connectTimeout = error { return .connectTimedOut }
        guard let code = (error as? IOError)?.errnoCode else { return .socket("unknown error") }
        switch code {
        case ECONNREFUSED: return .refused
        case ETIMEDOUT: return .connectTimedOut
        case ENETUNREACH, EHOSTUNREACH, ENETDOWN, EHOSTDOWN, EADDRNOTAVAIL, EAFNOSUPPORT: return .unreachable
        default: return .socket(strerror(code).map { String(cString: $0) } ?? "error \(code)")
        }
    }
}

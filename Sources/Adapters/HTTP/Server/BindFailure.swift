import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// The reason why a listener could not be opened.
package struct BindFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Cause: Sendable, Equatable {
        /// The host name does not resolve.
        case unknownHost
        /// The address belongs to no interface of this machine, or its address family is not available.
        case addressNotAvailable
        case portInUse
        /// The port is below 1024 and the process lacks the privilege to bind it.
        case notPermitted
        /// Another error; the text is the system's.
        case other(String)
    }

    package let host: String
    package let port: Int
    package let cause: Cause

    init(host: String, port: Int, _ error: any Error) {
        self.host = host
        self.port = port
        cause =
            switch error {
            case is AddressLookup.Unknown, is AddressLookup.Failed: .unknownHost
            case let error as IOError:
                switch error.errnoCode {
                case EADDRINUSE: .portInUse
                case EACCES, EPERM: .notPermitted
                case EADDRNOTAVAIL, EAFNOSUPPORT, ENODEV: .addressNotAvailable
                default: .other(String(cString: strerror(error.errnoCode)))
                }
            default: .other("\(error)")
            }
    }

    /// Whether the host is the cause, not the port.
    package var isOfHost: Bool {
        switch cause {
        case .unknownHost, .addressNotAvailable: true
        case .portInUse, .notPermitted, .other: false
        }
    }

    package var description: String {
        switch cause {
        case .unknownHost: "\(host) has no address that can be found"
        case .addressNotAvailable: "\(host) is no address of this machine"
        case .portInUse: "port \(port) of \(host) is in use already"
        case .notPermitted:
            "port \(port) of \(host) is not permitted: ports below 1024 need root or the capability CAP_NET_BIND_SERVICE"
        case .other(let reason): "port \(port) of \(host) cannot be opened: \(reason)"
        }
    }
}

import NIOCore

#if canImport(Glibc)
    import Glibc
#endif

/// A listener could not be opened.
package struct BindFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Cause: Sendable, Equatable {
        /// The host has no address.
        case unknownHost
        /// No interface of this machine has the address, or there is no such family of addresses here.
        case addressNotAvailable
        case portInUse
        /// The port is one of those below 1024, and this program has no right to them.
        case notPermitted
        /// The system's own word.
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

    /// Whether another host would help, and not another port.
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

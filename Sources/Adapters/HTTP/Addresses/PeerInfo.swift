package import NIOCore

/// The remote end of a connection: its address, protocol and client certificate.
package final class PeerInfo: Sendable {
    /// The peer's address. Behind a trusted balancer it is the address from the PROXY protocol header.
    package let address: SocketAddress?

    /// Whether the connection is encrypted.
    package let isEncrypted: Bool

    /// The HTTP version of the connection.
    package let applicationProtocol: ApplicationProtocol

    /// The subject alternative names of the verified client certificate, each with its type as a prefix: `DNS:`, `URI:`,
    /// `email:`, `IP:`. Empty without a client certificate.
    package let certificateNames: [String]

    package init(
        address: SocketAddress?, isEncrypted: Bool = false, applicationProtocol: ApplicationProtocol = .http2,
        certificateNames: [String] = []
    ) {
        self.address = address
        self.isEncrypted = isEncrypted
        self.applicationProtocol = applicationProtocol
        self.certificateNames = certificateNames
    }

    package static let unknown = PeerInfo(address: nil)
}

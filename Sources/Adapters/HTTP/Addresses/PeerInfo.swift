package import NIOCore

/// Who is at the other end of a connection, as far as the connection itself shows it.
package final class PeerInfo: Sendable {
    /// Its address, or the one that a balancer we trust said it has (PROXY protocol).
    package let address: SocketAddress?

    /// Whether the connection is encrypted.
    package let isEncrypted: Bool

    /// What is spoken on the connection.
    package let applicationProtocol: ApplicationProtocol

    /// The subject alternative names of the certificate it showed, with their kinds in front: `DNS:`, `URI:`, `email:`,
    /// `IP:`. Empty without one. They were verified.
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

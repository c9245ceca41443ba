import FoundationEssentials
import NIOCore

/// Why an answer cannot come from Zoom's API or token endpoint: another server is at the address.
package enum ZoomAddressFault: Sendable, Equatable {
    /// The server does not know the path.
    case unknownPath(status: Int)
    /// A redirect, which Zoom's API never answers with, and the origin it leads to.
    case redirect(status: Int, to: String?)
    /// HTML or XML instead of JSON.
    case page(status: Int)

    /// Zoom's error code for an unknown path.
    private static let unknownPathCode = 2300

    /// - Parameters:
    ///   - object: The body, if it is a JSON object.
    ///   - code: Zoom's error code in the body.
    ///   - namesInvoice: The path names an invoice, which may be unknown. Zoom does not document the code of that error.
    init?(_ response: ClientResponse, object: JSONObject?, code: Int?, namesInvoice: Bool = false) {
        switch response.status {
        case 300..<400:
            self = .redirect(status: response.status, to: response.fields.string(.location).flatMap(Self.origin))
        case _ where code == Self.unknownPathCode: self = .unknownPath(status: response.status)
        // Error codes about accounts begin at 1000 (Zoom: error codes). The code of an unknown invoice is not documented.
        case 404, 405, 410:
            if let code, code >= 1000 || namesInvoice { return nil }
            self = .unknownPath(status: response.status)
        // Gateways in front of Zoom answer these statuses with pages.
        case 408, 429, 500...: return nil
        default:
            guard object == nil, Self.isPage(response) else { return nil }
            self = .page(status: response.status)
        }
    }

    private static func isPage(_ response: ClientResponse) -> Bool {
        if let type = response.fields.string(.contentType)?.lowercased(), type.contains("html") { return true }
        let blanks: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
        return response.body.readableBytesView.first { !blanks.contains($0) } == UInt8(ascii: "<")
    }

    /// Scheme, host and port only: the rest of a `Location` may hold secrets.
    private static func origin(_ location: String) -> String? {
        guard location.utf8.count <= 2000, let url = URLComponents(string: location), let scheme = url.scheme,
            let host = url.host, host.utf8.count <= 255
        else { return nil }
        return "\(scheme)://\(host)\(url.port.map { ":\($0)" } ?? "")"
    }

    /// The fault as the end of a sentence that begins with the address.
    var reason: String {
        switch self {
        case .unknownPath(let status): "answers with status \(status), and not in Zoom's form: nothing is at this path"
        case .redirect(let status, let origin):
            "answers with a redirect (status \(status)\(origin.map { ", to \($0)" } ?? "")), which Zoom does not"
        case .page(let status): "answers with a web page (status \(status)) instead of JSON"
        }
    }
}

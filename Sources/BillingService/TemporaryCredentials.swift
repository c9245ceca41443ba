import Adapters
import FoundationEssentials
import NIOCore

/// The credentials of a sandbox's app in a file of their own, in a folder nobody else can look into.
struct TemporaryCredentials {
    private let folder: URL
    let path: String

    init(_ app: SandboxConfiguration.App) throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "billing-service-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        path = folder.appending(path: "credentials.json").path()
        try Self.write(app, to: path)
    }

    static func write(_ app: SandboxConfiguration.App, to path: String) throws {
        var file = ByteBuffer()
        file.writeJSONObject { object in
            object.member("masters") { buffer in
                buffer.writeJSONArray([app]) { buffer, app in
                    buffer.writeJSONObject { object in
                        object.member("name", "sandbox")
                        object.member("account_id", app.accountID)
                        object.member("client_id", app.clientID)
                        object.member("client_secret", app.clientSecret)
                    }
                }
            }
        }
        let isWritten = FileManager.default.createFile(
            atPath: path, contents: Data(file.readableBytesView), attributes: [.posixPermissions: 0o600])
        guard isWritten else { throw CocoaError(.fileWriteUnknown) }
    }

    func remove() {
        try? FileManager.default.removeItem(at: folder)
    }
}

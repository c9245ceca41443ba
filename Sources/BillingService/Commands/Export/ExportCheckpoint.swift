import Adapters
import NIOCore

/// The progress of an export, stored in `NAME.partial.state`.
struct ExportCheckpoint: Equatable, Sendable {
    let identity: ExportIdentity

    /// Bytes of the partial file that contain complete pages.
    var bytes = 0

    /// The last account of these pages.
    var after: String?

    var taken = 0
    var contacts = 0

    /// The number of failures by code.
    var failures: [String: Int] = [:]

    /// The scope of the stream; see `ExportPage.scope`.
    var scope: String?

    init(identity: ExportIdentity) {
        self.identity = identity
    }

    /// Adds a page after its lines were written.
    mutating func add(_ page: ExportPage, bytes count: Int) {
        bytes += count
        taken += page.records.count
        after = page.records.last?.account ?? after
        scope = page.scope ?? scope
        for record in page.records {
            if record.isFailure {
                failures["\(record.object["code"]?.integer ?? 0)", default: 0] += 1
            } else {
                contacts += 1
            }
        }
    }

    var failureCount: Int { failures.values.reduce(0, +) }
}

extension ExportCheckpoint {
    /// The version of the file format.
    private static let version = 2

    var text: ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeJSONObject { object in
            object.member("version", Self.version)
            identity.write(to: &object)
            object.member("bytes", bytes)
            object.member("after", after)
            object.member("taken", taken)
            object.member("contacts", contacts)
            object.member("failures") { buffer in
                buffer.writeJSONObject { members in
                    for (code, count) in failures.sorted(by: { $0.key < $1.key }) {
                        members.member(named: code, text: Array(String(count).utf8))
                    }
                }
            }
            object.member("scope", scope)
        }
        return buffer
    }

    /// nil for a text that is not a checkpoint of this version.
    init?(parsing bytes: [UInt8]) {
        guard let object = (try? JSONValue(parsing: bytes))?.object, object["version"]?.integer == Self.version,
            let identity = ExportIdentity(object), let count = object["bytes"]?.integer, count >= 0,
            let taken = object["taken"]?.integer, taken >= 0, let contacts = object["contacts"]?.integer
        else { return nil }
        self.identity = identity
        self.bytes = count
        self.taken = taken
        self.contacts = contacts
        after = object["after"]?.string
        scope = object["scope"]?.string
        for member in object["failures"]?.object?.members ?? [] { failures[member.name] = member.value.integer ?? 0 }
    }
}

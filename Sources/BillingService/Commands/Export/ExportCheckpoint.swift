import Adapters
import NIOCore

/// The progress of an export, stored in `NAME.partial.state`.
struct ExportCheckpoint: Equatable, Sendable {
    let identity: ExportIdentity

    /// Bytes of the partial file that contain complete pages.
    var bytes = 0

    /// The last account of these pages.
    var after: String?

    /// The number of accounts of these pages.
    var taken = 0

    /// The number of lines of each type.
    var records: [RecordType: Int] = [:]

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
        taken += page.accounts
        after = page.records.last?.account ?? after
        scope = page.scope ?? scope
        for record in page.records {
            if record.isFailure {
                failures["\(record.object["code"]?.integer ?? 0)", default: 0] += 1
            } else if let type = record.type {
                records[type, default: 0] += 1
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
            for type in RecordType.allCases where type == .contact || records[type] != nil {
                object.member(named: Self.name(of: type), text: Array(String(records[type] ?? 0).utf8))
            }
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

    /// The name of the number of lines of a type.
    static func name(of type: RecordType) -> String {
        switch type {
        case .contact: "contacts"
        case .plans, .usage, .invoices: type.rawValue
        }
    }

    /// nil for a text that is not a checkpoint of this version.
    init?(parsing bytes: [UInt8]) {
        guard let object = (try? JSONValue(parsing: bytes))?.object, object["version"]?.integer == Self.version,
            let identity = ExportIdentity(object), let count = object["bytes"]?.integer, count >= 0,
            let taken = object["taken"]?.integer, taken >= 0, object["contacts"]?.integer != nil
        else { return nil }
        self.identity = identity
        self.bytes = count
        self.taken = taken
        after = object["after"]?.string
        scope = object["scope"]?.string
        for type in RecordType.allCases { records[type] = object[Self.name(of: type)]?.integer }
        for member in object["failures"]?.object?.members ?? [] { failures[member.name] = member.value.integer ?? 0 }
    }
}

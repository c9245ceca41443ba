import Adapters
import NIOCore

/// The progress of an export, stored in `NAME.partial.state`.
struct ExportCheckpoint: Equatable, Sendable {
    let identity: ExportIdentity

    /// Bytes of the partial file that contain complete accounts.
    var bytes = 0

    /// The last of these accounts.
    var after: String?

    /// The number of these accounts.
    var taken = 0

    /// The number of lines of each type.
    var records: [RecordType: Int] = [:]

    /// The number of failures by code.
    var failures: [String: Int] = [:]

    /// The number of accounts that have vanished, in an export of changes.
    var gone = 0

    /// The moment of the first stream: later changes are in an export of the changes since then. nil if the service does not
    /// send it, or if several replicas sent the streams.
    var moment: String?

    /// The scope of the stream: the response field `billing-account-scope`; nil if the service does not send it.
    var scope: String?

    init(identity: ExportIdentity) {
        self.identity = identity
    }

    /// The progress after a batch.
    ///
    /// - Parameters:
    ///   - scope: The response field `billing-account-scope`; nil if the service does not send it.
    ///   - bytes: The size of the batch in the file.
    func adding(_ batch: ExportBatch, scope: String?, bytes: Int) -> ExportCheckpoint {
        var next = self
        next.bytes += bytes
        next.taken += batch.accounts
        next.after = batch.lastAccount ?? after
        next.scope = scope ?? self.scope
        next.gone += batch.gone
        next.moment = moment ?? batch.moment
        // The moment of one replica does not tell what another one has left out.
        if let replica = batch.replica, next.moment?.hasSuffix(replica + "Z") == false { next.moment = nil }
        next.records.merge(batch.records, uniquingKeysWith: +)
        next.failures.merge(batch.failures, uniquingKeysWith: +)
        return next
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
            if gone > 0 { object.member("gone", gone) }
            if let moment { object.member("moment", moment) }
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
        gone = object["gone"]?.integer ?? 0
        moment = object["moment"]?.string
        for type in RecordType.allCases { records[type] = object[Self.name(of: type)]?.integer }
        for member in object["failures"]?.object?.members ?? [] { failures[member.name] = member.value.integer ?? 0 }
    }
}

package import NIOCore

/// A plain GET or HEAD: places in bytes that are valid during the call, and the peer. Never stored.
package struct PlainRequest: ~Copyable {
    private let fields: PlainFields
    private let bytes: UnsafeRawBufferPointer
    package let peer: PeerInfo

    /// When its last bytes were read.
    package let arrived: NIODeadline
    package let isHead: Bool

    private init(
        _ fields: PlainFields, _ bytes: UnsafeRawBufferPointer, _ peer: PeerInfo, arrived: NIODeadline, isHead: Bool
    ) {
        self.fields = fields
        self.bytes = bytes
        self.peer = peer
        self.arrived = arrived
        self.isHead = isHead
    }

    /// The request with these fields; `nil` if it is not plain.
    ///
    /// - Parameter bytes: Must outlive the request.
    static func make(
        _ fields: PlainFields, in bytes: UnsafeRawBufferPointer, from peer: PeerInfo, arrived: NIODeadline,
        targetBytesMax: Int
    ) -> PlainRequest? {
        guard fields.isPlain, fields.path.count <= targetBytesMax,
            HTTPRequest.isAuthority(UnsafeRawBufferPointer(rebasing: bytes[fields.authority.range]))
        else { return nil }
        let isHead = !fields.hasMethod("GET", in: bytes)
        guard !isHead || fields.hasMethod("HEAD", in: bytes) else { return nil }
        return PlainRequest(fields, bytes, peer, arrived: arrived, isHead: isHead)
    }

    /// The fields whose values a fast path may read.
    package enum Field {
        /// The target: a path, perhaps with a query.
        case path
        case authorization
        case cacheControl
        case forwarded
        case ifNoneMatch
        case requestID
        case traceparent
        case xForwardedFor
    }

    private func place(of field: Field) -> PlainFields.Place {
        switch field {
        case .path: fields.path
        case .authorization: fields.authorization
        case .cacheControl: fields.cacheControl
        case .forwarded: fields.forwarded
        case .ifNoneMatch: fields.ifNoneMatch
        case .requestID: fields.requestID
        case .traceparent: fields.traceparent
        case .xForwardedFor: fields.xForwardedFor
        }
    }

    package func has(_ field: Field) -> Bool { !place(of: field).isEmpty }

    /// Calls `body` with the value, which is empty if the request does not have the field.
    package func withValue<Result>(_ field: Field, _ body: (Span<UInt8>) -> Result) -> Result {
        let value = UnsafeRawBufferPointer(rebasing: bytes[place(of: field).range])
        return value.withMemoryRebound(to: UInt8.self) { body($0.span) }
    }

    /// A copy of the value; empty if the request does not have the field.
    package func value(_ field: Field) -> [UInt8] { Array(bytes[place(of: field).range]) }

    /// The value as text; `nil` if the request does not have the field.
    package func string(_ field: Field) -> String? {
        has(field) ? String(decoding: bytes[place(of: field).range], as: UTF8.self) : nil
    }

    /// Whether the value is this one. The time does not depend on how many of its bytes are.
    package func hasValue(_ field: Field, equalTo other: [UInt8]) -> Bool {
        let place = place(of: field)
        guard place.count == other.count else { return false }
        let value = UnsafeRawBufferPointer(rebasing: bytes[place.range])
        return other.withUnsafeBytes { other in
            var difference: UInt64 = 0
            var offset = 0
            while offset &+ 8 <= value.count {
                difference |=
                    value.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    ^ other.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                offset &+= 8
            }
            while offset < value.count {
                difference |= UInt64(value[offset] ^ other[offset])
                offset &+= 1
            }
            return difference == 0
        }
    }
}

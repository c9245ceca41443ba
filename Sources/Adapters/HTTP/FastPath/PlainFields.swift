import Glibc

/// The fields of a plain request: where the values are that matter. Filled field by field. A value without references: the
/// bytes belong to the connection.
struct PlainFields {
    /// Where a value is in the bytes of the request.
    struct Place {
        private var start: UInt32 = 0
        private var end: UInt32 = 0

        init() {}

        init(start: Int, count: Int) {
            self.start = UInt32(truncatingIfNeeded: start)
            end = UInt32(truncatingIfNeeded: start &+ count)
        }

        var isEmpty: Bool { start == end }
        var count: Int { Int(end &- start) }
        var range: Range<Int> { Int(start)..<Int(end) }
    }

    private(set) var method = Place()
    private(set) var path = Place()
    private(set) var authority = Place()
    private(set) var authorization = Place()
    private(set) var requestID = Place()
    private(set) var ifNoneMatch = Place()
    private(set) var cacheControl = Place()
    private(set) var traceparent = Place()
    private(set) var forwarded = Place()
    private(set) var xForwardedFor = Place()

    /// `false` once a field was added that the fast path does not understand.
    private(set) var isPlain = true

    /// The accepted fields. At most 32.
    private enum Name: UInt32 {
        case accept
        case acceptEncoding
        case acceptLanguage
        case authorization
        case cacheControl
        case connection
        case forwarded
        case host
        case ifNoneMatch
        case priority
        case referer
        case requestID
        case traceparent
        case userAgent
        case via
        case xForwardedFor
        case xForwardedHost
        case xForwardedPort
        case xForwardedProto
        case xRealIP
    }

    /// A bit for each name that was added, to detect repeated ones.
    private var names: UInt32 = 0

    /// Adds a field whose name starts with `:`.
    ///
    /// - Parameter place: Where the value is.
    mutating func addPseudo(_ name: UnsafeBufferPointer<UInt8>, at place: Place) {
        // The parser has checked that no other pseudo-header fields occur, and none twice (RFC 9113, 8.3).
        switch (name.count, name[1]) {
        case (5, _): path = place
        case (7, UInt8(ascii: "m")): method = place
        case (7, _): break
        case (10, _): authority = place
        default: isPlain = false
        }
    }

    func hasMethod(_ name: StaticString, in bytes: UnsafeRawBufferPointer) -> Bool {
        guard method.count == name.utf8CodeUnitCount, let start = bytes.baseAddress else { return false }
        return memcmp(start + method.range.lowerBound, name.utf8Start, method.count) == 0
    }

    /// Adds a field of HTTP/1.1 with this method and target.
    mutating func setRequestLine(method: Place, target: Place) {
        self.method = method
        path = target
    }

    /// Adds a field.
    ///
    /// - Parameters:
    ///   - name: In any case, not empty, without control characters.
    ///   - value: Without surrounding whitespace and control characters.
    ///   - place: Where the value is.
    mutating func add(
        _ name: UnsafeBufferPointer<UInt8>, _ value: UnsafeBufferPointer<UInt8>, at place: Place, isHTTP1: Bool
    ) {
        // Every value that matters has at least one byte: an empty place means that the field is absent.
        guard isPlain, !value.isEmpty else {
            isPlain = false
            return
        }
        switch name.count {
        case 3 where name.isName("via"): note(.via)
        case 4 where isHTTP1 && name.isName("host"):
            note(.host)
            authority = place
        case 6 where name.isName("accept"):
            note(.accept)
            if !Self.acceptsJSON(value) { isPlain = false }
        case 7 where name.isName("referer"): note(.referer)
        case 8 where name.isName("priority"): note(.priority)
        case 9 where name.isName("forwarded"):
            note(.forwarded)
            forwarded = place
        case 9 where name.isName("x-real-ip"): note(.xRealIP)
        case 10 where name.isName("user-agent"): note(.userAgent)
        case 10 where isHTTP1 && name.isName("connection"):
            note(.connection)
            if !value.isName("keep-alive") { isPlain = false }
        case 11 where name.isName("traceparent"):
            note(.traceparent)
            traceparent = place
        case 12 where name.isName("x-request-id"):
            note(.requestID)
            requestID = place
        case 13 where name.isName("authorization"):
            note(.authorization)
            authorization = place
        case 13 where name.isName("cache-control"):
            note(.cacheControl)
            cacheControl = place
        case 13 where name.isName("if-none-match"):
            note(.ifNoneMatch)
            ifNoneMatch = place
        case 15 where name.isName("accept-encoding"): note(.acceptEncoding)
        case 15 where name.isName("accept-language"): note(.acceptLanguage)
        case 15 where name.isName("x-forwarded-for"):
            note(.xForwardedFor)
            xForwardedFor = place
        case 16 where name.isName("x-forwarded-host"): note(.xForwardedHost)
        case 16 where name.isName("x-forwarded-port"): note(.xForwardedPort)
        case 17 where name.isName("x-forwarded-proto"): note(.xForwardedProto)
        default: isPlain = false
        }
    }

    private mutating func note(_ name: Name) {
        let bit = 1 << name.rawValue as UInt32
        if names & bit != 0 { isPlain = false }
        names |= bit
    }

    /// Whether `Accept` is one of the values with which most clients ask for JSON. The general way parses all others.
    private static func acceptsJSON(_ value: UnsafeBufferPointer<UInt8>) -> Bool {
        switch value.count {
        case 3: value.isName("*/*")
        case 16: value.isName("application/json")
        case 33: value.isName("application/json, text/plain, */*")
        default: false
        }
    }
}

extension UnsafeBufferPointer<UInt8> {
    /// Whether these are the bytes of `name`, in any case. They must not have control characters, which the bit 0x20 makes
    /// others: a carriage return a hyphen. `name` is in lower case.
    @inline(__always)
    func isName(_ name: StaticString) -> Bool {
        guard let bytes = UnsafeRawPointer(baseAddress), count == name.utf8CodeUnitCount else { return false }
        let wanted = UnsafeRawPointer(name.utf8Start)
        if count >= 8 {
            var difference: UInt64 = 0
            var offset = 0
            while offset &+ 8 <= count {
                difference |= Self.difference(bytes, wanted, at: offset)
                offset &+= 8
            }
            // The last word overlaps the one before it.
            return difference | Self.difference(bytes, wanted, at: count &- 8) == 0
        }
        var offset = 0
        while offset < count {
            if bytes.load(fromByteOffset: offset, as: UInt8.self) | 0x20
                != wanted.load(fromByteOffset: offset, as: UInt8.self)
            {
                return false
            }
            offset &+= 1
        }
        return true
    }

    @inline(__always)
    private static func difference(_ bytes: UnsafeRawPointer, _ wanted: UnsafeRawPointer, at offset: Int) -> UInt64 {
        (bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self) | 0x2020_2020_2020_2020)
            ^ wanted.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }
}

import Adapters
import NIOCore
import Testing

@Suite("Connection watch")
struct ConnectionWatchTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private static func watch(isHTTP2: Bool = true, requestsMax: Int = 1000) -> ConnectionWatch {
        var timeouts = Timeouts()
        timeouts.headers = .seconds(10)
        timeouts.idle = .seconds(120)
        timeouts.keepalive = .seconds(30)
        timeouts.keepaliveAnswer = .seconds(10)
        timeouts.settingsAcknowledgement = .seconds(5)
        timeouts.connectionAge = .hours(1)
        var limits = Limits()
        limits.requestsPerConnectionMax = requestsMax
        return ConnectionWatch(timeouts: timeouts, limits: limits, isHTTP2: isHTTP2, now: start)
    }

    private static func after(_ seconds: Int64) -> NIODeadline { start + .seconds(seconds) }

    @Test("a connection without a request is drained after the idle timeout")
    func idle() {
        var watch = Self.watch()
        watch.settingsAcknowledged()
        #expect(watch.nextCheck(after: Self.start) == Self.after(120))
        #expect(watch.check(at: Self.after(119)) == .none)
        #expect(watch.check(at: Self.after(120)) == .drain(.idle))
        #expect(watch.check(at: Self.after(121)) == .none)
    }

    @Test("idle time starts at the end of the last request, and received bytes do not restart it")
    func busy() {
        var watch = Self.watch(isHTTP2: false)
        watch.exchangeBegan()
        #expect(watch.check(at: Self.after(500)) == .none)
        watch.exchangeEnded(at: Self.after(600))
        watch.received(at: Self.after(700))
        #expect(watch.check(at: Self.after(719)) == .none)
        #expect(watch.check(at: Self.after(720)) == .drain(.idle))
    }

    @Test("received bytes do not extend the header timeout")
    func headers() {
        var watch = Self.watch(isHTTP2: false)
        watch.headBegan(at: Self.after(1))
        watch.received(at: Self.after(10))
        watch.headBegan(at: Self.after(10))
        #expect(watch.nextCheck(after: Self.after(10)) == Self.after(11))
        #expect(watch.check(at: Self.after(11)) == .cutOff(.headers))
    }

    @Test("a complete head stops the header timeout")
    func headersEnded() {
        var watch = Self.watch(isHTTP2: false)
        watch.headBegan(at: Self.after(1))
        watch.headEnded()
        #expect(watch.check(at: Self.after(60)) == .none)
    }

    @Test("a silent peer with an open request gets one PING, and is cut off without an acknowledgement")
    func keepalive() {
        var watch = Self.watch()
        watch.settingsAcknowledged()
        watch.exchangeBegan()
        #expect(watch.check(at: Self.after(29)) == .none)
        #expect(watch.check(at: Self.after(30)) == .ping)
        #expect(watch.check(at: Self.after(39)) == .none)
        #expect(watch.check(at: Self.after(40)) == .cutOff(.keepalive))
    }

    @Test("an acknowledged PING keeps the connection open and restarts the keepalive timer")
    func answered() {
        var watch = Self.watch()
        watch.settingsAcknowledged()
        watch.exchangeBegan()
        #expect(watch.check(at: Self.after(30)) == .ping)
        watch.received(at: Self.after(31))
        watch.pingAnswered()
        #expect(watch.check(at: Self.after(60)) == .none)
        #expect(watch.check(at: Self.after(61)) == .ping)
    }

    @Test("a peer with unread data gets no PING and is not cut off for an earlier one")
    func behind() {
        var watch = Self.watch()
        watch.settingsAcknowledged()
        watch.exchangeBegan()
        #expect(watch.check(at: Self.after(60), isPeerBehind: true) == .none)
        #expect(watch.check(at: Self.after(61)) == .ping)
        #expect(watch.check(at: Self.after(100), isPeerBehind: true) == .none)
        #expect(watch.check(at: Self.after(101)) == .ping)
    }

    @Test("no PING is sent without an open request or on HTTP/1.1")
    func withoutPing() {
        var quiet = Self.watch()
        quiet.settingsAcknowledged()
        #expect(quiet.check(at: Self.after(60)) == .none)
        var old = Self.watch(isHTTP2: false)
        old.exchangeBegan()
        #expect(old.check(at: Self.after(60)) == .none)
    }

    @Test("a peer that does not acknowledge SETTINGS is cut off")
    func settings() {
        var watch = Self.watch()
        #expect(watch.nextCheck(after: Self.start) == Self.after(5))
        #expect(watch.check(at: Self.after(5)) == .cutOff(.settings))
    }

    @Test("a connection is drained at its maximum age, plus or minus 10 %")
    func age() {
        for _ in 0..<100 {
            var watch = Self.watch(isHTTP2: false)
            watch.exchangeBegan()
            #expect(watch.check(at: Self.after(3600 - 361)) == .none)
            #expect(watch.check(at: Self.after(3600 + 361)) == .drain(.age))
        }
    }

    @Test("a connection is drained after its maximum number of requests")
    func requests() {
        var watch = Self.watch(isHTTP2: false, requestsMax: 2)
        watch.exchangeBegan()
        watch.exchangeEnded(at: Self.after(1))
        #expect(watch.check(at: Self.after(1)) == .none && !watch.hasReachedRequestsMax)
        watch.exchangeBegan()
        #expect(watch.hasReachedRequestsMax && watch.check(at: Self.after(1)) == .drain(.age))
    }

    @Test("checks run every second while a request is open, and at the idle timeout otherwise")
    func ticks() {
        var watch = Self.watch()
        watch.settingsAcknowledged()
        watch.exchangeBegan()
        #expect(watch.nextCheck(after: Self.after(7)) == Self.after(8))
        watch.exchangeEnded(at: Self.after(8))
        #expect(watch.nextCheck(after: Self.after(8)) == Self.after(128))
    }

    @Test("a transfer is stalled if it moves less than the minimum while awaited")
    func progress() {
        var progress = Progress()
        func isStalled(_ seconds: Int64, _ count: Int, isAwaited: Bool = true) -> Bool {
            progress.isStalled(
                at: Self.after(seconds), count: count, isAwaited: isAwaited, bytesMin: 4096, within: .seconds(30))
        }
        #expect(!isStalled(0, 0))
        #expect(!isStalled(29, 4095))
        #expect(isStalled(30, 4095))
        // The whole interval counts, however often it is checked.
        #expect(!isStalled(31, 4096) && !isStalled(60, 8191) && isStalled(61, 8191))
        // Not awaited: not stalled, and the interval restarts.
        #expect(!isStalled(100, 8191, isAwaited: false))
        #expect(!isStalled(129, 8191) && isStalled(130, 8191))
    }
}

@Suite("Protocol detection by first bytes")
struct FirstBytesTests {
    private static func decide(_ text: some Collection<UInt8>) -> FirstBytes {
        FirstBytes.decide(ByteBuffer(bytes: text).readableBytesView, lineBytesMax: 100)
    }

    @Test(
        "the protocol is decided as soon as the bytes are unambiguous",
        arguments: [
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", FirstBytes.http2), ("GET / HTTP/1.1\r\n", .http1),
            ("GET / HTTP/1.0\n", .http1), ("PRIME / HTTP/1.1\r\n", .http1), ("P / HTTP/1.1\r\n", .http1),
            ("\r\nGET / HTTP/1.1\r\n", .http1),
            ("\r\nPRI * HTTP/2.0\r\n", .neither),
            ("GET / HTTP/2.0\r\n", .neither), ("GET /\r\n", .neither),
        ])
    func splits(text: String, decision: FirstBytes) {
        let bytes = Array(text.utf8)
        for count in 0..<bytes.count { #expect(Self.decide(bytes.prefix(count)) == .needsMore, "after \(count)") }
        #expect(Self.decide(bytes) == decision)
        #expect(Self.decide(bytes + Array("more".utf8)) == decision)
    }

    @Test(
        "bytes that cannot begin HTTP/1.1 or HTTP/2 are refused at once",
        arguments: [
            [0x16, 3, 1], [0], Array("\r\n\r\n".utf8), Array("\n".utf8), Array(" GET".utf8), Array("hello\r".utf8),
        ])
    func neither(bytes: [UInt8]) {
        #expect(Self.decide(bytes) == .neither)
    }

    @Test("a request line that is too long counts as HTTP/1.1, so that the parser answers it")
    func long() {
        #expect(Self.decide(Array("GET /".utf8) + Array(repeating: 0x61, count: 96)) == .http1)
    }
}

import Adapters
import NIOCore
import Testing

@Suite("The watch on a connection")
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

    @Test("lets go of a connection without a request, after a while")
    func idle() {
        var watch = Self.watch()
        watch.settingsAcknowledged()
        #expect(watch.nextCheck(after: Self.start) == Self.after(120))
        #expect(watch.check(at: Self.after(119)) == .none)
        #expect(watch.check(at: Self.after(120)) == .drain(.idle))
        #expect(watch.check(at: Self.after(121)) == .none)
    }

    @Test("counts idleness from the end of the last request, and bytes that are no request do not end it")
    func busy() {
        var watch = Self.watch(isHTTP2: false)
        watch.exchangeBegan()
        #expect(watch.check(at: Self.after(500)) == .none)
        watch.exchangeEnded(at: Self.after(600))
        watch.received(at: Self.after(700))
        #expect(watch.check(at: Self.after(719)) == .none)
        #expect(watch.check(at: Self.after(720)) == .drain(.idle))
    }

    @Test("gives a head a time that bytes do not extend")
    func headers() {
        var watch = Self.watch(isHTTP2: false)
        watch.headBegan(at: Self.after(1))
        watch.received(at: Self.after(10))
        watch.headBegan(at: Self.after(10))
        #expect(watch.nextCheck(after: Self.after(10)) == Self.after(11))
        #expect(watch.check(at: Self.after(11)) == .cutOff(.headers))
    }

    @Test("is content with a head that ended")
    func headersEnded() {
        var watch = Self.watch(isHTTP2: false)
        watch.headBegan(at: Self.after(1))
        watch.headEnded()
        #expect(watch.check(at: Self.after(60)) == .none)
    }

    @Test("asks a silent peer with a request open whether it is there, once, and gives up on one that does not answer")
    func keepalive() {
        var watch = Self.watch()
        watch.settingsAcknowledged()
        watch.exchangeBegan()
        #expect(watch.check(at: Self.after(29)) == .none)
        #expect(watch.check(at: Self.after(30)) == .ping)
        #expect(watch.check(at: Self.after(39)) == .none)
        #expect(watch.check(at: Self.after(40)) == .cutOff(.keepalive))
    }

    @Test("goes on with a peer that answers")
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

    @Test("does not ask a peer that something waits for, nor gives up on one that was asked before")
    func behind() {
        var watch = Self.watch()
        watch.settingsAcknowledged()
        watch.exchangeBegan()
        #expect(watch.check(at: Self.after(60), isPeerBehind: true) == .none)
        #expect(watch.check(at: Self.after(61)) == .ping)
        #expect(watch.check(at: Self.after(100), isPeerBehind: true) == .none)
        #expect(watch.check(at: Self.after(101)) == .ping)
    }

    @Test("does not ask where nobody could answer: without a request, or on HTTP/1.1")
    func unasked() {
        var quiet = Self.watch()
        quiet.settingsAcknowledged()
        #expect(quiet.check(at: Self.after(60)) == .none)
        var old = Self.watch(isHTTP2: false)
        old.exchangeBegan()
        #expect(old.check(at: Self.after(60)) == .none)
    }

    @Test("wants its SETTINGS acknowledged")
    func settings() {
        var watch = Self.watch()
        #expect(watch.nextCheck(after: Self.start) == Self.after(5))
        #expect(watch.check(at: Self.after(5)) == .cutOff(.settings))
    }

    @Test("sends the peer elsewhere when the connection is old, a tenth sooner or later")
    func age() {
        for _ in 0..<100 {
            var watch = Self.watch(isHTTP2: false)
            watch.exchangeBegan()
            #expect(watch.check(at: Self.after(3600 - 361)) == .none)
            #expect(watch.check(at: Self.after(3600 + 361)) == .drain(.age))
        }
    }

    @Test("sends the peer elsewhere after enough requests")
    func requests() {
        var watch = Self.watch(isHTTP2: false, requestsMax: 2)
        watch.exchangeBegan()
        watch.exchangeEnded(at: Self.after(1))
        #expect(watch.check(at: Self.after(1)) == .none && !watch.hasCarriedEnough)
        watch.exchangeBegan()
        #expect(watch.hasCarriedEnough && watch.check(at: Self.after(1)) == .drain(.age))
    }

    @Test("looks often while something may be stuck, and seldom otherwise")
    func ticks() {
        var watch = Self.watch()
        watch.settingsAcknowledged()
        watch.exchangeBegan()
        #expect(watch.nextCheck(after: Self.after(7)) == Self.after(8))
        watch.exchangeEnded(at: Self.after(8))
        #expect(watch.nextCheck(after: Self.after(8)) == Self.after(128))
    }

    @Test("finds out what does not move while somebody waits")
    func progress() {
        var progress = Progress()
        func isStalled(_ seconds: Int64, _ count: Int, isAwaited: Bool = true) -> Bool {
            progress.isStalled(
                at: Self.after(seconds), count: count, isAwaited: isAwaited, bytesMin: 4096, within: .seconds(30))
        }
        #expect(!isStalled(0, 0))
        #expect(!isStalled(29, 4095))
        #expect(isStalled(30, 4095))
        // It is the whole time that counts, however often somebody looks.
        #expect(!isStalled(31, 4096) && !isStalled(60, 8191) && isStalled(61, 8191))
        // Nobody waits: nothing is stuck, and the time begins anew.
        #expect(!isStalled(100, 8191, isAwaited: false))
        #expect(!isStalled(129, 8191) && isStalled(130, 8191))
    }
}

@Suite("The first bytes of a connection")
struct FirstBytesTests {
    private static func decide(_ text: some Collection<UInt8>) -> FirstBytes {
        FirstBytes.decide(ByteBuffer(bytes: text).readableBytesView, lineBytesMax: 100)
    }

    @Test(
        "decide as soon as they can, and not before",
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
        "are neither as soon as they can become neither",
        arguments: [
            [0x16, 3, 1], [0], Array("\r\n\r\n".utf8), Array("\n".utf8), Array(" GET".utf8), Array("hello\r".utf8),
        ])
    func neither(bytes: [UInt8]) {
        #expect(Self.decide(bytes) == .neither)
    }

    @Test("leave a line that is too long to the parser, which answers it")
    func long() {
        #expect(Self.decide(Array("GET /".utf8) + Array(repeating: 0x61, count: 96)) == .http1)
    }
}

import Adapters
import Domain
import DomainFakes
import Foundation
import Testing

/// An implementation of `SharedAnswers` under test.
enum SharedAnswersKind: CaseIterable, CustomTestStringConvertible {
    case fake
    case redis
    case sealedRedis

    var testDescription: String {
        switch self {
        case .fake: "the fake"
        case .redis: "Redis"
        case .sealedRedis: "Redis, with a key"
        }
    }

    /// Passes two replicas of a new store to `test`.
    func with(_ test: (any SharedAnswers, any SharedAnswers) async throws -> Void) async throws {
        let key = try #require(SealingKey(hexadecimal: String(repeating: "4b", count: 32)))
        let keys: SealingKeys
        switch self {
        case .fake:
            let store = FakeSharedStore(time: SystemTime())
            return try await test(store.replica(), store.replica())
        case .redis: keys = .none
        case .sealedRedis: keys = .given(key)
        }
        try await RedisServer.withoutData { server in
            try await server.withClient { first in
                try await server.withClient { second in
                    try await test(.redis(first, keys), .redis(second, keys))
                }
            }
        }
    }
}

extension SharedAnswers where Self == RedisAnswers {
    /// The answers of one master account.
    static func redis(_ client: RedisClient, _ keys: SealingKeys = .none) -> RedisAnswers {
        RedisAnswers(
            client, keys: keys, sources: .init(one: { _ in "master at zoom" }, all: { ["master at zoom"] }))
    }
}

extension SharedAnswer {
    /// An answer with a line of a stream, as the service encodes it.
    static func sample(
        _ read: AccountRead, city: String = "Bern", age: Duration = .zero, lifetime: Duration = .seconds(300)
    ) -> SharedAnswer {
        let contact = BillingContact(reading: { $0 == .city ? city : "\($0)" })
        let answer: SourceAnswer =
            read.operation == .getBillingInformation
            ? .contact(contact) : .invoices(InvoiceList(members: [], invoices: []))
        let encoded = AnswerLines().encode(.success(answer), to: read, asOf: .start)
        return SharedAnswer(encoded, .answer, age: age, lifetime: lifetime)
    }

    var text: String { String(decoding: encoded.text, as: UTF8.self) }
}

extension SharedAnswers {
    /// The stored answer, the version of the account's changes, and whether another replica has claimed the request.
    func found(
        _ read: AccountRead, _ wanted: WantedAnswer = WantedAnswer()
    ) async throws -> (answer: SharedAnswer?, place: SharedPlace, isClaimed: Bool) {
        switch try await find(read, under: nil, wanted, within: .seconds(20)) {
        case .answer(let answer, let place): (answer, place, false)
        case .absent(let place): (nil, place, false)
        case .claimed(let place): (nil, place, true)
        }
    }

    func put(
        _ answer: SharedAnswer, _ read: AccountRead, _ place: SharedPlace? = nil,
        timeToLive: Duration = .seconds(600)
    ) async throws {
        let known: SharedPlace = if let place { place } else { try await found(read).place }
        try await put(answer, to: read, under: nil, known, timeToLive: timeToLive, within: .seconds(20))
    }

    func change(_ read: AccountRead, _ phase: SharedChange.Phase = .ended) async throws {
        try await record(
            SharedChange(account: read.account, operations: [read.operation], phase: phase), within: .seconds(20))
    }
}

/// The contract of `SharedAnswers`, run on each implementation.
@Suite("Contract of shared answers", .timeLimit(.minutes(10)))
struct SharedAnswersContract {
    private let read = AccountRead.billingInformation(of: AccountID(literal: "KGYzNgbemPk6V8vSm8dopw"))

    @Test("another replica finds a stored answer unchanged, with its age", arguments: SharedAnswersKind.allCases)
    func stored(kind: SharedAnswersKind) async throws {
        try await kind.with { first, second in
            #expect(try await second.found(read).answer == nil)
            let answer = SharedAnswer.sample(read, age: .seconds(100))
            try await first.put(answer, read)
            let found = try #require(try await second.found(read).answer)
            #expect(found.text == answer.text)
            #expect(found.encoded.body == answer.encoded.body && found.encoded.keyStart == answer.encoded.keyStart)
            #expect(found.encoded.tag == answer.encoded.tag && found.content == .answer)
            #expect(found.lifetime == .seconds(300) && (.seconds(100) ..< .seconds(130)).contains(found.age))
        }
    }

    @Test("a failure that is an answer is stored", arguments: SharedAnswersKind.allCases)
    func failure(kind: SharedAnswersKind) async throws {
        try await kind.with { first, second in
            let encoded = AnswerLines().encode(.failure(.selfPay), to: read, asOf: .start)
            try await first.put(SharedAnswer(encoded, .selfPay, age: .zero, lifetime: .seconds(30)), read)
            #expect(try await second.found(read).answer?.content == .selfPay)
        }
    }

    @Test("an answer is found only if its age is one of those wanted", arguments: SharedAnswersKind.allCases)
    func ages(kind: SharedAnswersKind) async throws {
        try await kind.with { first, second in
            try await first.put(.sample(read, age: .seconds(200)), read)
            for (wanted, isFound) in [
                (WantedAnswer(ageMax: 100_000), false), (WantedAnswer(ageMax: 1_000_000), true),
                (WantedAnswer(remaining: 200_000), false), (WantedAnswer(remaining: 1), true),
                (WantedAnswer(lifetimeParts: 512), false), (WantedAnswer(lifetimeParts: 1000), true),
                (WantedAnswer(ageMax: -1), false),
            ] {
                let hasAnswer = try await second.found(read, wanted).answer != nil
                #expect(hasAnswer == isFound, "\(wanted)")
            }
        }
    }

    @Test("an older answer does not replace a newer one", arguments: SharedAnswersKind.allCases)
    func order(kind: SharedAnswersKind) async throws {
        try await kind.with { first, second in
            try await first.put(.sample(read, city: "new"), read)
            try await second.put(.sample(read, city: "old", age: .seconds(50)), read)
            #expect(try await first.found(read).answer?.text.contains("new") == true)
        }
    }

    @Test(
        "a change removes the answer, and an answer whose read began before it is not stored",
        arguments: SharedAnswersKind.allCases, [SharedChange.Phase.began, .ended])
    func change(kind: SharedAnswersKind, phase: SharedChange.Phase) async throws {
        try await kind.with { first, second in
            try await first.put(.sample(read), read)
            let before = try await first.found(read).place
            try await second.change(read, phase)
            let after = try await first.found(read)
            #expect(after.answer == nil)
            #expect(after.place.isChanging == (phase == .began))
            #expect((after.place.sinceChange ?? .seconds(1000)) < .seconds(30))
            try await first.put(.sample(read, city: "old"), read, before)
            #expect(try await second.found(read).answer == nil)
            try await second.change(read)
            try await first.put(.sample(read, city: "new"), read)
            #expect(try await second.found(read).answer?.text.contains("new") == true)
        }
    }

    @Test(
        "a change of an operation removes the answers with every parameter, and no other",
        arguments: SharedAnswersKind.allCases)
    func parameters(kind: SharedAnswersKind) async throws {
        try await kind.with { first, second in
            let today = CalendarDate(of: SystemTime().timestamp)
            let lists = try (1...3).map { days in
                AccountRead.invoices(
                    of: read.account,
                    in: try InvoicePeriod(
                        from: today.adding(years: -days % 2)?.description, to: "\(today)", today: today))
            }
            for list in lists { try await first.put(.sample(list), list) }
            try await first.put(.sample(read), read)
            try await second.change(lists[0])
            for list in lists { #expect(try await first.found(list).answer == nil) }
            #expect(try await first.found(read).answer != nil)
        }
    }

    @Test("one replica has the claim until it stores the answer or gives up", arguments: SharedAnswersKind.allCases)
    func claims(kind: SharedAnswersKind) async throws {
        try await kind.with { first, second in
            var job = WantedAnswer()
            job.claim = .init(lifetime: .seconds(60), isUrgent: false)
            var urgent = WantedAnswer()
            urgent.claim = .init(lifetime: .seconds(60), isUrgent: true)
            #expect(try await !first.found(read, job).isClaimed)
            #expect(try await second.found(read, job).isClaimed)
            // It is the claim of the first replica itself.
            #expect(try await !first.found(read, job).isClaimed)
            // A caller does not wait for a job.
            #expect(try await !second.found(read, urgent).isClaimed)
            #expect(try await first.found(read, urgent).isClaimed)
            try await second.release(read, under: nil, within: .seconds(20))
            #expect(try await !first.found(read, urgent).isClaimed)
            try await second.release(read, under: nil, within: .seconds(20))
            #expect(try await second.found(read, job).isClaimed)
            try await first.put(.sample(read), read)
            #expect(try await second.found(read, job).answer != nil)
            try await second.change(read)
            #expect(try await !second.found(read, job).isClaimed)
        }
    }

    @Test("a claim ends by itself", arguments: SharedAnswersKind.allCases)
    func claimEnds(kind: SharedAnswersKind) async throws {
        try await kind.with { first, second in
            var wanted = WantedAnswer()
            wanted.claim = .init(lifetime: .milliseconds(30), isUrgent: true)
            #expect(try await !first.found(read, wanted).isClaimed)
            while try await second.found(read, wanted).isClaimed { try Task.checkCancellation() }
        }
    }

    @Test(
        "nobody has a claim while a change is in flight, since no answer can be stored",
        arguments: SharedAnswersKind.allCases)
    func claimsDuringChange(kind: SharedAnswersKind) async throws {
        try await kind.with { first, second in
            var wanted = WantedAnswer()
            wanted.claim = .init(lifetime: .seconds(60), isUrgent: true)
            try await second.change(read, .began)
            #expect(try await !first.found(read, wanted).isClaimed)
            #expect(try await !second.found(read, wanted).isClaimed)
            try await second.change(read, .ended)
            #expect(try await !first.found(read, wanted).isClaimed)
            #expect(try await second.found(read, wanted).isClaimed)
        }
    }

    @Test(
        "an answer that the store receives late has the age that it has for the source",
        arguments: SharedAnswersKind.allCases)
    func late(kind: SharedAnswersKind) async throws {
        try await kind.with { first, second in
            let found = try await first.found(read).place
            // As if it had been found earlier.
            let place = SharedPlace(
                version: found.version, sinceChange: nil, isChanging: false, time: found.time - 90_000)
            try await first.put(.sample(read, age: .seconds(-10)), read, place)
            let age = try #require(try await second.found(read).answer?.age)
            #expect((.seconds(80) ..< .seconds(110)).contains(age))
            // Not newer than the store's time.
            try await first.put(.sample(read, age: .seconds(-1000)), read, place)
            #expect(try #require(try await second.found(read).answer?.age) >= .zero)
        }
    }

    @Test("one call finds many answers, in the order of their reads", arguments: SharedAnswersKind.allCases)
    func many(kind: SharedAnswersKind) async throws {
        try await kind.with { first, second in
            let reads = (0..<256).map { AccountRead.billingInformation(of: AccountID(literal: "account-\($0)")) }
            for (number, read) in reads.enumerated() where number % 3 == 0 {
                try await first.put(.sample(read, city: "city-\(number)"), read)
            }
            let found = try await second.find(reads, under: nil, within: .seconds(20))
            try #require(found.count == 256)
            for (number, answer) in found.enumerated() {
                #expect((answer != nil) == (number % 3 == 0))
                if let answer { #expect(answer.text.contains("\"city-\(number)\"")) }
            }
        }
    }

    @Test("an answer is removed after its time to live", arguments: SharedAnswersKind.allCases)
    func timeToLive(kind: SharedAnswersKind) async throws {
        try await kind.with { first, second in
            try await first.put(.sample(read), read, timeToLive: .milliseconds(30))
            while try await second.found(read).answer != nil { try Task.checkCancellation() }
        }
    }
}

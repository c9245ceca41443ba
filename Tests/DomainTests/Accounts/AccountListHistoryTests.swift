import Domain
import DomainFakes
import Testing

@Suite("History of an account list", .timeLimit(.minutes(10)))
struct AccountListHistoryTests {
    private static func id(_ number: Int) -> AccountID { AccountID(literal: "a\(number * 7919 % 1009)") }

    private static func accounts(_ list: AccountList) -> [AccountID] { (0..<list.count).map { list[$0] } }

    @Test("The difference of two lists has exactly the accounts that only one of them has", arguments: 1...20)
    func difference(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        for _ in 0..<50 {
            let (old, new) = (Self.someAccounts(&random), Self.someAccounts(&random))
            let difference = AccountListDifference(from: AccountList(old), to: AccountList(new))
            #expect(Self.accounts(difference.added) == new.subtracting(old).sorted())
            #expect(Self.accounts(difference.removed) == old.subtracting(new).sorted())
            #expect(AccountListDifference(from: AccountList(new), to: AccountList(new)) == .none)
        }
    }

    private static func someAccounts(_ random: inout SeededRandom) -> Set<AccountID> {
        let size = Int.random(in: 0...40, using: &random)
        return Set((0..<size).map { _ in id(Int.random(in: 0..<60, using: &random)) })
    }

    /// The model has every list with the moments between which it was the current one.
    @Test(
        "Any earlier list with the difference since then equals the current list, or the difference is refused",
        arguments: 1...20)
    func model(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        let accountsMax = Int.random(in: 0...80, using: &random)
        var moment: Int64 = 1_000_000
        var history = AccountListHistory(since: moment, accountsMax: accountsMax)
        var current = Self.someAccounts(&random)
        var lists = [(since: moment, accounts: current)]
        var (answered, refused) = (0, 0)
        for _ in 0..<30 {
            // There may be several lists in one millisecond.
            moment += Int64.random(in: 0...3, using: &random)
            var next = current
            for _ in 0..<Int.random(in: 0...8, using: &random) {
                let account = Self.id(Int.random(in: 0..<60, using: &random))
                if next.remove(account) == nil { next.insert(account) }
            }
            history.add(AccountListDifference(from: AccountList(current), to: AccountList(next)), at: moment)
            current = next
            lists.append((moment, current))
            for since in (lists[0].since - 2)...(moment + 1) {
                guard let difference = try? history.difference(since: since) else {
                    #expect(since < history.completeSince)
                    refused += 1
                    continue
                }
                #expect(since >= history.completeSince)
                answered += 1
                for index in lists.indices {
                    // The lists that were the current one at that moment, also for a part of the millisecond.
                    let end = index + 1 < lists.count ? lists[index + 1].since : .max
                    guard lists[index].since <= since, end >= since else { continue }
                    let accounts = lists[index].accounts.union(Self.accounts(difference.added))
                        .subtracting(Self.accounts(difference.removed))
                    #expect(accounts == current, "\(seed), since \(since)")
                }
            }
            // The last list is always known.
            #expect(throws: Never.self) {
                try history.difference(since: max(moment, history.completeSince))
            }
        }
        #expect(answered > 0 && refused > 0)
    }

    @Test("A history drops its oldest changes at the limit, and says since when it is complete")
    func limit() throws {
        var history = AccountListHistory(since: 100, accountsMax: 3)
        func added(_ numbers: Int...) -> AccountListDifference {
            AccountListDifference(from: AccountList([]), to: AccountList(numbers.map { Self.id($0) }))
        }
        history.add(added(1, 2), at: 200)
        history.add(added(3), at: 300)
        #expect(history.completeSince == 100)
        #expect(try history.difference(since: 100) == added(1, 2, 3))
        history.add(added(4), at: 400)
        #expect(history.completeSince == 201)
        #expect(try history.difference(since: 201) == added(3, 4))
        #expect(throws: AccountListHistory.Incomplete(completeSince: 201)) { try history.difference(since: 200) }
        history.add(added(5, 6, 7, 8), at: 500)
        #expect(history.completeSince == 501)
        #expect(try history.difference(since: 501).isEmpty)
    }

    @Test("A restored history refuses the moments of gaps, and without gaps all moments before the restart")
    func restored() throws {
        var history = AccountListHistory(since: 100)
        history.add(AccountListDifference(from: AccountList([]), to: AccountList([Self.id(1)])), at: 200)
        let complete = history.restored(at: 500, gaps: [301...350, 401...499])
        for since: Int64 in [100, 200] { #expect(try complete.difference(since: since).count == 1) }
        for since: Int64 in [201, 300, 351, 400, 500] { #expect(try complete.difference(since: since).isEmpty) }
        for (since, next): (Int64, Int64) in [(99, 100), (301, 351), (350, 351), (401, 500), (499, 500)] {
            #expect(throws: AccountListHistory.Incomplete(completeSince: next)) {
                try complete.difference(since: since)
            }
        }
        let lost = history.restored(at: 500, gaps: nil)
        #expect(throws: AccountListHistory.Incomplete(completeSince: 500)) { try lost.difference(since: 499) }
        #expect(try lost.difference(since: 500).isEmpty)
    }

    @Test("The list cache records the difference of each list to the one before it, and starts again after a removal")
    func cache() async throws {
        let clock = TestClock()
        let directory = FakeDirectory((0..<25).map { Self.id($0) })
        let lists = AccountListCache(directory: directory, time: clock)
        let first = try await lists.snapshot(of: nil, .all, maxAge: .zero)
        #expect(first.history.completeSince == first.currentSince)
        #expect(try first.history.difference(since: first.currentSince).isEmpty)
        clock.advance(by: .seconds(1))
        directory.change { accounts in
            accounts.removeFirst(2)
            accounts.append(Self.id(30))
        }
        let second = try await lists.snapshot(of: nil, .all, maxAge: .zero)
        #expect(second.currentSince == first.currentSince + 1000)
        clock.advance(by: .milliseconds(1))
        directory.change { accounts in
            accounts.removeLast()
            accounts.append(Self.id(0))
        }
        let third = try await lists.snapshot(of: nil, .all, maxAge: .zero)
        let sinceFirst = try third.history.difference(since: first.currentSince)
        #expect(Self.accounts(sinceFirst.added) == [Self.id(0)])
        #expect(Self.accounts(sinceFirst.removed) == [Self.id(1), Self.id(30)].sorted())
        let sinceSecond = try third.history.difference(since: second.currentSince + 1)
        #expect(Self.accounts(sinceSecond.added) == [Self.id(0)] && Self.accounts(sinceSecond.removed) == [Self.id(30)])
        // A list of a reseller has its own history.
        let filter = SubAccountFilter(reseller: "r")
        #expect(try await lists.snapshot(of: nil, filter, maxAge: .zero).history.completeSince == third.currentSince)
        lists.removeAll()
        clock.advance(by: .seconds(1))
        let fourth = try await lists.snapshot(of: nil, .all, maxAge: .zero)
        #expect(fourth.history.completeSince == fourth.currentSince && fourth.currentSince > third.currentSince)
    }

    @Test("A packed list with its history is read back unchanged, and never from damaged bytes", arguments: 1...10)
    func packing(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var history = AccountListHistory(since: 1000)
        var list = AccountList([])
        for moment in 1...Int64.random(in: 1...20, using: &random) {
            let next = AccountList(Self.someAccounts(&random))
            history.add(AccountListDifference(from: list, to: next), at: 1000 + moment)
            list = next
        }
        var bytes: [UInt8] = []
        list.append(packedTo: &bytes)
        #expect(bytes.count == list.packedSize)
        history.append(packedTo: &bytes)
        var rest = bytes[...]
        #expect(AccountList(unpackingFrom: &rest) == list)
        let read = try #require(AccountListHistory(unpackingFrom: &rest))
        #expect(rest.isEmpty && read.completeSince == 1000)
        for since in Int64(1000)...1021 {
            #expect(try read.difference(since: since) == history.difference(since: since))
        }
        // Any damage is refused or gives another valid list. It never traps.
        for _ in 0..<500 {
            var damaged = bytes
            damaged[Int.random(in: damaged.indices, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
            var rest = damaged.prefix(Int.random(in: 0...damaged.count, using: &random))
            guard let list = AccountList(unpackingFrom: &rest) else { continue }
            let accounts = Self.accounts(list)
            #expect(accounts == Set(accounts).sorted())
            _ = AccountListHistory(unpackingFrom: &rest)
        }
    }
}

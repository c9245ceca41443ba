import Domain
import DomainFakes
import Testing

@Suite("Watch of changes during a stream")
struct ChangeWatchTests {
    private let first = AccountID(literal: "a")
    private let second = AccountID(literal: "b")
    private let third = AccountID(literal: "c")

    private func watch() -> ChangeWatch { ChangeWatch(operations: [.getBillingInformation], master: nil) }

    @Test("A change of an account that was read is missed, and one of a later account is not")
    func position() {
        let watch = watch()
        watch.changed(.getBillingInformation, of: first, at: 1)
        watch.willRead(upTo: second)
        watch.changed(.getBillingInformation, of: third, at: 2)
        #expect(watch.firstMissed == nil)
        watch.changed(.getBillingInformation, of: second, at: 5)
        watch.changed(.getBillingInformation, of: first, at: 4)
        watch.changed(.getBillingInformation, of: first, at: 6)
        #expect(watch.firstMissed == 4)
    }

    @Test("A change of another kind of data is not missed")
    func kinds() {
        let watch = watch()
        watch.willRead(upTo: third)
        watch.changed(.getPlanInformation, of: first, at: 1)
        #expect(watch.firstMissed == nil)
    }

    @Test("A change during a lookup is missed unless the lookup has its content")
    func lookup() {
        for (firstSeen, missed) in [(Int64(7), nil), (8, nil), (6, 7), (nil, 7)] as [(Int64?, Int64?)] {
            let watch = watch()
            watch.willRead(upTo: first)
            watch.lookupBegan(.getBillingInformation, of: first)
            watch.changed(.getBillingInformation, of: first, at: 5)
            watch.changed(.getBillingInformation, of: first, at: 7)
            #expect(watch.firstMissed == nil)
            watch.lookupEnded(.getBillingInformation, of: first, firstSeen: firstSeen)
            #expect(watch.firstMissed == missed)
        }
    }

    @Test("A lookup without changes misses nothing, and later changes of its account are missed")
    func afterLookup() {
        let watch = watch()
        watch.willRead(upTo: first)
        watch.lookupBegan(.getBillingInformation, of: first)
        watch.lookupEnded(.getBillingInformation, of: first, firstSeen: nil)
        #expect(watch.firstMissed == nil)
        watch.changed(.getBillingInformation, of: first, at: 9)
        #expect(watch.firstMissed == 9)
        watch.missed(3)
        watch.missed(4)
        #expect(watch.firstMissed == 3)
    }

    @Test("A filter selects what was first received at its moment or later, and all added accounts")
    func filter() {
        let filter = ChangeFilter(since: 10, added: AccountList([second]))
        #expect(!filter.selects(first, firstSeen: 9) && filter.selects(first, firstSeen: 10))
        #expect(filter.selects(second, firstSeen: 1))
    }
}

/// What is let go of when there is no room: S3-FIFO (Yang, Zhang, Qiu, Yue and Vinayak, "FIFO queues are all you need for
/// cache eviction", SOSP 2023).
///
/// Most of what is asked for is asked for once: a report that walks all accounts must not push out what apps ask for all day.
/// So what is new waits in a small queue, a tenth of all bytes, and only what was asked for again meanwhile goes on to the main
/// one; what comes back soon after it was let go of goes there directly. A hit counts to three and moves nothing, which is
/// why this and neither LRU nor ARC: nothing is reordered while others read. TinyLFU evicts as well, and needs a sketch that has
/// to be aged.
struct EvictionOrder<Member: EvictionMember> {
    private var small = RingQueue<Member>()
    private var main = RingQueue<Member>()

    /// Who was let go of from the small queue of late: as many as there are members.
    private var ghosts = RingQueue<Int>()
    private var ghostCounts: [Int: Int] = [:]

    private var smallBytes = 0
    private(set) var bytes = 0
    private(set) var count = 0

    static var smallShare: Int { 10 }

    /// Takes in a new member.
    mutating func add(_ member: Member) {
        count += 1
        bytes += member.bytes
        if ghostCounts[member.identity] != nil {
            member.place = .main
            main.append(member)
        } else {
            member.place = .small
            smallBytes += member.bytes
            small.append(member)
        }
    }

    /// A member has become larger or smaller.
    mutating func resized(_ member: Member, from old: Int) {
        bytes += member.bytes - old
        if member.place == .small { smallBytes += member.bytes - old }
    }

    /// Forgets a member. Its place in the queue is passed over when it is its turn.
    mutating func remove(_ member: Member) {
        guard member.place != .none else { return }
        if member.place == .small { smallBytes -= member.bytes }
        bytes -= member.bytes
        count -= 1
        member.place = .none
    }

    /// The next to go, which is no member any more; `nil` if there is none.
    mutating func evict(bytesMax: Int) -> Member? {
        while count > 0 {
            let isSmallsTurn = smallBytes * Self.smallShare > bytesMax || main.count == 0
            if isSmallsTurn, let member = small.popFirst() {
                guard member.place == .small else { continue }
                smallBytes -= member.bytes
                if member.visits > 0 {
                    member.visits = 0
                    member.place = .main
                    main.append(member)
                    continue
                }
                member.place = .none
                remember(member.identity)
                return left(member)
            }
            guard let member = main.popFirst() else { continue }
            guard member.place == .main else { continue }
            if member.visits > 0 {
                member.visits -= 1
                main.append(member)
                continue
            }
            member.place = .none
            return left(member)
        }
        return nil
    }

    private mutating func left(_ member: Member) -> Member {
        bytes -= member.bytes
        count -= 1
        return member
    }

    private mutating func remember(_ identity: Int) {
        ghosts.append(identity)
        ghostCounts[identity, default: 0] += 1
        while ghosts.count > max(count, 16), let oldest = ghosts.popFirst() {
            if let count = ghostCounts[oldest], count > 1 {
                ghostCounts[oldest] = count - 1
            } else {
                ghostCounts[oldest] = nil
            }
        }
    }
}

enum EvictionPlace {
    case none
    case small
    case main
}

/// What can be let go of.
protocol EvictionMember: AnyObject {
    /// What tells it apart from others, as good as always.
    var identity: Int { get }
    var bytes: Int { get }

    /// How often it was asked for of late, up to 3.
    var visits: UInt8 { get set }
    var place: EvictionPlace { get set }
}

/// Decides which cached answers are evicted: S3-FIFO (Yang, Zhang, Qiu, Yue and Vinayak, "FIFO queues are all you need
/// for cache eviction", SOSP 2023).
///
/// Most answers are requested once: an export of all accounts must not evict the answers that apps request all day. So
/// a new member enters the small queue, which has a tenth of all bytes. It moves to the main queue only if it is
/// requested again meanwhile. A member that returns soon after its eviction enters the main queue directly.
///
/// A hit increments a counter, up to 3, and moves nothing. LRU and ARC reorder their members at each hit, while other
/// threads read. TinyLFU evicts as well as S3-FIFO, but needs a sketch that has to be aged.
struct EvictionOrder<Member: EvictionMember> {
    private var small = RingQueue<Member>()
    private var main = RingQueue<Member>()

    /// The ghost queue: members recently evicted from the small queue, as many as there are members now.
    private var ghosts = RingQueue<Int>()
    private var ghostCounts: [Int: Int] = [:]

    private var smallBytes = 0
    private(set) var bytes = 0
    private(set) var count = 0

    static var smallQueueDivisor: Int { 10 }

    /// Adds a new member.
    mutating func add(_ member: Member) {
        count += 1
        bytes += member.bytes
        if ghostCounts[member.identity] != nil {
            member.queue = .main
            main.append(member)
        } else {
            member.queue = .small
            smallBytes += member.bytes
            small.append(member)
        }
    }

    /// Records that the size of a member has changed.
    mutating func resized(_ member: Member, from old: Int) {
        bytes += member.bytes - old
        if member.queue == .small { smallBytes += member.bytes - old }
    }

    /// Removes a member. Its place in a queue is skipped later.
    mutating func remove(_ member: Member) {
        guard member.queue != .none else { return }
        if member.queue == .small { smallBytes -= member.bytes }
        bytes -= member.bytes
        count -= 1
        member.queue = .none
    }

    /// Evicts the next member and returns it; `nil` if there is none.
    mutating func evict(bytesMax: Int) -> Member? {
        while count > 0 {
            let isSmallQueueFull = smallBytes * Self.smallQueueDivisor > bytesMax || main.count == 0
            if isSmallQueueFull, let member = small.popFirst() {
                guard member.queue == .small else { continue }
                smallBytes -= member.bytes
                if member.hits > 0 {
                    member.hits = 0
                    member.queue = .main
                    main.append(member)
                    continue
                }
                member.queue = .none
                addGhost(member.identity)
                return evicted(member)
            }
            guard let member = main.popFirst() else { continue }
            guard member.queue == .main else { continue }
            if member.hits > 0 {
                member.hits -= 1
                main.append(member)
                continue
            }
            member.queue = .none
            return evicted(member)
        }
        return nil
    }

    private mutating func evicted(_ member: Member) -> Member {
        bytes -= member.bytes
        count -= 1
        return member
    }

    private mutating func addGhost(_ identity: Int) {
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

enum EvictionQueue {
    case none
    case small
    case main
}

/// A member of the cache that can be evicted.
protocol EvictionMember: AnyObject {
    /// Identifies the member. A collision, which is rare, only makes a new member enter the main queue.
    var identity: Int { get }
    var bytes: Int { get }

    /// The number of recent hits, up to 3.
    var hits: UInt8 { get set }
    var queue: EvictionQueue { get set }
}

import CHTTP2
import Glibc
import NIOCore

/// The memory of the nghttp2 sessions of one event loop.
///
/// nghttp2 allocates and frees twelve small blocks for each request. Freed blocks are kept here for the next request, which
/// takes a fifth of the time of `malloc` and `free` with many streams.
///
/// Not thread-safe: a session is used and freed on its event loop.
package final class SessionMemory {
    /// The blocks of one size that are free. The first bytes of a free block refer to the next.
    private struct List {
        var first: UnsafeMutableRawPointer?
        var count = 0
    }

    /// Sizes are multiples of `step` up to `sizeMax`. Larger blocks come from `malloc`.
    private static let step = 32
    private static let sizeMax = 1024

    /// The size that the free blocks of one list may have together.
    private static let keptBytesMax = 65_536

    /// Before each block: the index of its list, 0 for a block of `malloc`. As large as the alignment of `malloc`.
    private static let headerBytes = 16

    /// Freed in `deinit`.
    private let lists: UnsafeMutablePointer<List>
    private static let listsCount = sizeMax / step + 1

    private static let memories = LoopLocal { _ in SessionMemory() }

    /// The memory of `eventLoop`. Must be called on that loop.
    static func of(_ eventLoop: any EventLoop) -> SessionMemory { memories.of(eventLoop) }

    package init() {
        lists = .allocate(capacity: Self.listsCount)
        lists.initialize(repeating: List(), count: Self.listsCount)
    }

    deinit {
        for index in 0..<Self.listsCount {
            while let block = lists[index].first {
                lists[index].first = block.load(as: UnsafeMutableRawPointer?.self)
                Glibc.free(block - Self.headerBytes)
            }
        }
        lists.deallocate()
    }

    /// The functions for nghttp2, which copies them. They refer to this object without a reference.
    ///
    /// `nil` in debug builds: sanitizers find errors in blocks of `malloc` only.
    var functions: nghttp2_mem? {
        #if DEBUG
            return nil
        #else
            return nghttp2_mem(
                mem_user_data: Unmanaged.passUnretained(self).toOpaque(),
                malloc: { size, memory in SessionMemory.from(memory) { $0.allocate(size) } },
                free: { block, memory in
                    guard let block else { return }
                    SessionMemory.from(memory) { $0.free(block) }
                },
                calloc: { count, size, memory in
                    let (bytes, isTooLarge) = count.multipliedReportingOverflow(by: size)
                    guard !isTooLarge else { return nil }
                    return SessionMemory.from(memory) { $0.allocate(bytes) }.map { memset($0, 0, bytes) }
                },
                realloc: { block, size, memory in SessionMemory.from(memory) { $0.reallocate(block, size) } })
        #endif
    }

    /// Safe because a session has a reference to its memory, and nghttp2 calls the functions only within calls of the session.
    @inline(__always)
    private static func from<Result>(
        _ memory: UnsafeMutableRawPointer?, _ body: (SessionMemory) -> Result
    ) -> Result {
        guard let memory else { preconditionFailure("nghttp2 passes the memory on") }
        return Unmanaged<SessionMemory>.fromOpaque(memory)._withUnsafeGuaranteedRef { body($0) }
    }

    /// A block of at least `size` bytes; `nil` without memory.
    @inline(__always)
    package func allocate(_ size: Int) -> UnsafeMutableRawPointer? {
        let index = size <= Self.sizeMax ? max(1, (size &+ Self.step &- 1) / Self.step) : 0
        if index > 0, let block = lists[index].first {
            lists[index].first = block.load(as: UnsafeMutableRawPointer?.self)
            lists[index].count &-= 1
            return block
        }
        let bytes = index > 0 ? index * Self.step : size
        guard let start = malloc(bytes + Self.headerBytes) else { return nil }
        start.storeBytes(of: index, as: Int.self)
        return start + Self.headerBytes
    }

    /// - Parameter block: From `allocate` or `reallocate`.
    @inline(__always)
    package func free(_ block: UnsafeMutableRawPointer) {
        let start = block - Self.headerBytes
        let index = start.load(as: Int.self)
        guard index > 0, lists[index].count &* index &* Self.step < Self.keptBytesMax else { return Glibc.free(start) }
        block.storeBytes(of: lists[index].first, as: UnsafeMutableRawPointer?.self)
        lists[index].first = block
        lists[index].count &+= 1
    }

    /// A block of at least `size` bytes with the content of `block`, which is freed if another one is needed.
    package func reallocate(_ block: UnsafeMutableRawPointer?, _ size: Int) -> UnsafeMutableRawPointer? {
        guard let block else { return allocate(size) }
        let start = block - Self.headerBytes
        let index = start.load(as: Int.self)
        if index == 0, size > Self.sizeMax {
            return realloc(start, size + Self.headerBytes).map { $0 + Self.headerBytes }
        }
        if index > 0, size <= index * Self.step { return block }
        guard let moved = allocate(size) else { return nil }
        // A block of `malloc` that becomes smaller has at least `size` bytes.
        moved.copyMemory(from: block, byteCount: index > 0 ? index * Self.step : size)
        free(block)
        return moved
    }
}

import CHiredis
package import NIOCore

/// Reads replies from the bytes of a connection, by hiredis.
package final class RedisReader {
    /// The bytes are not in the Redis protocol, or a reply exceeds a limit. Nothing more can be read.
    package struct Malformed: Error {}

    /// The maximum of elements of one array.
    package static let elementsMax = 1_048_576

    /// Fed to hiredis at once. It moves the rest of its buffer after each reply, so the rest should be small.
    private static let chunkBytes = 16_384

    /// Created in `init` and freed in `deinit`.
    private let raw: UnsafeMutablePointer<redisReader>
    private let replyBytesMax: Int

    /// The bytes received since the end of the last reply. The limit can be exceeded by one chunk.
    private var unfinishedBytes = 0

    /// - Parameter replyBytesMax: The maximum of bytes of one reply.
    package init(replyBytesMax: Int) {
        guard let raw = redisReaderCreateWithFunctions(RedisReplyBuilder.functions) else {
            preconditionFailure("no memory")
        }
        self.raw = raw
        self.replyBytesMax = replyBytesMax
    }

    deinit {
        redisReaderFree(raw)
    }

    /// Passes each reply that is complete to `receive`.
    ///
    /// - Throws: `Malformed`, also on every later call.
    package func read(_ bytes: ByteBuffer, _ receive: (RedisValue) -> Void) throws(Malformed) {
        var bytes = bytes
        while let chunk = bytes.readSlice(length: min(bytes.readableBytes, Self.chunkBytes)), chunk.readableBytes > 0 {
            let isFed = chunk.withUnsafeReadableBytes {
                redisReaderFeed(raw, $0.baseAddress?.assumingMemoryBound(to: CChar.self), $0.count) == REDIS_OK
            }
            guard isFed else { throw Malformed() }
            unfinishedBytes += chunk.readableBytes
            while let reply = try next() {
                unfinishedBytes = Int(raw.pointee.len) - Int(raw.pointee.pos)
                receive(reply)
            }
            guard unfinishedBytes <= replyBytesMax else { throw Malformed() }
        }
    }

    private func next() throws(Malformed) -> RedisValue? {
        var reply: UnsafeMutableRawPointer?
        guard redisReaderGetReply(raw, &reply) == REDIS_OK else { throw Malformed() }
        // hiredis passes on the reference that the builder has retained.
        return reply.map { Unmanaged<RedisReplyBuilder>.fromOpaque($0).takeRetainedValue().value }
    }
}

/// Makes values of the parts of a reply that hiredis has parsed.
///
/// hiredis holds a retained reference to the outermost part. It returns it as the reply, or frees it after an error. The
/// array around it owns an inner array. hiredis never frees those.
private final class RedisReplyBuilder {
    private var content: RedisValue
    private var elements: [RedisValue] = []

    /// The arrays among the elements, which are completed after they were added.
    private var arrays: [(index: Int, array: RedisReplyBuilder)] = []
    private let isArray: Bool

    private init(_ content: RedisValue) {
        self.content = content
        isArray = false
    }

    private init(count: Int) {
        content = .null
        isArray = true
        elements.reserveCapacity(min(count, 1024))
    }

    var value: RedisValue {
        guard isArray else { return content }
        var elements = elements
        for (index, array) in arrays { elements[index] = array.value }
        return .array(elements)
    }

    /// Safe because it is initialised once before its first use and never changed or freed.
    nonisolated(unsafe) static let functions: UnsafeMutablePointer<redisReplyObjectFunctions> = {
        let functions = UnsafeMutablePointer<redisReplyObjectFunctions>.allocate(capacity: 1)
        functions.initialize(to: redisReplyObjectFunctions())
        functions.pointee.createString = { task, text, count in
            guard let task, let text else { return nil }
            let bytes = Array(UnsafeRawBufferPointer(start: text, count: count))
            let value =
                task.pointee.type == REDIS_REPLY_ERROR
                ? RedisValue.error(RedisErrorReply(line: String(decoding: bytes, as: UTF8.self))) : .text(bytes)
            return RedisReplyBuilder.add(value, task)
        }
        functions.pointee.createInteger = { task, number in
            guard let task else { return nil }
            return RedisReplyBuilder.add(.integer(number), task)
        }
        functions.pointee.createNil = { task in
            guard let task else { return nil }
            return RedisReplyBuilder.add(.null, task)
        }
        functions.pointee.createArray = { task, count in
            // Without a result, hiredis reports an error.
            guard let task, count <= RedisReader.elementsMax else { return nil }
            let array = RedisReplyBuilder(count: Int(count))
            guard let parent = RedisReplyBuilder.parent(of: task) else {
                return Unmanaged.passRetained(array).toOpaque()
            }
            parent.arrays.append((parent.elements.count, array))
            parent.elements.append(.null)
            return Unmanaged.passUnretained(array).toOpaque()
        }
        functions.pointee.freeObject = { reply in
            guard let reply else { return }
            Unmanaged<RedisReplyBuilder>.fromOpaque(reply).release()
        }
        return functions
    }()

    private static func parent(of task: UnsafePointer<redisReadTask>) -> RedisReplyBuilder? {
        guard let parent = task.pointee.parent, let object = parent.pointee.obj else { return nil }
        return Unmanaged<RedisReplyBuilder>.fromOpaque(object).takeUnretainedValue()
    }

    /// - Returns: What hiredis stores as the part: any address for an element.
    private static func add(
        _ value: RedisValue, _ task: UnsafePointer<redisReadTask>
    ) -> UnsafeMutableRawPointer {
        guard let parent = parent(of: task) else {
            return Unmanaged.passRetained(RedisReplyBuilder(value)).toOpaque()
        }
        parent.elements.append(value)
        return Unmanaged.passUnretained(parent).toOpaque()
    }
}

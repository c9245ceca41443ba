extension RedisScript {
    /// Stores an answer, unless the account has changed since its read began, or a newer answer is there.
    ///
    /// Keys: the answer, the version, the claim, and the index of answers with parameters. Arguments: the version that the read
    /// found; when the answer was received by the time of Redis, its lifetime and its time to live in milliseconds; the value
    /// without its head; the name of the replica; and `1` if the answer belongs in the index or else `0`. The result is 1 if the
    /// answer was stored.
    ///
    /// The head of a value: the version of its form (1 byte), when the answer was received by the time of Redis in milliseconds (6
    /// bytes), and its lifetime in milliseconds (4 bytes).
    static let putAnswer = RedisScript(
        name: "put-answer",
        source: """
            local claim = redis.call('GET', KEYS[3])
            if claim and string.sub(claim, 2) == ARGV[6] then redis.call('DEL', KEYS[3]) end
            local version = redis.call('GET', KEYS[2]) or ''
            if version ~= ARGV[1] then return 0 end
            local time = redis.call('TIME')
            local received = math.min(tonumber(ARGV[2]), time[1] * 1000 + math.floor(time[2] / 1000))
            local old = redis.call('GETRANGE', KEYS[1], 0, 10)
            if #old == 11 and string.byte(old) == 1 and struct.unpack('>I6', old, 2) > received then return 0 end
            redis.call('SET', KEYS[1], struct.pack('>BI6I4', 1, received, tonumber(ARGV[3])) .. ARGV[5], 'PX', ARGV[4])
            if ARGV[7] == '1' then
              redis.call('SADD', KEYS[4], KEYS[1])
              if redis.call('PTTL', KEYS[4]) < tonumber(ARGV[4]) then redis.call('PEXPIRE', KEYS[4], ARGV[4]) end
            end
            return 1
            """)

    /// Ends the claim of a replica. Key: the claim. Argument: the name of the replica.
    static let releaseClaim = RedisScript(
        name: "release-claim",
        source: """
            local claim = redis.call('GET', KEYS[1])
            if claim and string.sub(claim, 2) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
            return 0
            """)
}

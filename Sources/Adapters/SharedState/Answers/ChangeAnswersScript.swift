extension RedisScript {
    /// Removes the answers that a change concerns, and tells all replicas.
    ///
    /// Keys: for each operation the version, the answer without a parameter, and the index of answers with parameters. Arguments:
    /// the first character of the new version, the time to live of the version in milliseconds, the channel and the message. A
    /// version is `c` before the change is sent, or `v` afterwards, and the time of Redis in microseconds.
    static let changeAnswers = RedisScript(
        name: "change-answers",
        source: """
            local time = redis.call('TIME')
            local version = ARGV[1] .. time[1] .. string.format('%06d', time[2])
            for first = 1, #KEYS, 3 do
              redis.call('SET', KEYS[first], version, 'PX', ARGV[2])
              redis.call('DEL', KEYS[first + 1])
              for _, answer in ipairs(redis.call('SMEMBERS', KEYS[first + 2])) do redis.call('DEL', answer) end
              redis.call('DEL', KEYS[first + 2])
            end
            redis.call('PUBLISH', ARGV[3], ARGV[4])
            return 1
            """)
}

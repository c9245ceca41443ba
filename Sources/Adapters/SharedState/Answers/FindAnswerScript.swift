extension RedisScript {
    /// Looks for an answer, and claims the request to the source if there is none.
    ///
    /// Keys: the answer, the version and the claim. Arguments: as `WantedAnswer`, the lifetime of the claim in milliseconds (0 for
    /// no claim), the claim: `1` if it is urgent or else `0`, and the name of the replica; and the milliseconds after which a change
    /// counts as ended. No replica gets a claim before that, since no answer can be stored. The result is 1 with an answer, 2 if
    /// another replica has the claim, else 0; the answer; the version; and the time in milliseconds.
    static let findAnswer = RedisScript(
        name: "find-answer",
        source: """
            local time = redis.call('TIME')
            local now = time[1] * 1000 + math.floor(time[2] / 1000)
            local version = redis.call('GET', KEYS[2]) or ''
            local answer = redis.call('GET', KEYS[1])
            if answer and #answer > 11 and string.byte(answer) == 1 then
              local received, lifetime = struct.unpack('>I6I4', answer, 2)
              local age = math.max(now - received, 0)
              if age <= tonumber(ARGV[1]) and age + tonumber(ARGV[2]) <= lifetime
                and age * 1024 <= lifetime * tonumber(ARGV[3]) then
                return {1, answer, version, now}
              end
            end
            local changing = string.sub(version, 1, 1) == 'c'
              and now - math.floor(string.sub(version, 2) / 1000) < tonumber(ARGV[6])
            if ARGV[4] ~= '0' and not changing then
              local claim = redis.call('GET', KEYS[3])
              if claim and string.sub(claim, 2) ~= string.sub(ARGV[5], 2)
                and string.sub(claim, 1, 1) >= string.sub(ARGV[5], 1, 1) then
                return {2, '', version, now}
              end
              redis.call('SET', KEYS[3], ARGV[5], 'PX', ARGV[4])
            end
            return {0, '', version, now}
            """)
}

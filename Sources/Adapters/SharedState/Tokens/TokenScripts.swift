import Domain

/// The scripts that do in Redis what the domain's `TokenLedger` does. Both pass the same tests; read the reasons there.
/// `KEYS[1]` is a hash: `f` the number of the last right to refresh, or of the token, and `v` the token. `KEYS[2]` is the right to
/// refresh: its number, as long as a replica has it.
package struct TokenScripts: Sendable {
    package static let systemClock = """
        (function() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end)()
        """

    /// Returns the number of the right; null if another replica has it.
    package let begin: RedisScript

    /// ARGV: number or an empty text, token, milliseconds. Returns 0 if there is a later right or token.
    package let put: RedisScript

    /// ARGV: number. Returns 0 if the right has ended.
    package let end: RedisScript

    /// - Parameter clock: An expression for the time in microseconds since 1970.
    package init(clock: String = systemClock) {
        let functions = """
            local function next_number(last)
                local number = \(clock)
                if last and tonumber(last) >= number then number = tonumber(last) + 1 end
                return string.format('%.0f', number)
            end

            """
        let rightTime = Int64(TokenLedger<[UInt8]>.rightTime / .milliseconds(1))
        begin = RedisScript(
            name: "begin refresh of token",
            source: functions + """
                if redis.call('EXISTS', KEYS[2]) == 1 then return false end
                local number = next_number(redis.call('HGET', KEYS[1], 'f'))
                redis.call('SET', KEYS[2], number, 'PX', \(rightTime))
                redis.call('HSET', KEYS[1], 'f', number)
                if redis.call('PTTL', KEYS[1]) < \(2 * rightTime) then redis.call('PEXPIRE', KEYS[1], \(2 * rightTime)) end
                return number
                """)
        put = RedisScript(
            name: "store token",
            source: functions + """
                local number, last = ARGV[1], redis.call('HGET', KEYS[1], 'f')
                if number == '' then
                    number = next_number(last)
                elseif redis.call('GET', KEYS[2]) == number then
                    redis.call('DEL', KEYS[2])
                end
                if last and tonumber(last) > tonumber(number) then return 0 end
                redis.call('HSET', KEYS[1], 'f', number, 'v', ARGV[2])
                redis.call('PEXPIRE', KEYS[1], ARGV[3])
                return 1
                """)
        end = RedisScript(
            name: "end refresh of token",
            source: """
                if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
                return redis.call('DEL', KEYS[2])
                """)
    }
}

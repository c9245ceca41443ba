/// The scripts of `RedisTokens`. `KEYS[1]` is a hash: `f` the number of the right to refresh that stored the token, and `v`
/// the token. `KEYS[2]` is the right to refresh: its number, as long as a replica has it.
enum TokenScripts {
    /// Numbers are the microseconds of Redis' clock, so they grow also after Redis has lost its data.
    private static let functions = """
        local function next_number(last)
            local time = redis.call('TIME')
            local number = time[1] * 1000000 + time[2]
            if last and tonumber(last) >= number then number = tonumber(last) + 1 end
            return string.format('%.0f', number)
        end

        """

    /// ARGV: milliseconds. Returns the number of the right; null if another replica has it.
    static let begin = RedisScript(
        name: "begin refresh of token",
        source: functions + """
            if redis.call('EXISTS', KEYS[2]) == 1 then return false end
            local number = next_number(redis.call('HGET', KEYS[1], 'f'))
            redis.call('SET', KEYS[2], number, 'PX', ARGV[1])
            return number
            """)

    /// ARGV: number or an empty text, token, milliseconds. Returns 0 if a later right has stored a token.
    static let put = RedisScript(
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

    /// ARGV: number.
    static let end = RedisScript(
        name: "end refresh of token",
        source: """
            if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
            return redis.call('DEL', KEYS[2])
            """)
}

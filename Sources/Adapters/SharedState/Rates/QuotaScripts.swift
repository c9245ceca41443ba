/// The scripts of `RedisSharedQuotas`. `KEYS[1]` exists while no request may be sent: its value is the owner of a reservation, or
/// empty during the interval after a request. `KEYS[2]` is the number of requests of the day, and expires at its end.
enum QuotaScripts {
    private static let functions = """
        local time = redis.call('TIME')
        local day = math.floor(time[1] / 86400)
        local function count_request()
            redis.call('INCR', KEYS[2])
            redis.call('EXPIREAT', KEYS[2], (day + 1) * 86400)
        end

        """

    /// ARGV: owner, interval in milliseconds, requests a day or 0 if they are not counted, and the time in milliseconds after which
    /// the reservation ends by itself. Returns the milliseconds to wait, and the day.
    static let reserve = RedisScript(
        name: "reserve request of quota",
        source: functions + """
            local wait = 0
            local owner = redis.call('GET', KEYS[1])
            if owner == '' then wait = redis.call('PTTL', KEYS[1]) elseif owner then wait = tonumber(ARGV[2]) end
            local per_day = tonumber(ARGV[3])
            if per_day > 0 and tonumber(redis.call('GET', KEYS[2]) or '0') >= per_day then
                wait = math.max(wait, ((day + 1) * 86400 - time[1]) * 1000)
            end
            if wait > 0 then return {wait, day} end
            redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[4])
            if per_day > 0 then count_request() end
            return {0, day}
            """)

    /// ARGV: owner, interval in milliseconds, requests a day or 0, and the day of the reservation.
    static let sent = RedisScript(
        name: "request of quota was sent",
        source: functions + """
            local owner = redis.call('GET', KEYS[1])
            if not owner or owner == ARGV[1] then redis.call('SET', KEYS[1], '', 'PX', ARGV[2]) end
            if tonumber(ARGV[3]) > 0 and tonumber(ARGV[4]) ~= day then count_request() end
            return 1
            """)

    /// ARGV: owner, interval, requests a day or 0, and the day of the reservation.
    static let giveBack = RedisScript(
        name: "request of quota was not sent",
        source: functions + """
            if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
            redis.call('DEL', KEYS[1])
            if tonumber(ARGV[3]) > 0 and tonumber(ARGV[4]) == day and tonumber(redis.call('GET', KEYS[2]) or '0') > 0 then
                redis.call('DECR', KEYS[2])
            end
            return 1
            """)
}

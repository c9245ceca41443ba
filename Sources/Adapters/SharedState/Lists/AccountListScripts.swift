/// The scripts of `RedisAccountLists`. `KEYS[1]` is the head of the stored list, and `KEYS[2]` the claim of the replica that lists.
enum AccountListScripts {
    /// ARGV: the head that the replica has read, or an empty text; its name; milliseconds. Returns 1 if the replica has the claim, 0 if
    /// another one has it, and 2 if the head is another one.
    static let claim = RedisScript(
        name: "claim account list",
        source: """
            if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 2 end
            local owner = redis.call('GET', KEYS[2])
            if owner and owner ~= ARGV[2] then return 0 end
            redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
            return 1
            """)

    /// ARGV: name, milliseconds.
    static let extend = RedisScript(
        name: "extend claim of account list",
        source: """
            if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
            return redis.call('PEXPIRE', KEYS[2], ARGV[2])
            """)

    /// ARGV: name.
    static let end = RedisScript(
        name: "end claim of account list",
        source: """
            if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
            return redis.call('DEL', KEYS[2])
            """)

    /// The head: the version of the form, the name of the parts, their number, their size, when the listing began by the time of
    /// Redis in milliseconds, and how long it took in milliseconds.
    ///
    /// ARGV: name of the replica, name of the parts, number, size, age, time that the listing took, time to live. Returns the head
    /// whose parts are not used any more: the previous one, an empty text without one, or that of the given parts if there is a list
    /// whose listing began later.
    static let put = RedisScript(
        name: "store account list",
        source: """
            if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
            local time = redis.call('TIME')
            local began = time[1] * 1000 + math.floor(time[2] / 1000) - tonumber(ARGV[5])
            local previous = redis.call('GET', KEYS[1]) or ''
            local head = string.format('1 %s %s %s %.0f %s', ARGV[2], ARGV[3], ARGV[4], began, ARGV[6])
            local other = string.match(previous, '^1 %S+ %d+ %d+ (%d+) %d+$')
            if other and tonumber(other) > began then return head end
            redis.call('SET', KEYS[1], head, 'PX', ARGV[7])
            return previous
            """)
}

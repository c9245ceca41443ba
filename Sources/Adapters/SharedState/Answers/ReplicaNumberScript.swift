extension RedisScript {
    /// Claims the number of a replica, or extends the claim. Key: the number. Arguments: the name of the replica and the time to
    /// live in milliseconds. The result is 1, or 0 if another replica has the number.
    static let claimNumber = RedisScript(
        name: "claim-number",
        source: """
            local owner = redis.call('GET', KEYS[1])
            if owner and owner ~= ARGV[1] then return 0 end
            redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
            return 1
            """)
}

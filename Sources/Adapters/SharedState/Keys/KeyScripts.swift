package import Domain

/// The scripts that do in Redis what the domain's `KeyLedger` does. Both pass the same tests; read the reasons there. A key of
/// Redis is a hash:
///
/// `v` the version of this form, `s` the state, `t` the fencing token, `l` the end of the lease in milliseconds of Redis'
/// clock, `o` the operation, `a` the account, `d` the digest, `r` and `f` the seconds since 1970 at which the key was
/// claimed and finished, `b` the document of an answer, and `k`, `c`, `m` the kind, code and message of a refusal.
package struct KeyScripts: Sendable {
    package static let systemClock = """
        (function() local t = redis.call('TIME') return t[1] * 1000 + math.floor(t[2] / 1000) end)()
        """

    /// Functions that several scripts use.
    ///
    /// `state_of` is the state that the key has now. A key whose lease has ended is free if nothing was sent, otherwise
    /// unknown. A key of a later version is unreadable. Numbers are written without an exponent.
    ///
    /// - Parameter clock: An expression for the time in milliseconds since 1970.
    private static func functions(_ clock: String) -> String {
        """
        local function clock() return \(clock) end
        local function lease_end(lease) return string.format('%.0f', clock() + lease) end
        local function state_of(key, now, window)
            local f = redis.call('HMGET', key, 'v', 's', 'l', 'f')
            if not f[2] then return 'free' end
            if f[1] ~= '1' then return 'unreadable' end
            if f[2] == 'claimed' and tonumber(f[3]) <= clock() then return 'free' end
            if f[2] == 'sending' and tonumber(f[3]) <= clock() then return 'unknown' end
            if (f[2] == 'done' or f[2] == 'refused') and tonumber(f[4]) + window <= now then return 'free' end
            return f[2]
        end
        -- Arguments from i on: whether the write was sent, operation, account, digest, recordedAt.
        local function restore(key, token, a, i)
            if a[i] ~= '1' then return end
            local f = redis.call('HMGET', key, 't', 's')
            if not f[1] then
                redis.call('HSET', key, 'v', '1', 's', 'sending', 't', token, 'l', '0', 'o', a[i + 1], 'a', a[i + 2],
                    'd', a[i + 3], 'r', a[i + 4])
            elseif f[1] == token and f[2] == 'claimed' then
                redis.call('PERSIST', key)
                redis.call('HSET', key, 's', 'sending')
            end
        end
        local function finish(key, a, i)
            -- PERSIST first: a full Redis permits every write after a write that needs no memory.
            redis.call('PERSIST', key)
            redis.call('HSET', key, 's', a[i], 'f', a[i + 1])
            if a[i + 3] == '1' then redis.call('HSET', key, 'b', a[i + 4]) end
            if a[i] == 'refused' then redis.call('HSET', key, 'k', a[i + 5], 'c', a[i + 6], 'm', a[i + 7]) end
            redis.call('PEXPIRE', key, a[i + 2])
        end

        """
    }

    /// ARGV: token, lease, now, window, operation, account, digest. Claims a free key; of another key, returns the record.
    private let claim: RedisScript

    /// ARGV: now, window.
    private let read: RedisScript

    /// ARGV: token, lease. Returns 0 if the claim was lost or is sending already.
    private let willSend: RedisScript

    /// ARGV: token, then those of an outcome, then those of `restore`. Returns 0 if the claim was lost or nothing was sent.
    private let finish: RedisScript

    /// ARGV: token, then those of `restore`. Returns 0 if the claim was lost or nothing was sent.
    private let leaveUnknown: RedisScript

    /// ARGV: token.
    private let release: RedisScript

    /// ARGV: digest, now, window, then those of an outcome.
    private let resolve: RedisScript

    /// ARGV: token, whether the key was read as finished. Returns 0 if it has changed.
    private let remove: RedisScript

    /// ARGV: token, lease, whether the write was sent, operation, account, digest, recordedAt. Renews a lease. If
    /// Redis has lost the key of a write that was sent, or that record, writes it again. Returns 0 if the claim has lost its key
    /// or has ended.
    private let renew: RedisScript

    /// - Parameter clock: An expression for the time in milliseconds since 1970.
    package init(clock: String = systemClock) {
        let functions = Self.functions(clock)
        claim = RedisScript(
            name: "claim key",
            source: functions + """
                local token, lease = ARGV[1], tonumber(ARGV[2])
                local state = state_of(KEYS[1], tonumber(ARGV[3]), tonumber(ARGV[4]))
                local is_own = state == 'claimed' and redis.call('HGET', KEYS[1], 't') == token
                if state ~= 'free' and not is_own then
                    return {'recorded', state, redis.call('HGETALL', KEYS[1])}
                end
                -- Without a write before HSET, a full Redis refuses it.
                if redis.call('EXISTS', KEYS[1]) == 1 then redis.call('DEL', KEYS[1]) end
                redis.call('HSET', KEYS[1], 'v', '1', 's', 'claimed', 't', token, 'l', lease_end(lease), 'o', ARGV[5],
                    'a', ARGV[6], 'd', ARGV[7], 'r', ARGV[3])
                redis.call('PEXPIRE', KEYS[1], lease * 2)
                return {'claimed'}
                """)
        read = RedisScript(
            name: "read key",
            source: functions + """
                local state = state_of(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]))
                if state == 'free' then return {'free'} end
                return {'recorded', state, redis.call('HGETALL', KEYS[1])}
                """)
        willSend = RedisScript(
            name: "mark key as sending",
            source: functions + """
                local f = redis.call('HMGET', KEYS[1], 't', 's')
                if f[1] ~= ARGV[1] or f[2] ~= 'claimed' then return 0 end
                redis.call('PERSIST', KEYS[1])
                redis.call('HSET', KEYS[1], 's', 'sending', 'l', lease_end(tonumber(ARGV[2])))
                return 1
                """)
        finish = RedisScript(
            name: "finish key",
            source: functions + """
                restore(KEYS[1], ARGV[1], ARGV, 10)
                local f = redis.call('HMGET', KEYS[1], 't', 's')
                if f[1] ~= ARGV[1] then return 0 end
                if f[2] == 'done' or f[2] == 'refused' then return 1 end
                if f[2] == 'claimed' then return 0 end
                finish(KEYS[1], ARGV, 2)
                return 1
                """)
        leaveUnknown = RedisScript(
            name: "leave key unknown",
            source: functions + """
                restore(KEYS[1], ARGV[1], ARGV, 2)
                local f = redis.call('HMGET', KEYS[1], 't', 's')
                if f[1] ~= ARGV[1] or f[2] == 'claimed' then return 0 end
                if f[2] == 'sending' then redis.call('HSET', KEYS[1], 's', 'unknown') end
                return 1
                """)
        release = RedisScript(
            name: "release key",
            source: """
                local f = redis.call('HMGET', KEYS[1], 't', 's')
                if f[1] ~= ARGV[1] or (f[2] ~= 'claimed' and f[2] ~= 'sending') then return 0 end
                return redis.call('DEL', KEYS[1])
                """)
        resolve = RedisScript(
            name: "resolve key",
            source: functions + """
                local state = state_of(KEYS[1], tonumber(ARGV[2]), tonumber(ARGV[3]))
                if state == 'unreadable' then return redis.error_reply('ERR unreadable') end
                if state ~= 'unknown' or redis.call('HGET', KEYS[1], 'd') ~= ARGV[1] then return 0 end
                finish(KEYS[1], ARGV, 4)
                return 1
                """)
        remove = RedisScript(
            name: "remove key",
            source: functions + """
                local state = state_of(KEYS[1], 0, 1)
                if state == 'unreadable' then return redis.error_reply('ERR unreadable') end
                if redis.call('HGET', KEYS[1], 't') ~= ARGV[1] or state == 'free' then return 'absent' end
                if state == 'claimed' or state == 'sending' then return 'running' end
                if (state == 'unknown') == (ARGV[2] == '1') then return 0 end
                redis.call('DEL', KEYS[1])
                return 'removed'
                """)
        renew = RedisScript(
            name: "renew lease of key",
            source: functions + """
                local token, lease, is_sent = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
                local f = redis.call('HMGET', KEYS[1], 't', 's')
                if f[1] and f[1] ~= token then return 0 end
                if not f[1] and not is_sent then return 0 end
                if not f[1] then
                    redis.call('HSET', KEYS[1], 'v', '1', 's', 'claimed', 't', token, 'o', ARGV[4], 'a', ARGV[5],
                        'd', ARGV[6], 'r', ARGV[7])
                    f[2] = 'claimed'
                end
                if f[2] ~= 'claimed' and f[2] ~= 'sending' then return 0 end
                redis.call('HSET', KEYS[1], 'l', lease_end(lease))
                if is_sent then
                    redis.call('HSET', KEYS[1], 's', 'sending')
                    redis.call('PERSIST', KEYS[1])
                elseif f[2] == 'claimed' then
                    redis.call('PEXPIRE', KEYS[1], lease * 2)
                end
                return 1
                """)
    }

    /// The script of a command, and its arguments.
    package func script(for command: KeyCommand, _ rules: KeyLedger.Rules) -> (RedisScript, [[UInt8]]) {
        func bytes(_ number: Int64) -> [UInt8] { Array("\(number)".utf8) }
        func bytes(sent write: ClaimedWrite?) -> [[UInt8]] {
            guard let write else { return [bytes(0), [], [], [], []] }
            return [bytes(1)] + bytes(write) + [bytes(write.recordedAt.secondsSinceEpoch)]
        }
        func bytes(_ write: ClaimedWrite) -> [[UInt8]] {
            let request = write.request
            return [
                Array(request.operation.storedName.utf8), Array(request.account.rawValue.utf8), request.digest,
            ]
        }
        let lease = bytes(rules.lease)
        let window = bytes(rules.window)
        switch command {
        case .claim(let write, let token):
            return (
                claim, [bytes(token), lease, bytes(write.recordedAt.secondsSinceEpoch), window] + bytes(write)
            )
        case .read(let now): return (read, [bytes(now.secondsSinceEpoch), window])
        case .willSend(let token): return (willSend, [bytes(token), lease])
        case .renew(let write, let token, let isSent):
            let recordedAt = bytes(write.recordedAt.secondsSinceEpoch)
            return (renew, [bytes(token), lease, bytes(isSent ? 1 : 0)] + bytes(write) + [recordedAt])
        case .finish(let outcome, let now, let token, let sent):
            return (finish, [bytes(token)] + StoredKey.arguments(outcome, at: now, rules) + bytes(sent: sent))
        case .leaveUnknown(let token, let sent): return (leaveUnknown, [bytes(token)] + bytes(sent: sent))
        case .release(let token): return (release, [bytes(token)])
        case .resolve(let outcome, let now, let digest):
            return (
                resolve,
                [digest, bytes(now.secondsSinceEpoch), window] + StoredKey.arguments(outcome, at: now, rules)
            )
        case .remove(let token, let isFinished): return (remove, [bytes(token), bytes(isFinished ? 1 : 0)])
        }
    }
}

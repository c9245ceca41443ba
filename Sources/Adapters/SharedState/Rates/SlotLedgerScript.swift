/// The script that does in Redis what the domain's `SlotLedger` does. Both pass the same tests; read the reasons there.
///
/// `KEYS[1]` is a hash with the state. The arguments are those of `RedisSharedRates.arguments`.
package enum SlotLedgerScript {
    /// - Parameters:
    ///   - clock: An expression for the time in microseconds since 1970.
    ///   - server: An expression for the number of the server since its start; 0 if an ACL does not permit to ask.
    package static func script(
        clock: String = "(function() local t = redis.call('TIME') return t[1] * 1000000 + t[2] end)()",
        server: String = """
        (function()
          local info = redis.pcall('INFO', 'server')
          local id = type(info) == 'string' and string.match(info, 'run_id:(%x+)')
          return id and tonumber(string.sub(id, 1, 12), 16) or 0
        end)()
        """
    ) -> RedisScript {
        RedisScript(name: "slots", source: source(clock: clock, server: server))
    }

    /// Numbers are exact up to 2^53. They are stored with `%.0f`, since the default notation has 14 digits.
    private static func source(clock: String, server: String) -> String {
        """
        local WINDOW, DAY, UNIT = 1012000, 86400000000, 1000000
        local CALLER_HORIZON, BULK_HORIZON = 250000, 60000
        local REPLY_TIME, RETURN_TIME, NOTICE_TIME = 200000, 5000000, 800000
        local floor, max, min = math.floor, math.max, math.min

        local now = \(clock)
        local server = \(server)
        local a = {}
        for index, text in ipairs(ARGV) do a[index] = tonumber(text) end
        local replica = ARGV[1]
        local rate, perDay, dayReserve, bulkEvery = a[2], a[3], a[4], a[5]
        local callers, bulk, expires, serialSeen, replicas = a[6], a[7], a[8], a[9], a[10]
        local isDoubtful, isReturning = a[11] == 1, a[12] == 1
        local day, spentSeen, unshared, unused = a[13], a[14], a[15], a[16]
        local isRefused, blockedFor, exhaustedFor = a[17] == 1, a[18], a[19]

        local state = { server = 0, serial = 0, next = 0, blockedUntil = 0, factor = UNIT, refusedAt = 0, factorChangedAt = 0,
          today = 0, spent = 0, exhaustedUntil = 0, bulkWaitsUntil = 0, slotsSinceBulk = 0, lastAskedAt = 0,
          returnsUntil = 0, replicasBefore = 0 }
        local shares, removed = {}, {}
        local stored = redis.call('HGETALL', KEYS[1])
        for index = 1, #stored, 2 do
          local field, text = stored[index], stored[index + 1]
          if state[field] then
            state[field] = tonumber(text)
          elseif string.sub(field, 1, 6) == 'share:' then
            local kind, from, askedAt = string.match(text, '^(%a) (%d+) (%d+)$')
            if kind then
              shares[string.sub(field, 7)] = { kind = kind, from = tonumber(from), askedAt = tonumber(askedAt) }
            end
          end
        end

        local function divide(dividend, divisor) return floor((dividend + divisor - 1) / divisor) end
        local function spacingOf(value) return divide(WINDOW * 1000, value) end
        local ruleSpacing = spacingOf(rate)
        local callerHorizon = max(CALLER_HORIZON, 2 * ruleSpacing)
        local horizon = callerHorizon + ruleSpacing

        local function reply(slots, retryAfter)
          local exhaustedFor = max(state.exhaustedUntil - now, 0)
          return { now, server, retryAfter, state.serial, state.today, state.spent, exhaustedFor, slots }
        end

        local function save()
          local fields = {}
          for field, value in pairs(state) do
            fields[#fields + 1] = field
            fields[#fields + 1] = string.format('%.0f', value)
          end
          for id in pairs(removed) do redis.call('HDEL', KEYS[1], 'share:' .. id) end
          for id, share in pairs(shares) do
            fields[#fields + 1] = 'share:' .. id
            fields[#fields + 1] = string.format('%s %.0f %.0f', share.kind, share.from, share.askedAt)
          end
          redis.call('HSET', KEYS[1], unpack(fields))
          redis.call('PEXPIRE', KEYS[1], 172800000)
        end

        if expires > 0 and expires < now then return reply({}, 1000) end

        if state.server ~= 0 and server ~= 0 and server ~= state.server then
          state.next = now + horizon + WINDOW
          state.lastAskedAt = 0
          state.returnsUntil = 0
        end
        state.server = server

        if state.serial < serialSeen then
          state.serial = serialSeen
          state.next = max(state.next, now + horizon + WINDOW)
        end
        if state.next > now + 3 * WINDOW + 50 * ruleSpacing then state.next = now + horizon + WINDOW end
        if state.blockedUntil > now + DAY then state.blockedUntil = 0 end
        if state.returnsUntil > now + RETURN_TIME then state.returnsUntil = 0 end
        if state.lastAskedAt > now then state.lastAskedAt = 0 end
        state.serial = state.serial + 1

        local nowDay = floor(now / DAY)
        if nowDay > state.today then
          state.today = nowDay
          state.spent = 0
        end
        if day == state.today then
          state.spent = max(max(state.spent, spentSeen) + unshared - unused, 0)
        end
        if exhaustedFor > 0 then
          state.exhaustedUntil = max(state.exhaustedUntil, min(now + exhaustedFor, (nowDay + 2) * DAY))
        end
        if state.exhaustedUntil > (nowDay + 2) * DAY then state.exhaustedUntil = 0 end

        if state.factor < UNIT then
          state.factor = min(state.factor + floor(min(max(now - state.factorChangedAt, 0), 1000000) / 20), UNIT)
          state.factorChangedAt = now
        end
        if isRefused then
          if math.abs(now - state.refusedAt) >= 500000 then
            state.factor = max(floor(state.factor * 7 / 10), 50000)
            state.refusedAt = now
            state.factorChangedAt = now
          end
          local pause = blockedFor > 0 and blockedFor or divide(1000000000, rate)
          state.blockedUntil = max(state.blockedUntil, now + min(pause, DAY))
        end

        local wasAway = isDoubtful or now - state.lastAskedAt >= horizon + WINDOW
        state.lastAskedAt = now
        if wasAway then
          if now >= state.returnsUntil then
            for id in pairs(shares) do removed[id] = true end
            shares = {}
            state.replicasBefore = 0
          end
          state.replicasBefore = max(state.replicasBefore, replicas)
          state.returnsUntil = max(state.returnsUntil, now + (isReturning and RETURN_TIME or NOTICE_TIME))
        end
        if isReturning then
          shares[replica] = { kind = 'a', from = now, askedAt = now }
        elseif now < state.returnsUntil then
          local share = shares[replica] or { kind = 'u', from = now }
          share.askedAt = now
          if share.kind == 'a' then
            share.kind = 'u'
            share.from = share.from + REPLY_TIME + WINDOW
          end
          shares[replica] = share
        end

        local current = rate
        if now < state.returnsUntil then
          local unusedShares, wait = 0, BULK_HORIZON
          for _, share in pairs(shares) do
            if share.kind == 'u' then
              if share.from > now then
                wait = min(wait, share.from - now)
              elseif now <= share.askedAt + callerHorizon then
                unusedShares = unusedShares + 1
              end
            end
          end
          local whole = floor(floor(rate / 1000) / state.replicasBefore)
          local share = whole > 0 and whole * 1000 or max(floor(rate / state.replicasBefore), 1)
          current = min(rate, share * unusedShares)
          if current <= 0 then
            save()
            return reply({}, wait)
          end
        end
        current = max(floor(current * state.factor / UNIT), 1)

        local spacing = spacingOf(current)
        local callerEnd = now + callerHorizon
        local bulkEnd = now + max(BULK_HORIZON, ruleSpacing)
        local isExhausted = state.exhaustedUntil > now
        local callerDay, bulkDay = math.huge, math.huge
        if perDay > 0 then callerDay, bulkDay = perDay, perDay - dayReserve end
        if isExhausted then callerDay, bulkDay = 0, 0 end
        local slots = {}
        local start = max(now, state.next, state.blockedUntil)
        local function takeSlot()
          slots[#slots + 1] = start
          start = start + spacing
          state.next = start
          state.spent = state.spent + 1
        end
        while callers > 0 and start <= callerEnd and state.spent < callerDay do
          takeSlot()
          callers = callers - 1
        end
        if now < state.bulkWaitsUntil then state.slotsSinceBulk = state.slotsSinceBulk + #slots end
        local isBulkDue = state.slotsSinceBulk >= bulkEvery - 1
        while bulk > 0 and (start <= bulkEnd or (isBulkDue and start <= callerEnd + ruleSpacing))
          and state.spent < bulkDay do
          takeSlot()
          bulk = bulk - 1
          state.slotsSinceBulk = 0
          isBulkDue = false
        end
        if bulk > 0 then state.bulkWaitsUntil = now + 1000000 end

        local retryAfter = 0
        if callers > 0 then
          retryAfter = max(state.spent < callerDay and start - callerEnd or 1000000, 1000)
        elseif bulk > 0 then
          retryAfter = max(state.spent < bulkDay and start - bulkEnd + BULK_HORIZON / 4 or 1000000, 1000)
        end
        save()
        return reply(slots, retryAfter)
        """
    }
}

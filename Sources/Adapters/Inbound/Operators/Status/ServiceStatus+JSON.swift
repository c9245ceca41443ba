import Domain
import NIOCore

extension ServiceStatus {
    /// Writes the body of `/status`. Times are RFC 3339 in UTC, durations seconds.
    func write(_ health: [Health.Report], to buffer: inout ByteBuffer) {
        buffer.writeJSONObject { object in
            object.member("time", time.rfc3339)
            object.member("service") { $0.writeJSONObject { write(process, to: &$0) } }
            object.member("ready", !health.contains { $0.finding.status == .failing })
            object.member("checks") { $0.writeJSONArray(health) { $0.write($1) } }
            object.member("requests") { buffer in
                buffer.writeJSONObject { object in
                    object.member("in_flight", requests.inFlight)
                    object.member("per_second", requests.perSecond)
                    object.member("buffered_bytes", requests.bufferedBytes)
                }
            }
            object.member("connections") { buffer in
                buffer.writeJSONArray(connections) { buffer, connections in
                    buffer.writeJSONObject { object in
                        object.member("protocol", connections.version)
                        object.member("tls", connections.isEncrypted)
                        object.member("open", connections.open)
                        object.member("accepted", connections.accepted)
                    }
                }
            }
            object.member("rates") { $0.writeJSONArray(rates) { $0.write($1) } }
            object.member("tokens") { buffer in
                buffer.writeJSONArray(tokens) { buffer, token in
                    buffer.writeJSONObject { object in
                        object.member("master", token.master)
                        object.member("age_s", token.age.map { $0 / .seconds(1) })
                        object.member("left_s", token.left.map { $0 / .seconds(1) })
                        object.member("circuit_open", token.isCircuitOpen)
                    }
                }
            }
            object.member("cache") { $0.writeJSONObject { write(cache, to: &$0) } }
            object.member("streams") { $0.writeJSONArray(streams) { $0.write($1) } }
            object.member("refresh") { buffer in
                guard let refresh else { return buffer.writeNull() }
                buffer.writeJSONObject { object in
                    object.member("round", refresh.round)
                    object.member("done", refresh.done)
                    object.member("accounts", refresh.accounts)
                    object.member("failures", refresh.failures)
                    object.member("began", refresh.began?.rfc3339)
                }
            }
            object.member("store") { $0.writeJSONObject { write(store, to: &$0) } }
            object.member("defences") { buffer in
                buffer.writeJSONArray(defences) { buffer, defence in
                    buffer.writeJSONObject { object in
                        object.member("reason", defence.reason)
                        object.member("count", defence.count)
                    }
                }
            }
            object.member("failures") { $0.writeJSONArray(failures) { $0.write($1) } }
        }
        buffer.writeStaticString("\n")
    }

    private func write(_ process: Process, to object: inout JSONMemberWriter) {
        object.member("version", process.version)
        object.member("started", process.started?.rfc3339)
        object.member("uptime_s", process.uptime(at: time).map { $0 / .seconds(1) })
        object.member("memory_bytes", process.residentBytes)
        object.member("open_files", process.openFiles)
        object.member("open_files_max", process.openFilesMax)
        object.member("event_loops", process.eventLoops)
    }

    private func write(_ cache: Cache, to object: inout JSONMemberWriter) {
        object.member("accounts", cache.accounts)
        object.member("accounts_cached", cache.accountsCached)
        object.member("entries", cache.entries)
        object.member("bytes", cache.bytes)
        object.member("max_bytes", cache.bytesMax)
        object.member("hit_ratio", cache.hitRatio)
        object.member("ages") { buffer in
            buffer.writeJSONArray(cache.ages) { buffer, age in
                buffer.writeJSONObject { object in
                    object.member("up_to_s", age.upTo.map { Int($0.components.seconds) })
                    object.member("entries", age.entries)
                }
            }
        }
    }

    private func write(_ store: Store, to object: inout JSONMemberWriter) {
        object.member("kind", store.kind)
        switch store {
        case .memory, .file: break
        case .redis(let isConnected, let replicas):
            object.member("connected", isConnected)
            object.member("replicas", replicas)
        }
    }
}

extension ServiceStatus.Process {
    func uptime(at now: Timestamp) -> Duration? {
        started.map { .seconds(now.secondsSinceEpoch - $0.secondsSinceEpoch) }
    }
}

extension ServiceStatus.Store {
    var kind: String {
        switch self {
        case .memory: "memory"
        case .file: "file"
        case .redis: "redis"
        }
    }
}

extension ByteBuffer {
    fileprivate mutating func writeNull() { writeStaticString("null") }

    fileprivate mutating func write(_ report: Health.Report) {
        writeJSONObject { report.write(to: &$0) }
    }

    fileprivate mutating func write(_ rate: ServiceStatus.Rate) {
        writeJSONObject { object in
            object.member("master", rate.master)
            object.member("label", rate.label)
            object.member("limit_per_second", rate.limitPerSecond)
            object.member("used_per_second", rate.usedPerSecond)
            object.member("waiting", rate.waiting)
            object.member("admitted", rate.permitted)
            object.member("refused", rate.refused)
            object.member("answers_429", rate.tooManyRequests)
            object.member("own_share") { buffer in
                buffer.writeString(rate.isOwnShare.map { $0 ? "true" : "false" } ?? "null")
            }
            object.member("history") { buffer in
                buffer.writeJSONArray(rate.history) { $0.writeString(JSONMemberWriter.text(of: $1)) }
            }
            object.member("day") { buffer in
                guard let day = rate.day else { return buffer.writeNull() }
                buffer.writeJSONObject { object in
                    object.member("limit", day.limit)
                    object.member("used", day.used)
                    object.member("resets_at", rate.dayResets?.rfc3339)
                    object.member("exhausted_at", rate.dayEnds?.rfc3339)
                }
            }
        }
    }

    fileprivate mutating func write(_ stream: ServiceStatus.Stream) {
        writeJSONObject { object in
            object.member("request_id", stream.requestID)
            object.member("caller", stream.caller)
            object.member("began", stream.began.rfc3339)
            object.member("done", stream.done)
            object.member("accounts", stream.accounts)
            object.member("lines", stream.lines)
            object.member("per_second", stream.perSecond)
            object.member("left_s", stream.left.map { $0 / .seconds(1) })
            object.member("state", stream.state.rawValue)
        }
    }

    fileprivate mutating func write(_ failure: ServiceStatus.Failure) {
        writeJSONObject { object in
            object.member("time", failure.time.rfc3339)
            object.member("request_id", failure.requestID)
            object.member("method", failure.method)
            object.member("route", failure.route)
            object.member("status", failure.status)
            object.member("caller", failure.caller)
            object.member("duration_ms", failure.duration / .milliseconds(1))
        }
    }
}

extension JSONMemberWriter {
    /// Writes a number with at most three digits after the point; null for `nil` and for what JSON cannot write.
    fileprivate mutating func member(_ name: StaticString, _ value: Double?) {
        member(name) { $0.writeString(value.map(Self.text) ?? "null") }
    }

    fileprivate static func text(of value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "null" }
        let rounded = (value * 1000).rounded() / 1000
        return Int(exactly: rounded).map { "\($0)" } ?? "\(rounded)"
    }
}

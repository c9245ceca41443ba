package import Domain
import ServiceLifecycle

/// Gives this replica a number that no other replica with the same Redis has.
package struct RedisReplicaNumber: Service {
    private let client: RedisClient
    private let moments: StreamMoments
    private let time: any TimeSource

    /// Names this process in claims.
    private let name = RandomToken.make()

    /// After this time without an extension the number is free.
    private static let claimTime = Duration.seconds(3600)
    private static let interval = Duration.seconds(10)
    private static let limit = Duration.seconds(1)

    package init(_ client: RedisClient, _ moments: StreamMoments, time: any TimeSource) {
        self.client = client
        self.moments = moments
        self.time = time
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            _ = await client.waitUntilConnected(within: Self.claimTime)
            var number: Int?
            while true {
                number = await extended(number)
                let pause = number == nil ? Self.limit : Self.interval
                guard (try? await time.sleep(until: time.now + pause)) != nil else { return }
            }
        }
    }

    /// Extends the claim of a number, or claims another one.
    ///
    /// - Returns: The number of this replica; `nil` while it has none.
    private func extended(_ number: Int?) async -> Int? {
        let candidate = number ?? .random(in: 0..<StreamMoments.replicasMax)
        do throws(RedisFailure) {
            let isOwn = try await claim(candidate)
            moments.setNumber(isOwn ? candidate : nil)
            return isOwn ? candidate : nil
        } catch {
            // The claim lasts for an hour. So does the number, since this replica extends the claim when Redis is back.
            return number
        }
    }

    private func claim(_ number: Int) async throws(RedisFailure) -> Bool {
        let (seconds, _) = Self.claimTime.components
        let reply = try await client.run(
            .claimNumber, keys: [client.configuration.key("number", "\(number)")],
            arguments: [Array(name.utf8), Array("\(seconds * 1000)".utf8)], within: Self.limit)
        return reply.integer == 1
    }
}

import Adapters
import Domain
import NIOCore
import NIOPosix
import ServiceLifecycle

/// What shares the cached answers and account lists with other replicas while the service runs.
struct AnswerSharing {
    let services: [any Service]

    init?(
        _ answers: RedisAnswers, _ lists: RedisAccountLists, _ cache: BillingCache, _ moments: StreamMoments,
        _ redis: RedisPart,
        _ context: ApplicationContext
    ) {
        guard let client = redis.client else { return nil }
        let subscription = RedisSubscription(
            client, channels: [answers.channel], group: context.group, time: context.time,
            logger: context.logger
        ) { event in
            if let event = answers.event(event) { cache.received(event) }
        }
        services = [
            subscription, Changes(cache: cache), Keys(answers: answers, lists: lists, time: context.time),
            RedisReplicaNumber(client, moments, time: context.time),
        ]
    }

    /// Reports changes to the other replicas, at shutdown also the last ones.
    private struct Changes: Service {
        let cache: BillingCache

        private static let lastTime = Duration.seconds(1)

        func run() async throws {
            await withTaskGroup(of: Void.self) { tasks in
                tasks.addTask { [cache] in await cache.shareChanges() }
                try? await gracefulShutdown()
                await cache.waitUntilChangesAreShared(within: Self.lastTime)
                tasks.cancelAll()
            }
        }
    }

    /// Reads the file of keys again from time to time.
    private struct Keys: Service {
        let answers: RedisAnswers
        let lists: RedisAccountLists
        let time: any TimeSource

        private static let interval = Duration.seconds(30)

        func run() async throws {
            await cancelWhenGracefulShutdown {
                while (try? await time.sleep(until: time.now + Self.interval)) != nil {
                    try? await NIOThreadPool.singleton.runIfActive {
                        answers.readKeys()
                        lists.readKeys()
                    }
                }
            }
        }
    }
}

extension MasterAccounts {
    /// Identifies the master accounts for the replicas that share their answers.
    var answerSources: RedisAnswers.Sources {
        @Sendable func text(_ master: ZoomMasters.Master) -> String {
            "\(master.accountID) \(master.api.origin.authority)\(master.api.path)"
        }
        return RedisAnswers.Sources(
            one: { [file] name in
                let masters = file.value.masters
                guard let name else { return masters.count == 1 ? text(masters[0]) : nil }
                return masters.first { $0.name == name }.map(text)
            }, all: { [file] in file.value.masters.map(text) })
    }
}

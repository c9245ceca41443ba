import Adapters
import Domain

/// A caller that is not in the callers file: the user of an embedded sandbox, or a one-shot export.
struct Guest: Sendable {
    let digest: SHA256Digest
    let caller: Caller
}

/// The callers of the callers file, which is reloaded when it changes, and a guest.
struct KnownCallers: CallerDirectory {
    let file: ReloadedFile<CallerRegistry>?

    let guest: Guest?

    let time: any TimeSource

    func standing(of credential: CallerCredential) -> CallerStanding? {
        if isGuest(credential) { return guest.map { CallerStanding($0.caller) } }
        return file.flatMap { entry(for: credential, in: $0.value) }.map {
            CallerStanding($0.caller, expires: $0.expires)
        }
    }

    var version: Int { file?.version ?? 0 }

    private func isGuest(_ credential: CallerCredential) -> Bool {
        guard case .token(let digest) = credential, let guest else { return false }
        return digest == guest.digest
    }

    private func entry(for credential: CallerCredential, in registry: CallerRegistry) -> CallersDocument.Entry? {
        let entry =
            switch credential {
            case .token(let digest): registry.entry(presenting: digest)
            case .certificate(let names): registry.entry(certificateNames: names)
            }
        guard let entry, entry.isLive(at: time.timestamp) else { return nil }
        return entry
    }

    func endOfExport(for credential: CallerCredential, begunAs caller: Caller) async {
        guard !isGuest(credential), let file else { return await untilCancelled() }
        while !Task.isCancelled {
            let (registry, version) = file.versioned
            guard let entry = entry(for: credential, in: registry), entry.caller.mayContinueExport(startedAs: caller)
            else {
                return
            }
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await file.change(since: version) }
                if let expires = entry.expires {
                    group.addTask { [time] in
                        let left = expires.secondsSinceEpoch - time.timestamp.secondsSinceEpoch
                        try? await time.sleep(until: time.now + .seconds(max(1, left)))
                    }
                }
                await group.next()
                group.cancelAll()
            }
        }
    }

    private func untilCancelled() async {
        let (never, end) = AsyncStream<Void>.makeStream()
        await withTaskCancellationHandler {
            for await _ in never {}
        } onCancel: {
            end.finish()
        }
    }

    /// Whether there are no callers at all.
    var isEmpty: Bool { guest == nil && (file?.value.document.entries.isEmpty ?? true) }

    /// The callers without a usable master account: theirs does not exist, or they name none although there are several.
    func withoutMaster(among masters: Set<Name>) -> [Name] {
        let entries = file?.value.document.entries ?? []
        return entries.map(\.caller).filter { caller in
            caller.master.map { !masters.contains($0) } ?? (masters.count != 1)
        }.map(\.name)
    }
}

import Adapters
import Domain
import Logging

/// Metrics that are read from their source only when metrics are requested.
extension MetricsRegistry {
    func collect(from cache: BillingCache, bytesMax: Int) {
        collect { samples in
            let counts = cache.counts
            let results = [
                ("fresh", counts.fresh), ("stale", counts.stale), ("missed", counts.missed),
                ("stood-in", counts.staleIfError),
            ]
            for (result, count) in results { samples.add(.cacheLookups, count, [("result", result)]) }
            if let shared = cache.sharedCounts {
                for (result, count) in [
                    ("hit", shared.hits), ("missed", shared.misses), ("failed", shared.failed),
                    ("skipped", shared.skipped), ("expired", shared.expired),
                ] {
                    samples.add(.sharedAnswersLookups, count, [("result", result)])
                }
                samples.add(.sharedAnswersWaits, shared.waits)
            }
            samples.add(.cacheEvictions, counts.evicted)
            samples.add(.cacheRenewals, counts.revalidations)
            let size = cache.size
            samples.add(.cacheEntries, size.entries)
            samples.add(.cacheBytes, size.bytes)
            samples.add(.cacheBytesMax, bytesMax)
        }
    }

    func collect(from zoom: ZoomMasters) {
        collect { samples in
            for report in zoom.reports {
                let master: MetricLabel = ("master", report.master.rawValue)
                samples.add(.zoomCircuitOpen, report.isCircuitOpen ? 1 : 0, [master])
                if let (age, left) = report.token {
                    samples.add(.zoomTokenAge, age / .seconds(1), [master])
                    samples.add(.zoomTokenLeft, left / .seconds(1), [master])
                }
                for (label, budget) in report.budgets {
                    let labels = [master, ("label", label.rawValue)]
                    samples.add(.zoomBudgetLimit, budget.perSecond, labels)
                    samples.add(.zoomBudgetWaiting, budget.waiting, labels)
                    if let isOwnShare = budget.isOwnShare {
                        samples.add(.zoomBudgetOwnShare, isOwnShare ? 1 : 0, labels)
                    }
                    guard let limit = budget.dayLimit else { continue }
                    samples.add(.zoomBudgetDayLimit, limit, labels)
                    samples.add(.zoomBudgetDayUsed, budget.dayUsed, labels)
                }
            }
        }
    }

    func collect(from writeAccount: WriteAccount) {
        collect { samples in samples.add(.writesRunning, writeAccount.runningCount) }
    }

    func collect(from load: ServerLoad) {
        collect { samples in
            samples.add(.serverActiveRequests, load.requestsInFlight)
            samples.add(.serverBufferedBytes, load.bufferedBytes)
            for kind in load.connectionsByKind {
                let labels: [MetricLabel] = [
                    ("network_protocol_version", kind.applicationProtocol.version),
                    ("tls", kind.isEncrypted ? "true" : "false"),
                ]
                samples.add(.serverConnections, kind.open, labels)
                samples.add(.serverConnectionsOpened, kind.accepted, labels)
            }
        }
    }

    func collect(from health: Health) {
        collect { samples in
            for (check, status) in health.statuses { samples.add(.checkStatus, status, [("check", check)]) }
        }
    }

    func collect(from certificate: ServerCertificate) {
        collect { samples in
            samples.add(
                .certificateExpiry, Double(SystemTime().timestamp.secondsSinceEpoch) + Double(certificate.secondsLeft))
        }
    }

    func collect(from refresh: RefreshAccounts) {
        collect { samples in
            let progress = refresh.progress
            samples.add(.refreshAccounts, progress.accounts)
            samples.add(.refreshDone, progress.done)
            samples.add(.refreshFailures, progress.failures)
            samples.add(.refreshRounds, progress.rounds)
        }
    }

    func collect(from output: LogOutput) {
        collect { samples in
            for (level, count) in output.lines { samples.add(.logLines, count, [("level", level.rawValue)]) }
            samples.add(.logLinesDropped, output.linesDropped)
        }
    }

    func collectProcess() {
        collect { samples in
            samples.add(
                .buildInfo, 1,
                [
                    ("version", BuildInfo.version), ("swift", BuildInfo.swift), ("nghttp2", BuildInfo.nghttp2),
                    ("openssl", BuildInfo.openSSL), ("sqlite", BuildInfo.sqlite),
                ])
            if let process = ProcessStatistics.now() { samples.add(process) }
        }
    }
}

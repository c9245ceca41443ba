import Adapters
import Domain

/// The findings of the health checks, for `/readyz`.
extension ZoomMasters {
    /// Whether this replica shares Zoom's rate with the others. Its lookups work without it, so it stays ready.
    var sharedRateFinding: Health.Finding {
        let isShared = reports.allSatisfy { $0.budgets.allSatisfy { $0.budget.isOwnShare != true } }
        guard !isShared else { return .good }
        return .degraded(
            "Redis does not answer in time, or refuses the commands, so this replica uses its own share of Zoom's rate",
            remedy: "check the latency, the memory and the rights of the user of Redis")
    }

    var finding: Health.Finding {
        let reports = reports
        let refused = reports.filter { $0.health == .credentialsRefused }.map(\.master.rawValue).joined(separator: ", ")
        if !refused.isEmpty {
            return .degraded(
                "Zoom rejects the credentials: \(refused)",
                remedy: "check the app's account id, client id and secret, and that the app is activated: "
                    + "billing-service credentials verify")
        }
        let failing = reports.compactMap { report -> (master: Name, problem: ZoomProblem)? in
            guard case .failing(let problem) = report.health else { return nil }
            return (report.master, problem)
        }
        if let first = failing.first {
            let remedies = failing.map(\.problem.remedy)
            return .degraded(
                "the last call to Zoom failed: "
                    + failing.map { "\($0.master): \($0.problem.reason)" }.joined(separator: "; "),
                remedy: remedies.allSatisfy { $0 == first.problem.remedy }
                    ? first.problem.remedy
                    : failing.map { "\($0.master): \($0.problem.remedy)" }.joined(separator: "; "))
        }
        let missing = reports.flatMap { report in
            report.missing.map { operation in
                "\(report.master): \(operation.title) needs one of \(operation.endpoint.scopes.joined(separator: ", "))"
            }
        }
        if !missing.isEmpty {
            return .degraded(
                "Zoom's app lacks scopes: \(missing.joined(separator: "; "))",
                remedy:
                    "add them to the app in the Zoom App Marketplace; the next request that needs them gets a token with "
                    + "them within five minutes")
        }
        return .good
    }
}

extension ReloadedFile {
    var finding: Health.Finding {
        guard let problem else { return .good }
        return .degraded(
            "the file cannot be used: \(problem); the last valid version is in use",
            remedy: "fix the file; it is read again when it changes")
    }
}

extension KnownCallers {
    func finding(masters: Set<Name>) -> Health.Finding {
        if let finding = file?.finding, finding != .good { return finding }
        let unusable = withoutMaster(among: masters)
        guard let first = unusable.first else { return .good }
        return .degraded(
            "\(unusable.count) callers, such as \(first), have no master account that exists",
            remedy: "set their \"master\" to one of the credentials file")
    }
}

extension ServerCertificate {
    /// Two weeks, to leave time for a renewal.
    private static let warnsBefore = 14 * 86_400

    var finding: Health.Finding {
        let days = secondsLeft / 86_400
        if secondsLeft <= 0 {
            return .failing("the certificate has expired", remedy: "replace its file")
        }
        if let problem {
            return .degraded(
                "the files cannot be used: \(problem); the last valid version is in use",
                remedy: "fix the files; they are read again when they change")
        }
        if secondsLeft < Self.warnsBefore {
            return .degraded(
                "the certificate expires in \(days) days", remedy: "replace its file")
        }
        return .good
    }
}

extension SQLiteIdempotencyStore {
    var finding: Health.Finding {
        guard let problem else { return .good }
        return .degraded(
            "the state file fails, so changes are refused: \(problem)",
            remedy: "make room on its disk, or see docs/state.md; the next change tries again")
    }
}

extension RedisIdempotencyStore {
    var finding: Health.Finding {
        guard let problem else { return .good }
        return .degraded(
            "the idempotency keys in Redis cannot be used, so changes are refused: \(problem)",
            remedy: "see the check redis and docs/state.md; the next change tries again")
    }
}

extension PageWriter {
    var finding: Health.Finding {
        guard let failure else { return .good }
        return .degraded(
            "cached answers are not stored, so they are lost at a restart: \(failure)",
            remedy: "make room on the disk of the state file, or see docs/state.md; the service tries again by itself")
    }
}

extension RefreshAccounts {
    var finding: Health.Finding {
        let progress = progress
        let since = progress.began.map { " since \($0.rfc3339)" } ?? ""
        return .coming(
            "round \(progress.rounds + 1)\(since): \(progress.done) of \(progress.accounts) accounts, \(progress.failures) "
                + "failures")
    }
}

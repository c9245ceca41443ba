/// Shared answers whose invoices are recorded in `InvoiceOwners`, as `OwnerRecordingSource` does for those of the source.
package struct OwnerRecordingAnswers: SharedAnswers {
    private let answers: any SharedAnswers
    private let owners: InvoiceOwners
    private let codec: any AnswerCodec

    package init(_ answers: any SharedAnswers, owners: InvoiceOwners, codec: any AnswerCodec) {
        self.answers = answers
        self.owners = owners
        self.codec = codec
    }

    private func record(_ answer: SharedAnswer, to read: AccountRead, under master: Name?, version: Int) {
        guard answer.content == .answer else { return }
        switch read.parameter {
        case .period?:
            guard let (list, _) = codec.invoices(in: answer.stored) else { return }
            owners.record(list, of: read.account, under: master, version: version)
        case .invoice(let invoice)?:
            owners.record(detailsOf: invoice, of: read.account, under: master, version: version)
        case nil: return
        }
    }

    package func find(
        _ read: AccountRead, under master: Name?, _ wanted: WantedAnswer, within limit: Duration
    ) async throws(SharedAnswersFailure) -> SharedFinding {
        let version = owners.version
        let finding = try await answers.find(read, under: master, wanted, within: limit)
        switch finding {
        case .answer(let answer, _): record(answer, to: read, under: master, version: version)
        case .absent, .claimed: break
        }
        return finding
    }

    package func find(
        _ reads: [AccountRead], under master: Name?, within limit: Duration
    ) async throws(SharedAnswersFailure) -> [SharedAnswer?] {
        let version = owners.version
        let found = try await answers.find(reads, under: master, within: limit)
        for case (let read, let answer?) in zip(reads, found) {
            record(answer, to: read, under: master, version: version)
        }
        return found
    }

    package func put(
        _ answer: SharedAnswer, to read: AccountRead, under master: Name?, _ place: SharedPlace,
        timeToLive: Duration, within limit: Duration
    ) async throws(SharedAnswersFailure) {
        try await answers.put(answer, to: read, under: master, place, timeToLive: timeToLive, within: limit)
    }

    package func release(
        _ read: AccountRead, under master: Name?, within limit: Duration
    ) async throws(SharedAnswersFailure) {
        try await answers.release(read, under: master, within: limit)
    }

    package func record(_ change: SharedChange, within limit: Duration) async throws(SharedAnswersFailure) {
        try await answers.record(change, within: limit)
    }
}

extension SharedAnswer {
    /// As if it had been received now: for a codec, which does not need the time.
    fileprivate var stored: StoredAnswer {
        StoredAnswer(
            text: encoded.text[...], body: encoded.text[encoded.body], tag: encoded.tag, failure: nil, firstSeen: 0,
            lifetime: lifetime, receivedAt: Moment(sinceOrigin: .zero))
    }
}

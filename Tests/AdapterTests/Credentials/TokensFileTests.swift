import Adapters
import Domain
import DomainFakes
import Foundation
import Synchronization
import Testing

@Suite("Shared token file")
struct TokensFileTests {
    private let clock = TestClock()

    private func token(_ text: String, scopes: Set<String>? = ["a", "b"], lives: Int64 = 3600) -> AccessToken {
        AccessToken(
            text: Secret(text), scopes: scopes,
            expires: Timestamp(secondsSinceEpoch: clock.timestamp.secondsSinceEpoch + lives))
    }

    @Test("replicas with the same app credentials share its token; other apps do not get it")
    func shared() async throws {
        try await withTemporaryFolder { folder in
            let ours = TokensFile(PrivateFile(path: folder + "/tokens"), time: clock, logger: .silent)
            let theirs = TokensFile(PrivateFile(path: folder + "/tokens"), time: clock, logger: .silent)
            let other = MasterCredentials(
                name: Name(literal: "main"), accountID: AccountID(literal: "another"), clientID: "test-client",
                clientSecret: Secret("s"))
            #expect(await ours.token(for: .test()) == nil)
            await ours.put(token("one"), for: .test())
            #expect(await theirs.token(for: .test()) == token("one"))
            #expect(await theirs.token(for: other) == nil)
            await theirs.put(token("two", scopes: nil), for: other)
            await theirs.put(token("three"), for: .test(name: "renamed", secret: "rotated"))
            #expect(await ours.token(for: .test()) == token("three"))
            #expect(await ours.token(for: other) == token("two", scopes: nil))
            #expect(PrivateFile(path: folder + "/tokens").stamp != nil)
        }
    }

    @Test("expired tokens are removed")
    func expired() async throws {
        try await withTemporaryFolder { folder in
            let file = TokensFile(PrivateFile(path: folder + "/tokens"), time: clock, logger: .silent)
            await file.put(token("one", lives: 10), for: .test())
            clock.advance(by: .seconds(11))
            let other = MasterCredentials(
                name: Name(literal: "x"), accountID: AccountID(literal: "x"), clientID: "x", clientSecret: Secret("s"))
            await file.put(token("two"), for: other)
            #expect(await file.token(for: .test()) == nil)
            #expect(await file.token(for: other) != nil)
        }
    }

    @Test("the file is encrypted if there is a key, and no other key decrypts it")
    func sealed() async throws {
        try await withTemporaryFolder { folder in
            let privateFile = PrivateFile(path: folder + "/tokens")
            let key = SealingKey.random()
            let file = TokensFile(privateFile, keys: .given(key), time: clock, logger: .silent)
            await file.put(token("hunter2-token"), for: .test())
            let bytes = try privateFile.read()
            #expect(SealedFormat.isSealed(bytes))
            #expect(!String(decoding: bytes, as: UTF8.self).contains("hunter2"))
            #expect(await file.token(for: .test()) == token("hunter2-token"))
            let without = TokensFile(privateFile, keys: .given(.random()), time: clock, logger: .silent)
            #expect(await without.token(for: .test()) == nil)
        }
    }

    @Test(
        "an unreadable file is reported and replaced at the next write",
        arguments: [
            "", "{", #"{"tokens":[{"account_id":"master"}]}"#,
            #"{"tokens":[{"account_id":"m","client_id":"c","access_token":"a b","expires_at":"2026-01-31T12:00:00Z"}]}"#,
            #"{"tokens":[{"account_id":"m","client_id":"c","access_token":"a","expires_at":"soon"}]}"#,
        ])
    func damaged(text: String) async throws {
        try await withTemporaryFolder { folder in
            let reported = Event<Void>()
            let file = TokensFile(
                PrivateFile(path: folder + "/tokens"), time: clock,
                logger: .announcing("access tokens are not shared with other replicas", reported))
            try write(text, to: folder + "/tokens")
            #expect(await file.token(for: .test()) == nil)
            try await reported.next()
            await file.put(token("one"), for: .test())
            #expect(await file.token(for: .test()) == token("one"))
        }
    }

    @Test("a file that other users may read is refused and reported")
    func open() async throws {
        try await withTemporaryFolder { folder in
            let reported = Event<Void>()
            let path = folder + "/tokens"
            let file = TokensFile(
                PrivateFile(path: path), time: clock,
                logger: .announcing("access tokens are not shared with other replicas", reported))
            await file.put(token("one"), for: .test())
            try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: path)
            #expect(await file.token(for: .test()) == nil)
            try await reported.next()
        }
    }
}

import Adapters

/// The URL of a Redis: `redis://` or `rediss://`, a user if there is one, host, port and database.
struct RedisURL: Sendable, Equatable {
    let isTLS: Bool
    let user: String?
    let address: RedisConfiguration.Address
    let database: Int

    var text: String {
        let user = user.map { "\($0)@" } ?? ""
        return "\(isTLS ? "rediss" : "redis")://\(user)\(address.text)" + (database == 0 ? "" : "/\(database)")
    }

    /// Redis has 16 databases unless it is configured otherwise.
    private static let databaseMax = 1_000_000

    private static let defaultPort = 6379

    fileprivate static let malformed =
        "is not a URL such as redis://redis.example:6379/0 or rediss://billing@redis.example"

    init(parsing text: String) throws(SettingTextProblem) {
        let malformed = SettingTextProblem(reason: Self.malformed)
        guard let separator = text.firstRange(of: "://"),
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") })
        else { throw malformed }
        switch text[..<separator.lowerBound] {
        case "redis": isTLS = false
        case "rediss": isTLS = true
        case _: throw malformed
        }
        var rest = text[separator.upperBound...]
        if let at = rest.lastIndex(of: "@") {
            let name = rest[..<at]
            guard !name.contains(":") else {
                throw SettingTextProblem(
                    reason: "contains a password, which others can see there: put it into the file that "
                        + "state.password-file names")
            }
            guard !name.isEmpty else { throw malformed }
            user = String(name)
            rest = rest[rest.index(after: at)...]
        } else {
            user = nil
        }
        let end = rest.firstIndex(of: "/") ?? rest.endIndex
        let path = rest[end...].dropFirst()
        guard let number = path.isEmpty ? 0 : Int(path), (0...Self.databaseMax).contains(number) else {
            throw SettingTextProblem(reason: "has no number of a database after the host")
        }
        database = number
        // The rules for host and port are those of an HTTP URL.
        let hostAndPort = rest[..<end]
        let hasPort = hostAndPort.last != "]" && hostAndPort.contains(":")
        let port = hasPort ? "" : ":\(Self.defaultPort)"
        do throws(HTTPURL.Problem) {
            let url = try HTTPURL(parsing: "http://\(hostAndPort)\(port)", isClearTextAllowed: true)
            address = RedisConfiguration.Address(host: url.origin.host, port: url.origin.port)
        } catch {
            throw malformed
        }
    }

    private init() {
        (isTLS, user, database) = (false, nil, 0)
        address = RedisConfiguration.Address(host: "127.0.0.1", port: Self.defaultPort)
    }

    fileprivate static let placeholder = RedisURL()
}

extension SettingType where Value == RedisURL {
    static var redisURL: Self {
        Self(SettingFormat(valueName: "url", json: .text), placeholder: .placeholder, text: { $0.text }) {
            (text: String) throws(SettingTextProblem) in try RedisURL(parsing: text)
        }
    }
}

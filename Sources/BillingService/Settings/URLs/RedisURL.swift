import Adapters

/// The URL of a Redis: a scheme, a user if there is one, hosts with ports, and a database.
///
/// `redis://` and `rediss://` (TLS) are followed by servers: one, or some nodes of a cluster. `redis+sentinel://` and
/// `rediss+sentinel://` are followed by sentinels, and the path begins with the name of the primary.
struct RedisURL: Sendable, Equatable {
    let isTLS: Bool
    let user: String?

    /// The servers or the sentinels.
    let addresses: [RedisConfiguration.Address]

    /// The name of the primary that the sentinels monitor; nil without sentinels.
    let sentinelPrimary: String?
    let database: Int

    var text: String {
        let scheme = (isTLS ? "rediss" : "redis") + (sentinelPrimary == nil ? "" : "+sentinel")
        let user = user.map { "\($0)@" } ?? ""
        let hosts = addresses.map(\.text).joined(separator: ",")
        let primary = sentinelPrimary.map { "/\($0)" } ?? ""
        return "\(scheme)://\(user)\(hosts)\(primary)" + (database == 0 ? "" : "/\(database)")
    }

    /// Redis has 16 databases unless it is configured otherwise.
    private static let databaseMax = 1_000_000

    private static let addressesMax = 64

    private static let serverPort = 6379
    private static let sentinelPort = 26_379

    fileprivate static let malformed =
        "is not a URL such as redis://redis.example:6379/0, rediss://billing@redis.example or "
        + "redis+sentinel://a.example,b.example/primary"

    init(parsing text: String) throws(SettingTextProblem) {
        let malformed = SettingTextProblem(reason: Self.malformed)
        guard let separator = text.firstRange(of: "://"),
            text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "?") && $0 != UInt8(ascii: "#") })
        else { throw malformed }
        let isSentinel: Bool
        switch text[..<separator.lowerBound] {
        case "redis": (isTLS, isSentinel) = (false, false)
        case "rediss": (isTLS, isSentinel) = (true, false)
        case "redis+sentinel": (isTLS, isSentinel) = (false, true)
        case "rediss+sentinel": (isTLS, isSentinel) = (true, true)
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
        var path = rest[end...].dropFirst().split(separator: "/", omittingEmptySubsequences: false)
        if isSentinel {
            guard let name = path.first, !name.isEmpty else {
                throw SettingTextProblem(reason: "has no name of the primary after the sentinels")
            }
            sentinelPrimary = String(name)
            path.removeFirst()
        } else {
            sentinelPrimary = nil
        }
        let databaseText = path.first ?? ""
        guard path.count <= 1, let number = databaseText.isEmpty ? 0 : Int(databaseText),
            (0...Self.databaseMax).contains(number)
        else {
            throw SettingTextProblem(reason: "has no number of a database after the host")
        }
        database = number
        let hosts = rest[..<end].split(separator: ",", omittingEmptySubsequences: false)
        guard hosts.count <= Self.addressesMax else { throw malformed }
        let port = isSentinel ? Self.sentinelPort : Self.serverPort
        var addresses: [RedisConfiguration.Address] = []
        for host in hosts { addresses.append(try Self.address(host, defaultPort: port)) }
        self.addresses = addresses
    }

    /// The rules for host and port are those of an HTTP URL.
    private static func address(
        _ text: Substring, defaultPort: Int
    ) throws(SettingTextProblem) -> RedisConfiguration.Address {
        let hasPort = text.last != "]" && text.contains(":")
        let port = hasPort ? "" : ":\(defaultPort)"
        do throws(HTTPURL.Problem) {
            let url = try HTTPURL(parsing: "http://\(text)\(port)", isClearTextAllowed: true)
            return RedisConfiguration.Address(host: url.origin.host, port: url.origin.port)
        } catch {
            throw SettingTextProblem(reason: malformed)
        }
    }

    private init() {
        (isTLS, user, sentinelPrimary, database) = (false, nil, nil, 0)
        addresses = [RedisConfiguration.Address(host: "127.0.0.1", port: Self.serverPort)]
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

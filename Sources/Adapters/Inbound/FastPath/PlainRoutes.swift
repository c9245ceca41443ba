import Domain

/// The paths of reads without parameters: `/v2/accounts/`, the id of an account, and an ending such as `/billing`.
struct PlainRoutes: Sendable {
    struct Route: Sendable {
        let operation: Operation
        let label: RouteLabel

        /// Its place among the routes, in any order.
        let index: Int

        /// The place of its ending in `text`. No array, so that a match needs no reference counting.
        fileprivate let ending: Range<Int>
    }

    private static let start = "/v2/accounts/"

    /// Longer endings first: `/plans/usage` ends a path that the empty ending would match too.
    private let routes: [Route]

    /// The start of each path, then the endings.
    private let text: [UInt8]

    /// - Parameters:
    ///   - routes: Only reads without parameters are used.
    ///   - labels: The labels of all routes.
    init(_ routes: [RouteTable<any RouteHandler>.Route], labels: [RouteLabel]) {
        var text = Array(Self.start.utf8)
        var routesFound: [Route] = []
        for route in routes {
            guard let handler = route.handlers.first(where: { $0.method == .get })?.handler as? AccountReadHandler,
                let operation = handler.plainOperation,
                let label = labels.first(where: { "\($0.template)" == "\(route.template)" })
            else { continue }
            let parts = "\(route.template)".split(separator: "{accountId}", omittingEmptySubsequences: false)
            precondition(parts.count == 2 && parts[0] == Self.start, "a plain route has another form")
            let start = text.count
            text += parts[1].utf8
            routesFound.append(
                Route(
                    operation: operation, label: label, index: routesFound.count, ending: start..<text.count))
        }
        self.routes = routesFound.sorted { $0.ending.count > $1.ending.count }
        self.text = text
    }

    /// The labels of the routes, by their index.
    var labels: [RouteLabel] { routes.sorted { $0.index < $1.index }.map(\.label) }

    /// Calls `body` with the route of a path and the bytes of the account's id, which may be invalid. `nil` for another path.
    func match<Result>(_ path: Span<UInt8>, _ body: (Route, Span<UInt8>) -> Result?) -> Result? {
        let text = text.span
        let startCount = Self.start.utf8.count
        guard path.count > startCount,
            Self.isEqual(path.extracting(first: startCount), text.extracting(first: startCount))
        else { return nil }
        let rest = path.extracting(droppingFirst: startCount)
        for index in routes.indices {
            let ending = routes[index].ending
            guard rest.count > ending.count,
                Self.isEqual(rest.extracting(last: ending.count), text.extracting(ending))
            else { continue }
            return body(routes[index], rest.extracting(droppingLast: ending.count))
        }
        return nil
    }

    private static func isEqual(_ bytes: Span<UInt8>, _ other: Span<UInt8>) -> Bool {
        for index in bytes.indices where bytes[index] != other[index] { return false }
        return true
    }
}

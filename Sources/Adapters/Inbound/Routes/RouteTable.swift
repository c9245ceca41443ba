/// The paths of a listener, and the handler of each method of a path. Matching, `Allow`, 404, 405, metric labels and span
/// names derive from this table.
struct RouteTable<Handler: Sendable>: Sendable {
    /// A path and its methods.
    struct Route: Sendable {
        /// A segment in braces matches any segment that is not empty: `/v2/accounts/{accountId}/billing`.
        let template: StaticString

        /// HEAD has the handler of GET (RFC 9110, 9.3.2).
        fileprivate(set) var handlers: [(method: RequestMethod, handler: Handler)]

        init(_ template: StaticString, _ handlers: [(method: RequestMethod, handler: Handler)]) {
            self.template = template
            self.handlers = handlers.flatMap { method, handler in
                method == .get ? [(method, handler), (.head, handler)] : [(method, handler)]
            }
        }
    }

    /// The handler of a request, and the path segments that match the braces of its template.
    struct Match {
        let handler: Handler
        let parameters: PathParameters
    }

    private struct Entry: Sendable {
        let label: RouteLabel
        let handlers: [Handler?]
        let methodNotAllowed: ProblemDetails
    }

    /// A segment of the prefix tree of all templates. It has no references, so reading it costs no reference counting.
    private struct Node: Sendable {
        /// The edge to the first literal segment below; further ones follow by `Edge.next`.
        var firstEdge: Int?
        var parameter: Int?
        var entry: Int?
    }

    /// From a node to the literal segment `bytes` of `segments`.
    private struct Edge: Sendable {
        let bytes: Range<Int>
        let node: Int
        let next: Int?
    }

    private var nodes = [Node()]
    private var edges: [Edge] = []

    /// The bytes of all literal segments.
    private var segments: [UInt8] = []
    private var entries: [Entry] = []

    /// The methods of all paths, for `Allow` (RFC 9110, 10.2.1).
    let allow: String

    private let precedingLabels: [RouteLabel]

    /// The templates, after those of `init`.
    var labels: [RouteLabel] { precedingLabels + entries.map(\.label) }

    /// - Parameters:
    ///   - routes: Several may have one template, with different methods.
    ///   - labels: Those of the listener's other routes, `none` first.
    init(_ routes: [Route], after labels: [RouteLabel] = [.none]) {
        precedingLabels = labels
        let routes = Self.merged(routes)
        let methods = Set(routes.flatMap { $0.handlers.map(\.method) })
        allow = Self.list(of: methods, separator: ", ", last: ", ")
        for route in routes { add(route) }
    }

    /// One route for each template, in the order of their first occurrence.
    private static func merged(_ routes: [Route]) -> [Route] {
        var merged: [Route] = []
        for route in routes {
            if let index = merged.firstIndex(where: { "\($0.template)" == "\(route.template)" }) {
                merged[index].handlers += route.handlers
            } else {
                merged.append(route)
            }
        }
        return merged
    }

    private mutating func add(_ route: Route) {
        var node = 0
        for segment in Self.segments(of: route.template) {
            node = next(of: node, segment)
        }
        precondition(nodes[node].entry == nil, "two routes have the template \(route.template)")
        nodes[node].entry = entries.count
        var handlers = [Handler?](repeating: nil, count: RequestMethod.allCases.count)
        for (method, handler) in route.handlers {
            precondition(handlers[method.rawValue] == nil, "\(method.name) \(route.template) has two handlers")
            handlers[method.rawValue] = handler
        }
        let methods = Set(route.handlers.map(\.method))
        entries.append(
            Entry(
                label: RouteLabel(index: precedingLabels.count + entries.count, template: route.template),
                handlers: handlers,
                methodNotAllowed: FailureTable.methodNotAllowed(
                    allow: Self.list(of: methods, separator: ", ", last: ", "),
                    names: Self.list(of: methods, separator: ", ", last: " and "))))
    }

    /// The child of `node` for `segment`. Adds it if it is missing.
    private mutating func next(of node: Int, _ segment: String) -> Int {
        let made = nodes.count
        if segment.hasPrefix("{") {
            if let known = nodes[node].parameter { return known }
            nodes[node].parameter = made
        } else {
            let bytes = Array(segment.utf8)
            if let known = literal(bytes.span, below: node) { return known }
            let place = segments.count..<segments.count + bytes.count
            segments += bytes
            edges.append(Edge(bytes: place, node: made, next: nodes[node].firstEdge))
            nodes[node].firstEdge = edges.count - 1
        }
        nodes.append(Node())
        return made
    }

    private static func segments(of template: StaticString) -> [String] {
        "\(template)".split(separator: "/").map(String.init)
    }

    private static func list(of methods: Set<RequestMethod>, separator: String, last: String) -> String {
        let names = RequestMethod.allCases.filter(methods.contains).map(\.name)
        guard names.count > 1 else { return names.joined() }
        return names.dropLast().joined(separator: separator) + last + names[names.count - 1]
    }

    /// Finds the handler of a request.
    ///
    /// Segments are compared undecoded: an escaped path is another path than the one without escapes.
    ///
    /// - Parameter note: Receives the route, as soon as the path is known.
    /// - Throws: the answer 404, 405 or 501; 400 for an unknown path with escapes. No path of the table needs an escape, so
    ///   such a path may be an attempt to evade a rule of a proxy.
    func match(
        _ method: RequestMethod, _ path: ArraySlice<UInt8>, _ note: inout RequestNote
    ) throws(ProblemDetails) -> Match {
        var parameters = PathParameters()
        guard let index = find(path, &parameters) else {
            throw path.contains(UInt8(ascii: "%")) ? FailureTable.problem(for: .malformed) : FailureTable.unknownPath
        }
        note.route = entries[index].label
        guard let handler = entries[index].handlers[method.rawValue] else {
            throw method == .unknown ? FailureTable.unknownMethod : entries[index].methodNotAllowed
        }
        return Match(handler: handler, parameters: parameters)
    }

    private func find(_ path: ArraySlice<UInt8>, _ parameters: inout PathParameters) -> Int? {
        let bytes = path.span
        guard !bytes.isEmpty, bytes[0] == Self.slash else { return nil }
        var node = 0
        var start = 1
        while true {
            var end = start
            while end < bytes.count, bytes[end] != Self.slash { end += 1 }
            if let next = literal(bytes.extracting(start..<end), below: node) {
                node = next
            } else if start < end, let next = nodes[node].parameter {
                guard parameters.append(path.startIndex + start..<path.startIndex + end) else { return nil }
                node = next
            } else {
                // Only the path "/" is the root: a template has no empty segments.
                return bytes.count == 1 ? nodes[0].entry : nil
            }
            guard end < bytes.count else { return nodes[node].entry }
            start = end + 1
        }
    }

    private static var slash: UInt8 { UInt8(ascii: "/") }

    private func literal(_ segment: Span<UInt8>, below node: Int) -> Int? {
        var edge = nodes[node].firstEdge
        while let index = edge {
            let bytes = edges[index].bytes
            if bytes.count == segment.count {
                let literal = segments.span.extracting(bytes)
                var equal = 0
                while equal < segment.count, literal[equal] == segment[equal] { equal += 1 }
                if equal == segment.count { return edges[index].node }
            }
            edge = edges[index].next
        }
        return nil
    }
}

/// A path's template, as a metric label and in span names, and its place in the table.
struct RouteLabel: Sendable {
    let index: Int
    let template: StaticString

    /// The label of requests for unknown paths.
    static let none = RouteLabel(index: 0, template: "none")
}

/// The path segments that match the braces of a template, in order. A template has at most two.
struct PathParameters: Sendable {
    private var ranges: InlineArray<2, Range<Int>> = InlineArray(repeating: 0..<0)
    private var count = 0

    fileprivate mutating func append(_ range: Range<Int>) -> Bool {
        guard count < ranges.count else { return false }
        ranges[count] = range
        count += 1
        return true
    }

    func value(_ index: Int, in path: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        path[ranges[index]]
    }

    /// The id in the segment at `index`; `nil` if there is no valid one.
    ///
    /// Clients that follow OpenAPI escape `=` and `+`, which ids may contain (RFC 6570, 3.2.2). No id is valid with other
    /// escapes.
    func id<ID>(_ index: Int, in path: ArraySlice<UInt8>, as makeID: (ArraySlice<UInt8>) -> ID?) -> ID? {
        let segment = value(index, in: path)
        return makeID(segment) ?? makeID(Self.unescaped(segment)[...])
    }

    /// The segment with `=` and `+` instead of their escapes.
    private static func unescaped(_ segment: ArraySlice<UInt8>) -> [UInt8] {
        var bytes: [UInt8] = []
        var rest = segment
        while let byte = rest.first {
            if rest.starts(with: "%3D".utf8) || rest.starts(with: "%3d".utf8) {
                bytes.append(UInt8(ascii: "="))
                rest = rest.dropFirst(3)
            } else if rest.starts(with: "%2B".utf8) || rest.starts(with: "%2b".utf8) {
                bytes.append(UInt8(ascii: "+"))
                rest = rest.dropFirst(3)
            } else {
                bytes.append(byte)
                rest = rest.dropFirst()
            }
        }
        return bytes
    }
}

import NIOCore

/// Exchanges of prepared responses that have ended, for further requests on the same event loop. They save an allocation for
/// each request.
final class ExchangePool {
    @exclusivity(unchecked) private var spare: [ServerExchange] = []

    /// More requests than usually are in flight at once on one loop.
    private static let spareMax = 256

    private static let pools = LoopLocal { _ in ExchangePool() }

    /// The pool of `eventLoop`. Must be called on that loop.
    static func of(_ eventLoop: any EventLoop) -> ExchangePool { pools.of(eventLoop) }

    func exchange(id: Int32, connection: any Connection, began: NIODeadline) -> ServerExchange {
        guard let exchange = spare.popLast() else {
            return ServerExchange(id: id, connection: connection, began: began)
        }
        exchange.reuse(id: id, connection: connection, began: began)
        return exchange
    }

    /// Keeps an exchange whose stream is closed, if nothing else can have a reference to it.
    func take(_ exchange: ServerExchange) {
        guard exchange.isPrepared, spare.count < Self.spareMax else { return }
        spare.append(exchange)
    }
}

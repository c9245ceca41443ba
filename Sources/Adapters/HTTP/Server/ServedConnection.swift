package import NIOCore

/// A connection as its server sees it, whatever it speaks. Confined to its event loop.
package protocol ServedConnection: AnyObject {
    var eventLoop: any EventLoop { get }

    /// Takes no new requests from now on, says so, and closes when the last one has ended.
    func drain()

    /// Cancels the work of every request: those that make a body end it as broken.
    func cancelExchanges()

    /// Closes if no request is under way: memory is short.
    func endIfIdle()

    func close()
}

extension HTTP2Handler: ServedConnection {}
extension HTTP1ServerHandler: ServedConnection {}

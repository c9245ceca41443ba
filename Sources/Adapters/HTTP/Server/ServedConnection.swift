package import NIOCore

/// The interface of an HTTP/1.1 or HTTP/2 connection towards its server. Confined to its event loop.
package protocol ServedConnection: AnyObject {
    var eventLoop: any EventLoop { get }

    /// Starts a graceful shutdown: accepts no new requests and closes when the last one has ended.
    func drain()

    /// Cancels the task of every request. Streamed bodies end as broken.
    func cancelExchanges()

    /// Closes if no request is in flight, to free memory.
    func endIfIdle()

    func close()
}

extension HTTP2ServerHandler: ServedConnection {}
extension HTTP1ServerHandler: ServedConnection {}

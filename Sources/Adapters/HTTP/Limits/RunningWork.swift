/// The number of running tasks of one connection. After a stream is reset its task still runs until it observes the
/// cancellation. Confined to the event loop of the connection.
final class RunningWork {
    private(set) var count = 0

    func began() { count += 1 }
    func ended() { count -= 1 }
}

/// How many tasks of one connection's exchanges run. A stream that is reset is gone at once, the work for it only when it
/// has noticed. Confined to the event loop of the connection.
final class RunningWork {
    private(set) var count = 0

    func began() { count += 1 }
    func ended() { count -= 1 }
}

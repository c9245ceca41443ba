/// What ties the requests we send to the request they are sent for.
package enum TraceContext {
    /// The `traceparent` field that came in (W3C Trace Context, 3.2), to be carried on.
    @TaskLocal package static var traceparent: String?
}

import CHTTP2
import NIOCore

/// An nghttp2 session of a server or client: parses received bytes, reports events to its handler, serialises output.
///
/// Owned by its `HTTP2Handler` and confined to its event loop, since nghttp2 is not thread-safe. Unsafe pointers stay
/// inside this type and `Callbacks`.
final class Session {
    enum Role {
        case server
        case client
    }

    enum Received {
        case taken
        /// The session failed; a GOAWAY with the reason may be queued.
        case failed
    }

    /// A violation by the peer for which the session is terminated.
    private enum Breach {
        case defence(Defence)
        /// A protocol error (RFC 9113) that nghttp2 does not detect.
        case ofProtocol(HTTP2ErrorCode)
    }

    private let role: Role

    /// Created in `init`, freed in `deinit`.
    private let raw: OpaquePointer

    /// The memory of `raw`.
    private let memory: SessionMemory

    /// Refilled for each field section sent.
    private let outgoing: OutgoingSection
    @exclusivity(unchecked) private var dateField = DateField()

    /// The fields of prepared responses that nghttp2 has not serialised yet. It refers to their bytes.
    @exclusivity(unchecked) private var preparedFields: [PreparedFields] = []

    /// The frame size that every peer accepts (RFC 9113, 4.2).
    private static let defaultFrameBytesMax: UInt32 = 16_384

    /// The size limit of DATA frames of streamed bodies. Larger ones would gain nothing, and delay the other streams of the
    /// connection.
    private static let frameBytesMax = 65_536

    /// Safe because the handler owns the session, and releases it before it is deallocated itself.
    private unowned(unsafe) let handler: HTTP2Handler

    /// Calls `body` with the handler, without a retain and a release. For what happens several times in each request.
    @inline(__always)
    private func withHandler<Result>(_ body: (HTTP2Handler) -> Result) -> Result {
        Unmanaged.passUnretained(handler)._withUnsafeGuaranteedRef { body($0) }
    }

    private var limits: Limits { handler.limits }

    /// The output of the current `drain` call.
    @exclusivity(unchecked) private var output = SessionOutput()
    private let outputBuffer: OutputBuffer

    /// The field section being received, its part from earlier reads, and its exchange. nghttp2 reports all fields of a section
    /// consecutively.
    private let section: FieldSectionBuffer
    @exclusivity(unchecked) private var unfinishedSection: FieldSectionBuffer.Unfinished?
    @exclusivity(unchecked) private var exchangeInHead: Exchange?

    /// The bytes that nghttp2 reads now, on a client. Set during `receive` only, while the pointer is valid.
    private var input: (bytes: ByteBuffer, base: UnsafeRawPointer)?

    /// The size from which body bytes are passed on without a copy. A smaller piece would keep the memory of a whole read in
    /// use.
    private static let sharedDataBytesMin = 4096

    /// The exchange of the DATA frame being sent, which nghttp2 reports next as sent, by stream id.
    @exclusivity(unchecked) private var exchangeInSend: Exchange?

    /// `nil` on a client.
    @exclusivity(unchecked) private var budget: PeerBudget?
    @exclusivity(unchecked) private var gaps = StreamGaps()

    /// A violation found inside a callback. The session is terminated after nghttp2 returns.
    @exclusivity(unchecked) private var breach: Breach?

    /// Whether `terminate` was called; otherwise a GOAWAY with an error comes from nghttp2.
    private var isTerminated = false

    /// Whether a violation was found that requires termination.
    var isBreached: Bool { breach != nil }

    /// The number of queued frames before the current frame or read.
    @exclusivity(unchecked) private var queuedBefore = 0

    private var queuedFrames: Int { nghttp2_session_get_outbound_queue_size(raw) }

    /// Whether to send a PING after the queued GOAWAY.
    @exclusivity(unchecked) private var isPingDue = false

    init(role: Role, limits: Limits, handler: HTTP2Handler) {
        self.role = role
        self.handler = handler
        budget = role == .server ? PeerBudget(limits: limits, now: .now()) : nil
        outgoing = OutgoingSection.of(handler.eventLoop)
        outputBuffer = OutputBuffer.of(handler.eventLoop)
        section = FieldSectionBuffer.of(handler.eventLoop)

        var callbacks: OpaquePointer?
        var option: OpaquePointer?
        // These fail only when memory is exhausted, where Swift would trap too.
        precondition(nghttp2_session_callbacks_new(&callbacks) == 0 && nghttp2_option_new(&option) == 0, "no memory")
        defer {
            nghttp2_session_callbacks_del(callbacks)
            nghttp2_option_del(option)
        }
        Callbacks.install(on: callbacks)
        // Flow-control windows are credited when bytes are consumed, not when they arrive.
        nghttp2_option_set_no_auto_window_update(option, 1)
        // nghttp2's own limits as a second line of defence: the documented defaults, except for `max_settings`.
        nghttp2_option_set_max_outbound_ack(option, 1000)
        nghttp2_option_set_max_settings(option, 32)
        nghttp2_option_set_max_continuations(option, 8)
        nghttp2_option_set_stream_reset_rate_limit(option, 1000, 33)
        if role == .client {
            // Some servers send field values with leading or trailing whitespace; their responses are accepted.
            nghttp2_option_set_no_rfc9113_leading_and_trailing_ws_validation(option, 1)
        }
        var session: OpaquePointer?
        let memory = SessionMemory.of(handler.eventLoop)
        self.memory = memory
        func make(_ functions: UnsafeMutablePointer<nghttp2_mem>?) -> Int32 {
            switch role {
            case .server: nghttp2_session_server_new3(&session, callbacks, nil, option, functions)
            case .client: nghttp2_session_client_new3(&session, callbacks, nil, option, functions)
            }
        }
        let status: Int32
        if var functions = memory.functions {
            status = make(&functions)
        } else {
            status = make(nil)
        }
        guard status == 0, let session else { preconditionFailure("no memory") }
        raw = session
        nghttp2_session_set_user_data(raw, Unmanaged.passUnretained(self).toOpaque())
        submitSettings()
    }

    deinit {
        nghttp2_session_del(raw)
    }

    private func submitSettings() {
        func entry(_ id: nghttp2_settings_id, _ value: some BinaryInteger) -> nghttp2_settings_entry {
            nghttp2_settings_entry(settings_id: Int32(id.rawValue), value: UInt32(value))
        }
        var entries = [
            entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits.streamWindowBytes),
            entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, limits.headerListBytesMax),
        ]
        switch role {
        case .server: entries.append(entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, limits.streamsOpenMax))
        case .client: entries.append(entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0))
        }
        nghttp2_submit_settings(raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), entries, entries.count)
        nghttp2_session_set_local_window_size(
            raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), 0, limits.connectionWindowBytes)
    }

    // MARK: Bytes

    /// Processes bytes from the peer. Events are reported to the handler before this returns.
    func receive(_ bytes: ByteBuffer) -> Received {
        queuedBefore = queuedFrames
        section.beginRead(unfinishedSection)
        defer { unfinishedSection = section.endRead() }
        let result = bytes.withUnsafeReadableBytes { buffer in
            if role == .client { input = buffer.baseAddress.map { (bytes, $0) } }
            defer { input = nil }
            return nghttp2_session_mem_recv(raw, buffer.bindMemory(to: UInt8.self).baseAddress, buffer.count)
        }
        if result >= 0 {
            let verdict = budget?.taken(bytes: bytes.readableBytes, queuedFrames: queuedFrames)
            guard enforce(verdict) != 0 else { return .taken }
        }
        switch Int32(truncatingIfNeeded: result) {
        case _ where isBreached: terminateForBreach()
        case NGHTTP2_ERR_FLOODED.rawValue: cutOff(.controlFrames)
        case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS.rawValue: cutOff(.continuations)
        // Not HTTP/2: nothing is sent.
        case NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue: break
        default: terminate(.internalError)
        }
        return .failed
    }

    /// What a call of `drain` has written.
    enum Drained {
        case nothing
        /// All queued output.
        case all
        /// A part that has reached the limit. There may be more.
        case part
    }

    /// Serialises queued output, up to about `bytesMax`, and passes it to `write`.
    func drain(bytesMax: Int, _ write: (ByteBuffer) -> Void) -> Drained {
        guard nghttp2_session_want_write(raw) != 0 else { return .nothing }
        output = SessionOutput(outputBuffer.borrow())
        defer {
            // The channel releases it in its flush.
            outputBuffer.giveBack(output.copied)
            output = SessionOutput()
        }
        while output.count < bytesMax {
            var data: UnsafePointer<UInt8>?
            // The bytes belong to nghttp2 and are valid until its next call, so they are copied.
            let count = nghttp2_session_mem_send(raw, &data)
            guard count > 0 else { break }
            output.copy(UnsafeRawBufferPointer(start: data, count: count))
        }
        // nghttp2 refers to the fields until their frame is serialised (nghttp2_submit_response).
        if !preparedFields.isEmpty, queuedFrames == 0 { preparedFields.removeAll(keepingCapacity: true) }
        guard output.count > 0 else { return .nothing }
        output.forEach(write)
        return output.count < bytesMax ? .all : .part
    }

    /// Whether the session has nothing more to read or write, so that the connection may be closed.
    var isOver: Bool {
        nghttp2_session_want_read(raw) == 0 && nghttp2_session_want_write(raw) == 0
    }

    // MARK: Messages

    /// Submits a final response: `fields`, with `Date` added if missing, and the exchange's outbound body if `hasBody`.
    func submitResponse(_ fields: HeaderFields, hasBody: Bool, on exchange: Exchange) {
        func submit(_ section: UnsafePointer<nghttp2_nv>, _ count: Int) {
            _ = withUnsafePointer(to: dataProvider(of: exchange)) { provider in
                nghttp2_submit_response(raw, exchange.id, section, count, hasBody ? provider : nil)
            }
        }
        withSection(fields) { section, count in
            guard fields.range(of: .date) == nil else { return submit(section, count) }
            var date = dateField.value()
            var dateBytes = date.mutableSpan
            dateBytes.withUnsafeMutableBufferPointer { value in
                let name = FieldName.date.utf8
                outgoing.fields[count] = nghttp2_nv(
                    name: UnsafeMutablePointer(mutating: name.baseAddress), value: value.baseAddress,
                    namelen: name.count, valuelen: value.count, flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
                submit(section, count + 1)
            }
        }
    }

    /// Submits a prepared response, with `Age`, `x-request-id` and `Date`, and the exchange's outbound body if `hasBody`.
    ///
    /// nghttp2 does not copy the prepared fields. It copies the values that are new.
    func submitPrepared(_ response: PreparedResponse, hasBody: Bool, on exchange: Exchange) {
        preparedFields.append(response.fields)
        let fields = outgoing.fields
        fields[0] = Self.constant(.status, response.status.text)
        var count = 1
        // Safe to mutate for nghttp2, which only reads.
        let lines = UnsafeMutablePointer(
            mutating: response.fields.lines.baseAddress?.assumingMemoryBound(to: UInt8.self))
        for index in response.sent {
            let place = response.fields.places[index]
            fields[count] = nghttp2_nv(
                name: lines.map { $0 + place.name.lowerBound }, value: lines.map { $0 + place.value.lowerBound },
                namelen: place.name.count, valuelen: place.value.count, flags: Self.notCopied)
            count += 1
        }
        let age = outgoing.values
        let ageBytes = DecimalDigits.write(response.age, to: age)
        fields[count] = Self.copied(.age, age, ageBytes)
        let id = age + ageBytes
        let idBytes = response.requestID.write(to: id)
        fields[count + 1] = Self.copied(.requestID, id, idBytes)
        let date = id + idBytes
        date.storeBytes(of: dateField.value(), as: InlineArray<29, UInt8>.self)
        fields[count + 2] = Self.copied(.date, date, HTTPDate.bytesCount)
        _ = withUnsafePointer(to: dataProvider(of: exchange)) { provider in
            nghttp2_submit_response(raw, exchange.id, fields, count + 3, hasBody ? provider : nil)
        }
    }

    private static let notCopied = UInt8(
        NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)

    /// A field of which nghttp2 copies nothing, since the text lives as long as the process.
    private static func constant(_ name: FieldName, _ value: StaticString) -> nghttp2_nv {
        nghttp2_nv(
            name: UnsafeMutablePointer(mutating: name.utf8.baseAddress),
            value: UnsafeMutablePointer(mutating: value.utf8Start), namelen: name.utf8.count,
            valuelen: value.utf8CodeUnitCount, flags: notCopied)
    }

    /// A field of which nghttp2 copies the value.
    private static func copied(_ name: FieldName, _ value: UnsafeMutableRawPointer, _ count: Int) -> nghttp2_nv {
        let flags = NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue
        return nghttp2_nv(
            name: UnsafeMutablePointer(mutating: name.utf8.baseAddress),
            value: value.assumingMemoryBound(to: UInt8.self), namelen: name.utf8.count, valuelen: count,
            flags: UInt8(name.isNeverIndexed ? flags | NGHTTP2_NV_FLAG_NO_INDEX.rawValue : flags))
    }

    /// Submits a request on a new stream. Returns `false` if no more streams can be opened.
    func submitRequest(_ fields: HeaderFields, hasBody: Bool, on exchange: Exchange) -> Bool {
        withSection(fields) { section, count in
            let id = withUnsafePointer(to: dataProvider(of: exchange)) { provider in
                nghttp2_submit_request(
                    raw, nil, section, count, hasBody ? provider : nil, Session.pointer(to: exchange))
            }
            exchange.id = id
            return id > 0
        }
    }

    /// Submits `100 Continue` (RFC 9110, 10.1.1).
    func submitContinue(on exchange: Exchange) {
        withSection(Self.continueFields) { section, count in
            _ = nghttp2_submit_headers(
                raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), exchange.id, nil, section, count, nil)
        }
    }

    private static let continueFields = HeaderFields([(.status, "100")])

    private func dataProvider(of exchange: Exchange) -> nghttp2_data_provider {
        nghttp2_data_provider(
            source: nghttp2_data_source(ptr: Session.pointer(to: exchange)), read_callback: Callbacks.onReadData)
    }

    private func withSection<Result>(
        _ fields: HeaderFields, _ body: (UnsafePointer<nghttp2_nv>, Int) -> Result
    ) -> Result {
        precondition(fields.count < OutgoingSection.fieldsMax, "an outbound field section has too many fields")
        return fields.withUnsafeFields { base, records in
            var count = 0
            let start = base.baseAddress?.assumingMemoryBound(to: UInt8.self)
            for (name, value, isNeverIndexed) in records {
                outgoing.fields[count] = nghttp2_nv(
                    name: start.map { UnsafeMutablePointer(mutating: $0 + name.lowerBound) },
                    value: start.map { UnsafeMutablePointer(mutating: $0 + value.lowerBound) },
                    namelen: name.count,
                    valuelen: value.count,
                    flags: UInt8(isNeverIndexed ? NGHTTP2_NV_FLAG_NO_INDEX.rawValue : NGHTTP2_NV_FLAG_NONE.rawValue)
                )
                count += 1
            }
            return body(outgoing.fields, count)
        }
    }

    /// Resumes the deferred outbound body of an exchange after it has new bytes or has ended.
    func resume(_ exchange: Exchange) {
        nghttp2_session_resume_data(raw, exchange.id)
    }

    func reset(_ exchange: Exchange, _ code: HTTP2ErrorCode) {
        nghttp2_submit_rst_stream(raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), exchange.id, code.rawValue)
    }

    /// Credits read body bytes to the windows of the stream and the connection.
    func consume(_ count: Int, on exchange: Exchange) {
        nghttp2_session_consume(raw, exchange.id, count)
    }

    /// Credits bytes to the window of the stream only.
    func consumeOnStream(_ count: Int, of exchange: Exchange) {
        nghttp2_session_consume_stream(raw, exchange.id, count)
    }

    /// Credits bytes to the window of the connection only.
    func consumeOnConnection(_ count: Int) {
        nghttp2_session_consume_connection(raw, count)
    }

    // MARK: The connection

    /// The purpose of a PING, sent as the first byte of its payload, which the acknowledgement returns.
    enum Ping: UInt8 {
        /// Follows the shutdown notice: its acknowledgement means that all earlier requests have arrived.
        case drain = 1
        /// Checks that the peer is alive.
        case keepalive = 2
    }

    func submitPing(_ ping: Ping) {
        var payload: [UInt8] = [ping.rawValue, 0, 0, 0, 0, 0, 0, 0]
        nghttp2_submit_ping(raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), &payload)
    }

    /// The first step of a graceful shutdown: GOAWAY with the highest stream id, then a PING (RFC 9113, 6.8).
    func submitShutdownNotice() {
        nghttp2_submit_shutdown_notice(raw)
        // Sent after the GOAWAY: nghttp2 sends a queued PING first, and its acknowledgement would then prove nothing.
        isPingDue = true
    }

    /// Submits GOAWAY with the last processed stream id.
    func submitGoAway() {
        nghttp2_submit_goaway(
            raw, UInt8(NGHTTP2_FLAG_NONE.rawValue), nghttp2_session_get_last_proc_stream_id(raw),
            HTTP2ErrorCode.noError.rawValue, nil, 0)
    }

    /// Ends the session: sends GOAWAY and nothing after it.
    func terminate(_ code: HTTP2ErrorCode) {
        isTerminated = true
        nghttp2_session_terminate_session(raw, code.rawValue)
    }

    private func cutOff(_ defence: Defence) {
        handler.triggered(defence)
        terminate(.enhanceYourCalm)
    }

    func terminateForBreach() {
        switch breach {
        case .defence(let defence): cutOff(defence)
        case .ofProtocol(let code):
            handler.triggered(.protocolErrors)
            terminate(code)
        case nil: break
        }
    }

    // MARK: Events, from Callbacks

    static func exchange(at pointer: UnsafeMutableRawPointer) -> Exchange {
        Unmanaged<Exchange>.fromOpaque(pointer).takeUnretainedValue()
    }

    private static func pointer(to exchange: Exchange) -> UnsafeMutableRawPointer {
        Unmanaged.passUnretained(exchange).toOpaque()
    }

    private func exchange(on streamID: Int32) -> Exchange? {
        nghttp2_session_get_stream_user_data(raw, streamID).map(Session.exchange(at:))
    }

    func frameBegan(_ head: nghttp2_frame_hd) -> Int32 {
        queuedBefore = queuedFrames
        guard budget != nil else { return 0 }
        let verdict: PeerBudget.Verdict? =
            switch nghttp2_frame_type(rawValue: UInt32(head.type)) {
            case NGHTTP2_RST_STREAM: budget?.resetReceived(at: handler.readTime)
            case NGHTTP2_PING, NGHTTP2_SETTINGS, NGHTTP2_PRIORITY: budget?.controlFrameReceived(at: handler.readTime)
            case NGHTTP2_WINDOW_UPDATE: budget?.windowUpdateReceived()
            default: .proceed
            }
        if head.type == UInt8(NGHTTP2_HEADERS.rawValue), !gaps.mayBegin(head.stream_id) {
            breach = .ofProtocol(.protocolError)
            return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
        }
        return enforce(verdict)
    }

    /// Stores a violation and returns the result for the nghttp2 callback.
    private func enforce(_ verdict: PeerBudget.Verdict?) -> Int32 {
        guard case .cutOff(let defence) = verdict, breach == nil else { return 0 }
        breach = .defence(defence)
        return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
    }

    func headBegan(on streamID: Int32, category: nghttp2_headers_category) {
        withHandler { handler in
            section.begin(handler.limits, isRequest: role == .server)
            handler.headBegan()
        }
        switch (role, category) {
        case (.server, NGHTTP2_HCAT_REQUEST):
            let exchange = withHandler { $0.requestBegan(on: streamID) }
            nghttp2_session_set_stream_user_data(raw, streamID, Session.pointer(to: exchange))
            exchangeInHead = exchange
        case (.client, NGHTTP2_HCAT_RESPONSE), (.client, NGHTTP2_HCAT_HEADERS):
            exchangeInHead = exchange(on: streamID)
        default:
            // Request trailers are ignored, but the same limits apply.
            exchangeInHead = nil
        }
    }

    func fieldReceived(name: UnsafeBufferPointer<UInt8>, value: UnsafeBufferPointer<UInt8>) -> Int32 {
        section.append(name: name, value: value) ? 0 : enforce(.cutOff(.headerFields))
    }

    func dataReceived(_ data: UnsafeRawBufferPointer, on streamID: Int32) {
        guard let exchange = exchange(on: streamID) else {
            consumeOnConnection(data.count)
            return
        }
        guard exchange.input != .discarded else {
            // Discarded and credited to the connection only. Without stream credit the peer can send one more window.
            consumeOnConnection(data.count)
            return
        }
        if let shared = sharedInput(data) { return handler.dataReceived(shared, on: exchange) }
        var bytes = ByteBufferAllocator().buffer(capacity: data.count)
        bytes.writeBytes(data)
        handler.dataReceived(bytes, on: exchange)
    }

    /// The same bytes as a slice of the input, if they are part of it and worth it.
    private func sharedInput(_ data: UnsafeRawBufferPointer) -> ByteBuffer? {
        guard data.count >= Self.sharedDataBytesMin, let input, let start = data.baseAddress, start >= input.base,
            start + data.count <= input.base + input.bytes.readableBytes
        else { return nil }
        return input.bytes.getSlice(at: input.bytes.readerIndex + (start - input.base), length: data.count)
    }

    func frameReceived(_ frame: UnsafePointer<nghttp2_frame>) -> Int32 {
        let head = frame.pointee.hd
        if head.type == UInt8(NGHTTP2_DATA.rawValue), budget != nil {
            let count = Int(head.length) - Int(frame.pointee.data.padlen)
            let isLast = head.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
            let verdict = enforce(budget?.dataReceived(count: count, endsStream: isLast))
            guard verdict == 0 else { return verdict }
        }
        if head.type == UInt8(NGHTTP2_SETTINGS.rawValue), head.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) == 0,
            queuedFrames > queuedBefore + 1
        {
            // nghttp2 queued more than the acknowledgement: it reset streams whose windows would overflow. RFC 9113, 6.9.2
            // requires a connection error instead.
            breach = .ofProtocol(.flowControlError)
            return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue
        }
        handle(frame)
        return 0
    }

    private func handle(_ frame: UnsafePointer<nghttp2_frame>) {
        let head = frame.pointee.hd
        let endsStream = head.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0
        switch nghttp2_frame_type(rawValue: UInt32(head.type)) {
        case NGHTTP2_HEADERS:
            section.end()
            withHandler { headEnded($0, on: head.stream_id, endsStream: endsStream) }
        case NGHTTP2_DATA:
            guard endsStream, let exchange = exchange(on: head.stream_id) else { return }
            handler.messageEnded(on: exchange)
        case NGHTTP2_PING:
            guard head.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0,
                let ping = Ping(rawValue: frame.pointee.ping.opaque_data.0)
            else { return }
            handler.pingAnswered(ping)
        case NGHTTP2_SETTINGS:
            if head.flags & UInt8(NGHTTP2_FLAG_ACK.rawValue) != 0 { handler.settingsAcknowledged() }
        case NGHTTP2_GOAWAY:
            handler.goAwayReceived(HTTP2ErrorCode(rawValue: frame.pointee.goaway.error_code))
        default:
            break
        }
    }

    @inline(__always)
    private func headEnded(_ handler: HTTP2Handler, on streamID: Int32, endsStream: Bool) {
        handler.headEnded()
        guard let exchange = exchangeInHead.take() else {
            if endsStream, let exchange = exchange(on: streamID) { handler.messageEnded(on: exchange) }
            return
        }
        budget?.fieldsReceived(bytes: section.listBytes)
        if endsStream, !section.isExcessive,
            handler.answersAtOnce(exchange, section.plainFields, in: section.bytes, sectionBytes: section.listBytes)
        {
            return
        }
        handler.headReceived(
            on: exchange, fields: section.makeFields(), bytes: section.listBytes, isExcessive: section.isExcessive,
            endsStream: endsStream)
    }

    func frameSent(_ frame: UnsafePointer<nghttp2_frame>) {
        let head = frame.pointee.hd
        let type = nghttp2_frame_type(rawValue: UInt32(head.type))
        if isPingDue, type == NGHTTP2_GOAWAY {
            isPingDue = false
            submitPing(.drain)
        }
        if type == NGHTTP2_RST_STREAM, frame.pointee.rst_stream.error_code == HTTP2ErrorCode.refusedStream.rawValue,
            role == .server, exchange(on: head.stream_id) == nil
        {
            // Until the peer acknowledges the stream limit, nghttp2 itself refuses streams above it.
            handler.triggered(.streams)
        }
        if type == NGHTTP2_RST_STREAM, frame.pointee.rst_stream.error_code != HTTP2ErrorCode.noError.rawValue {
            // Acted on after the send call returns: the session cannot be terminated inside a callback.
            _ = enforce(budget?.resetSent(at: handler.readTime))
        }
        if type == NGHTTP2_GOAWAY, !isTerminated, frame.pointee.goaway.error_code != HTTP2ErrorCode.noError.rawValue {
            // A protocol error that nghttp2 detected.
            handler.triggered(.protocolErrors)
        }
        guard type == NGHTTP2_HEADERS || type == NGHTTP2_DATA else { return }
        if type == NGHTTP2_DATA { budget?.dataSent(bytes: Int(head.length)) }
        if head.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0 { budget?.responseCompleted() }
        let exchangeInSend = exchangeInSend.take()
        switch role {
        case .client:
            if type == NGHTTP2_HEADERS, let exchange = exchange(on: head.stream_id) {
                handler.headersSent(on: exchange)
            }
        case .server:
            guard head.flags & UInt8(NGHTTP2_FLAG_END_STREAM.rawValue) != 0,
                let exchange = exchangeInSend ?? exchange(on: head.stream_id), exchange.input != .complete
            else { return }
            handler.responseEnded(on: exchange)
        }
    }

    func streamClosed(_ streamID: Int32, code: HTTP2ErrorCode) {
        guard let exchange = exchange(on: streamID) else { return }
        // nghttp2 may keep the closed stream, but must not keep the pointer to its exchange.
        nghttp2_session_set_stream_user_data(raw, streamID, nil)
        if exchangeInHead === exchange { exchangeInHead = nil }
        let uncredited = exchange.inbound.uncreditedBytes
        if uncredited > 0 { consumeOnConnection(exchange.inbound.credit(uncredited)) }
        withHandler { $0.streamClosed(exchange, code: code) }
    }

    func nextData(of exchange: Exchange, limit: Int) -> OutboundBody.Next {
        withHandler { $0.mayContinue(exchange) } ? exchange.outbound.next(limit: limit) : .nothingYet
    }

    /// The size limit of the next DATA frame. Streamed bodies have frames as large as the peer permits
    /// (SETTINGS_MAX_FRAME_SIZE), up to `frameBytesMax`.
    func dataBytesMax(on streamID: Int32, peerMax: UInt32) -> Int {
        guard peerMax > Self.defaultFrameBytesMax, exchange(on: streamID)?.isStreamed == true else {
            return Int(Self.defaultFrameBytesMax)
        }
        return min(Int(peerMax), Self.frameBytesMax)
    }

    func sendData(of exchange: Exchange, head: UnsafeRawBufferPointer, _ count: Int) {
        exchangeInSend = exchange
        if let rest = exchange.outbound.sendRest(count) {
            output.append(rest, behind: head)
            if exchange.isStreamed { handler.scheduler.sent(bytes: count) }
            return
        }
        var isHeadCopied = false
        let producer = exchange.outbound.send(count, lowWaterBytes: limits.streamWriteBytesMax / 2) { bytes in
            if isHeadCopied {
                output.append(bytes)
            } else {
                output.append(bytes, behind: head)
                isHeadCopied = true
            }
        }
        if !isHeadCopied { output.copy(head) }
        if exchange.isStreamed { handler.scheduler.sent(bytes: count) }
        // The resumed continuation runs later as its own job on the loop, so nghttp2 is not reentered.
        if handler.scheduler.resume(producer) { handler.producerResumed() }
    }
}

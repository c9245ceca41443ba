import CHTTP2
import NIOCore

/// The callbacks of nghttp2, called during `Session.receive` and `Session.drain`.
///
/// Each callback looks up the session and the exchange, forwards the event and returns the result. Callbacks make no
/// decisions. What they call must not receive or send (`nghttp2_session_mem_recv`, `nghttp2_session_mem_send`), since nghttp2
/// is not reentrant: it may free a stream that it still uses. It may submit frames, such as a prepared response: nghttp2
/// only queues them.
///
/// Ownership: `userData` is the unretained `Session`, which frees the nghttp2 session in its `deinit` and so outlives
/// every callback. A stream's user data is its unretained `Exchange`, which `HTTP2Handler` owns until `onStreamClose`.
/// Frames, names, values and data belong to nghttp2 and are valid during the call.
enum Callbacks {
    static func install(on callbacks: OpaquePointer?) {
        nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, onBeginFrame)
        nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, onBeginHeaders)
        nghttp2_session_callbacks_set_on_header_callback(callbacks, onHeader)
        nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, onDataChunk)
        nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, onFrameReceived)
        nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, onFrameSent)
        nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, onStreamClose)
        nghttp2_session_callbacks_set_send_data_callback(callbacks, onSendData)
        nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, onDataLength)
    }

    /// Calls `body` with the session. Without it a callback fails.
    ///
    /// Safe without a retain: the session outlives the call, see above. A retain and a release for each of some 16 callbacks of
    /// a request would cost 3 % of it.
    @inline(__always)
    private static func withSession(_ userData: UnsafeMutableRawPointer?, _ body: (Session) -> Int32) -> Int32 {
        guard let userData else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
        return Unmanaged<Session>.fromOpaque(userData)._withUnsafeGuaranteedRef { body($0) }
    }

    /// Calls `body` with the exchange of a data provider. Safe without a retain for the same reason.
    @inline(__always)
    private static func withExchange<Result>(
        _ pointer: UnsafeMutableRawPointer, _ body: (Exchange) -> Result
    ) -> Result {
        Unmanaged<Exchange>.fromOpaque(pointer)._withUnsafeGuaranteedRef { body($0) }
    }

    private static let onBeginFrame: nghttp2_on_begin_frame_callback = { _, head, userData in
        guard let head else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
        return withSession(userData) { $0.frameBegan(head.pointee) }
    }

    private static let onBeginHeaders: nghttp2_on_begin_headers_callback = { _, frame, userData in
        guard let frame else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
        return withSession(userData) { session in
            session.headBegan(on: frame.pointee.hd.stream_id, category: frame.pointee.headers.cat)
            return 0
        }
    }

    private static let onHeader: nghttp2_on_header_callback = { _, _, name, nameCount, value, valueCount, _, userData in
        withSession(userData) { session in
            session.fieldReceived(
                name: UnsafeBufferPointer(start: name, count: nameCount),
                value: UnsafeBufferPointer(start: value, count: valueCount))
        }
    }

    private static let onDataChunk: nghttp2_on_data_chunk_recv_callback = { _, _, streamID, data, count, userData in
        withSession(userData) { session in
            session.dataReceived(UnsafeRawBufferPointer(start: data, count: count), on: streamID)
            return 0
        }
    }

    private static let onFrameReceived: nghttp2_on_frame_recv_callback = { _, frame, userData in
        guard let frame else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
        return withSession(userData) { $0.frameReceived(frame) }
    }

    private static let onFrameSent: nghttp2_on_frame_send_callback = { _, frame, userData in
        guard let frame else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
        return withSession(userData) { session in
            session.frameSent(frame)
            return 0
        }
    }

    private static let onStreamClose: nghttp2_on_stream_close_callback = { _, streamID, code, userData in
        withSession(userData) { session in
            session.streamClosed(streamID, code: HTTP2ErrorCode(rawValue: code))
            return 0
        }
    }

    /// Without this callback nghttp2 sends at most 16 KiB in a frame. It applies the flow-control windows afterwards.
    private static let onDataLength: nghttp2_data_source_read_length_callback = {
        _, _, streamID, _, _, peerMax, userData in
        Int(withSession(userData) { Int32($0.dataBytesMax(on: streamID, peerMax: peerMax)) })
    }

    /// The data provider of every outbound body: returns the size of the next DATA frame.
    static let onReadData: nghttp2_data_source_read_callback = { _, _, _, limit, flags, source, userData in
        guard let pointer = source?.pointee.ptr, let flags else { return Int(NGHTTP2_ERR_CALLBACK_FAILURE.rawValue) }
        let result = withSession(userData) { session in
            switch withExchange(pointer, { session.nextData(of: $0, limit: limit) }) {
            case .nothingYet: return NGHTTP2_ERR_DEFERRED.rawValue
            case .reset: return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue
            case .bytes(let count, let isLast):
                flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue | (isLast ? NGHTTP2_DATA_FLAG_EOF.rawValue : 0)
                // At most `frameBytesMax`.
                return Int32(count)
            }
        }
        return Int(result)
    }

    /// Writes a DATA frame directly into the output: the frame header from nghttp2, the payload from the body.
    private static let onSendData: nghttp2_send_data_callback = { _, _, head, count, source, userData in
        guard let head, let pointer = source?.pointee.ptr else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
        return withSession(userData) { session in
            withExchange(pointer) {
                session.sendData(of: $0, head: UnsafeRawBufferPointer(start: head, count: 9), count)
            }
            return 0
        }
    }
}

"""HTTP/2 frames and header fields as bytes, for peers that no library would play."""
import struct
import sys

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    """A header field without indexing (RFC 7541, 6.2.2). Name and value have less than 127 bytes."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def get(path, scheme=b"http", authority=b"a", *fields):
    """The field section of a GET request."""
    pseudo = ((b":method", b"GET"), (b":scheme", scheme), (b":authority", authority), (b":path", path))
    return b"".join(literal(*field) for field in (*pseudo, *fields))


GREETING = PREFACE + frame(SETTINGS, 0, 0) + frame(SETTINGS, ACK, 0)


def read_exactly(connection, count):
    data = b""
    while len(data) < count:
        more = connection.recv(count - len(data))
        if not more:
            sys.exit("a connection was closed")
        data += more
    return data


def read_frame(connection):
    """Type, flags, stream and payload."""
    head = read_exactly(connection, 9)
    return head[3], head[4], int.from_bytes(head[5:], "big"), read_exactly(connection, int.from_bytes(head[:3], "big"))

import CHTTP2
package import NIOCore
import Synchronization

/// The rotating keys that encrypt session tickets (RFC 5077, 5.5). The two previous keys are still accepted.
///
/// Rotation limits the sessions that a stolen key can decrypt.
package final class TicketKeys: Sendable {
    package struct Key: Sendable {
        package let name: [UInt8]
        let cipherKey: [UInt8]
        let digestKey: [UInt8]
        let made: NIODeadline

        init(at now: NIODeadline) {
            name = RandomToken.bytes(16)
            cipherKey = RandomToken.bytes(32)
            digestKey = RandomToken.bytes(32)
            made = now
        }
    }

    private let keys: Mutex<[Key]>
    private let rotatesEvery: TimeAmount
    private static let keysMax = 3

    package init(rotatesEvery: TimeAmount = .hours(12)) {
        self.rotatesEvery = rotatesEvery
        keys = Mutex([Key(at: .now())])
    }

    /// The key for new tickets; rotates it when it is due.
    package func current(at now: NIODeadline) -> Key {
        keys.withLock { keys in
            if let newest = keys.first, now - newest.made < rotatesEvery { return newest }
            let key = Key(at: now)
            keys = [key] + keys.prefix(Self.keysMax - 1)
            return key
        }
    }

    /// The key with this name, and whether its tickets should be renewed. `nil` for unknown and expired keys.
    package func key(named name: [UInt8], at now: NIODeadline) -> (key: Key, isOld: Bool)? {
        let newest = current(at: now)
        return keys.withLock { keys in
            keys.first {
                $0.name == name && now - $0.made < .nanoseconds(rotatesEvery.nanoseconds * Int64(Self.keysMax))
            }
        }.map { ($0, $0.name != newest.name) }
    }

    /// OpenSSL's ticket key callback: sets up cipher and MAC to encrypt a new ticket or decrypt a received one.
    ///
    /// Slot 0 of the context's ex_data holds the unretained keys, which `TLSContext` retains.
    static let callback:
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<UInt8>?, UnsafeMutablePointer<UInt8>?, OpaquePointer?, OpaquePointer?,
            Int32
        ) -> Int32 = { ssl, name, iv, cipher, digest, isSealing in
            guard let name, let iv, let slot = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), 0) else { return -1 }
            let keys = Unmanaged<TicketKeys>.fromOpaque(slot).takeUnretainedValue()
            if isSealing != 0 {
                let key = keys.current(at: .now())
                guard RAND_bytes(iv, EVP_MAX_IV_LENGTH) == 1 else { return -1 }
                name.update(from: key.name, count: 16)
                let isSet = EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), nil, key.cipherKey, iv) == 1
                return isSet && setDigest(digest, key) ? 1 : -1
            }
            let named = Array(UnsafeBufferPointer(start: name, count: 16))
            guard let (key, isOld) = keys.key(named: named, at: .now()) else { return 0 }
            guard EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), nil, key.cipherKey, iv) == 1, setDigest(digest, key)
            else { return -1 }
            return isOld ? 2 : 1
        }

    /// The memory of all parameters, including their names, must stay valid until they are set.
    private static func setDigest(_ digest: OpaquePointer?, _ key: Key) -> Bool {
        var secret = key.digestKey
        var algorithm = Array("SHA256".utf8CString)
        return OSSL_MAC_PARAM_KEY.withCString { keyName in
            OSSL_MAC_PARAM_DIGEST.withCString { digestName in
                secret.withUnsafeMutableBytes { secret in
                    algorithm.withUnsafeMutableBufferPointer { algorithm in
                        let parameters = [
                            OSSL_PARAM_construct_octet_string(keyName, secret.baseAddress, secret.count),
                            OSSL_PARAM_construct_utf8_string(digestName, algorithm.baseAddress, 0),
                            OSSL_PARAM_construct_end(),
                        ]
                        return EVP_MAC_CTX_set_params(digest, parameters) == 1
                    }
                }
            }
        }
    }
}

extension Settings {
    struct Credentials: SettingGroup {
        static let title = "Credentials"

        let file = Setting(
            "credentials.file", .path,
            "File with the credentials of the Zoom master accounts. Required without the sandbox.")
        let keyFile = Setting(
            "credentials.key-file", .path,
            "File with the encryption keys of the credentials, one per line. Alternative: one key in BILLING_CREDENTIALS_KEY."
        )
        let tokenFile = Setting(
            "zoom.token-file", .path,
            "File in which replicas share access tokens, encrypted if the credentials are. Required if a new token invalidates older ones at Zoom."
        )
    }

    struct Callers: SettingGroup {
        static let title = "Callers"

        let file = Setting(
            "callers.file", .path,
            "File with the programs that may call the API. Without it, http.host must be loopback.")
    }

    struct SharedFiles: SettingGroup {
        static let title = "File permissions"

        let areAllowed = Setting(
            "allow-shared-file", .flag, default: false,
            "Accept these files although other users can access them, as with Kubernetes mounts.")
    }
}

extension ProblemType {
    /// The table of all problems.
    package var explanation: ProblemExplanation {
        switch self {
        case .invalidRequest:
            ProblemExplanation(
                "Invalid request", 400, .zoom(300), .never, mendedBy: .caller,
                meaning: "A parameter, a header field or a member of the body is not valid. `errors` names each one, "
                    + "with the rule that it breaks. Nothing was sent to Zoom.",
                action: "Correct every entry of `errors`: `field` is the name in the request. A field that was given "
                    + "twice must be given once. `authorization` must be `Bearer`, a blank and a token.")
        case .invalidJSON:
            ProblemExplanation(
                "Invalid JSON", 400, .zoom(300), .never, mendedBy: .caller,
                meaning: "The body of a change is not a JSON object: it is empty, cut off, no JSON, or another type "
                    + "of value. Nothing was sent to Zoom.",
                action: "Write the body with a JSON library, in UTF-8. Do not build it from strings.")
        case .malformedRequest:
            ProblemExplanation(
                "Bad request", 400, .status, .never, mendedBy: .caller,
                meaning: "The request violates HTTP: for example, `host` is missing or invalid, or a field has "
                    + "forbidden characters. An unknown path with percent-encoded characters is also refused so.",
                action: "If a usual HTTP library made the request, check the path for needless percent-encoding. "
                    + "Otherwise check the proxy in between.")
        case .unknownPath:
            ProblemExplanation(
                "Not found", 404, .status, .never, mendedBy: .caller,
                meaning: "The service has no such path. An unknown account or invoice has another type.",
                action: "Compare the path with `/v2/openapi.json`. The base URL ends before `/v2`. Look for a doubled "
                    + "slash, a slash at the end, and an account id that is empty.")
        case .methodNotAllowed:
            ProblemExplanation(
                "Method not allowed", 405, .status, .never, mendedBy: .caller,
                meaning: "The path exists, and does not support this method.",
                action: "Use a method that the header field `allow` lists.")
        case .unknownMethod:
            ProblemExplanation(
                "Not implemented", 501, .status, .never, mendedBy: .caller,
                meaning: "The method is none that HTTP defines.",
                action: "Check the spelling of the method. Methods are case-sensitive: `GET`, not `get`.")
        case .notAcceptable:
            ProblemExplanation(
                "Not acceptable", 406, .status, .never, mendedBy: .caller,
                meaning: "The header field `accept` excludes every media type that the path can answer with.",
                action: "Send `accept: */*`, or no `accept`. Single answers are `application/json`. Streams are "
                    + "`application/x-ndjson` or `application/jsonl`. Invoice files are `application/pdf`.")
        case .unsupportedMediaType:
            ProblemExplanation(
                "Unsupported media type", 415, .status, .never, mendedBy: .caller,
                meaning: "`content-type` is missing, or is none that the path takes. Nothing was sent to Zoom.",
                action: "Send the type that the header field `accept` of the answer names: `application/json` for a "
                    + "change, `application/x-ndjson` for the accounts of a stream.")
        case .encodedBody:
            ProblemExplanation(
                "Unsupported media type", 415, .status, .never, mendedBy: .caller,
                meaning: "The body of the request has a `content-encoding`, such as `gzip`. The service reads only "
                    + "bodies without one.",
                action: "Turn the compression of request bodies off.")
        case .bodyTooLarge:
            ProblemExplanation(
                "Content too large", 413, .status, .never, mendedBy: .caller,
                meaning: "The body of the request is larger than the limit (64 KiB, `http.limits.body-bytes`). "
                    + "Streams have no such limit.",
                action: "Send a smaller body. Send the ids of many accounts to `POST /v2/billing/stream`.")
        case .targetTooLong:
            ProblemExplanation(
                "URI too long", 414, .status, .never, mendedBy: .caller,
                meaning: "Path and query together are longer than the limit (8000 bytes, `http.limits.path-bytes`).",
                action: "Send the ids of chosen accounts in the body of `POST /v2/billing/stream`.")
        case .fieldsTooLarge:
            ProblemExplanation(
                "Header fields too large", 431, .status, .never, mendedBy: .caller,
                meaning: "The header fields exceed 16 KiB (`http.limits.header-list-bytes`), or there are more than "
                    + "100 (`http.limits.header-fields`).",
                action: "Remove fields that the service does not need: cookies, and fields that proxies add.")
        case .unknownExpectation:
            ProblemExplanation(
                "Expectation failed", 417, .status, .never, mendedBy: .caller,
                meaning: "The header field `expect` has another value than `100-continue`.",
                action: "Remove the field `expect`, or send `100-continue`.")
        case .upgradeRequired:
            ProblemExplanation(
                "Upgrade required", 426, .status, .never, mendedBy: [.caller, .operator],
                meaning: "The request came in HTTP/1.0, which cannot mark the end of a stream.",
                action: "Let the proxy in front of the service use HTTP/1.1 or HTTP/2. For nginx this is "
                    + "`proxy_http_version 1.1`.")
        case .requestTimedOut:
            ProblemExplanation(
                "Request timeout", 408, .status, .withBackOff, mendedBy: .caller,
                meaning: "The request did not arrive in time. Its header fields may take 10 seconds "
                    + "(`http.timeouts.headers`), and its body may not pause for a minute "
                    + "(`http.timeouts.body-silence`).",
                action: "Prepare the whole body before you send the request. If it happens often, look for a slow "
                    + "network or a proxy that buffers.")
        case .notCached:
            ProblemExplanation(
                "Not cached", 504, .status, .never, mendedBy: .caller,
                meaning: "The request has `cache-control: only-if-cached`, and no cached answer is fresh enough. "
                    + "Streams and invoice files are never answered from the cache alone.",
                action: "Send the request without `only-if-cached`, or accept older answers with `max-stale`.")
        case .changesUnknown:
            ProblemExplanation(
                "Changes unknown", 410, .status, .never, mendedBy: .caller,
                meaning: "The service does not know all changes since `changed_since`. The moment is too old, the "
                    + "service has restarted, or another replica has issued it. `detail` says which.",
                action: "Request the whole stream once, without `changed_since`. Use the moment of its `end` line for "
                    + "the next stream of changes.")

        case .unauthenticated:
            ProblemExplanation(
                "Not authenticated", 401, .zoom(124), .never, mendedBy: [.caller, .operator],
                meaning: "There is no token, or it is unknown, expired or revoked. The service does not tell which. "
                    + "Zoom's own access tokens are not valid here.",
                action: "Send `authorization: Bearer TOKEN` with the token that `billing-service callers add` printed. "
                    + "If it was valid before, let the operator issue a new one. Do not repeat the request in a "
                    + "loop: too many wrong tokens from one address are answered 429.")
        case .damagedToken:
            ProblemExplanation(
                "Not authenticated", 401, .zoom(124), .never, mendedBy: .caller,
                meaning: "The token has the form of a token of this service, and its checksum is wrong. So it is "
                    + "mistyped or truncated.",
                action: "Copy the whole token again. Look for a missing end, a line break or quotes in its place of "
                    + "storage.")
        case .scopeMissing:
            ProblemExplanation(
                "Not permitted", 403, .zoom(4711), .onceMended, mendedBy: .operator,
                meaning: "The caller does not have the scope that the operation needs. `detail` and "
                    + "`www-authenticate` name it.",
                action: "Ask the operator to add the scope to this caller in the callers file. The service reads the "
                    + "file again without a restart.")
        case .callerRate:
            ProblemExplanation(
                "Too many requests", 429, .status, .afterRetryAfter, mendedBy: [.caller, .operator],
                meaning: "This caller sends more requests than its `rate` in the callers file permits. Zoom's limits "
                    + "are not involved.",
                action: "Spread the requests. Read many accounts with one stream, which counts as one request. The "
                    + "operator can raise the `rate`.")
        case .tooManyWrongTokens:
            ProblemExplanation(
                "Too many requests", 429, .status, .onceMended, mendedBy: [.caller, .operator],
                meaning: "Too many wrong tokens came from this address (`callers.failures`). Requests with a valid "
                    + "token are still answered.",
                action: "Find the program with the wrong token, and stop its retries. Behind a proxy, the operator "
                    + "sets `http.trusted-proxies`, so that clients are counted separately.")
        case .operatorToken:
            ProblemExplanation(
                "Not authenticated", 401, .zoom(124), .never, mendedBy: .operator,
                meaning: "The operator's page and its status need the token of `ops.token-file`. The request has none, "
                    + "or another one. The tokens of callers are not valid here.",
                action: "In a browser, type the token as the password, with any user name. Programs send it as "
                    + "`authorization: Bearer TOKEN`. Probes and metrics need no token.")

        case .accountNotFound:
            ProblemExplanation(
                "Account not found", 404, .zoom(2001), .never, mendedBy: [.caller, .operator],
                meaning: "Zoom has no sub account with this id, or it belongs to another master account. Accounts "
                    + "outside the allow-list of the caller are answered in the same way.",
                action: "Check the id: Zoom's ids are case-sensitive, and `=` and `+` belong to them. A new account "
                    + "can be unknown for 30 seconds (`cache.failure-ttl`); `cache-control: no-cache` asks Zoom at "
                    + "once. The operator can look at the allow-list of the caller.")
        case .selfPay:
            ProblemExplanation(
                "Self pay", 400, .zoom(2100), .never, mendedBy: .accountOwner,
                meaning: "The sub account pays Zoom itself. So Zoom shows its billing data to nobody else, and "
                    + "permits no changes. This is an answer about the account and not a fault.",
                action: "Record the account as one that pays for itself, and continue with the others. The owner of "
                    + "the account can agree with Zoom that the master account pays.")
        case .freeAccount:
            ProblemExplanation(
                "Free account", 400, .zoom(200), .never, mendedBy: .accountOwner,
                meaning: "The sub account has no paid plan, so Zoom has no such billing data of it. This is an answer "
                    + "about the account and not a fault.",
                action: "Treat the account as one without invoices and without usage of paid plans.")
        case .invoiceNotFound:
            ProblemExplanation(
                "Invoice not found", 404, .status, .never, mendedBy: .caller,
                meaning: "The account has no invoice with this id, or the invoice belongs to an account that the "
                    + "caller may not read.",
                action: "Take the id from the list of invoices of the same account. The id is not the invoice number.")

        case .idempotencyKeyMissing:
            ProblemExplanation(
                "Idempotency key missing", 400, .zoom(300), .never, mendedBy: .caller,
                meaning: "A change needs the header field `idempotency-key`, so that it is made only once. Nothing "
                    + "was sent to Zoom.",
                action: "Make a new key for each change, such as a random UUID. Store it before you send the change, "
                    + "and send the same key with each repetition.")
        case .idempotencyKeyReused:
            ProblemExplanation(
                "Idempotency key reused", 422, .status, .never, mendedBy: .caller,
                meaning: "This caller has sent another request with this `idempotency-key`: another operation, "
                    + "account or body. Nothing was sent to Zoom.",
                action: "Use a new key for each change, also for a corrected one. Repeat a request with exactly the "
                    + "same content.")
        case .idempotencyKeyInUse:
            ProblemExplanation(
                "Request in progress", 409, .status, .afterRetryAfter, mendedBy: [],
                meaning: "The first request with this `idempotency-key` is still running. A key in use cannot be "
                    + "removed either.",
                action: "Repeat the request with the same key. It gets the answer of the first one when that has "
                    + "ended.")
        case .idempotencyKeyNotFound:
            ProblemExplanation(
                "Idempotency key not found", 404, .status, .never, mendedBy: .caller,
                meaning: "This caller has no request with this `idempotency-key`. The key was never used, its time is "
                    + "over (24 hours, `idempotency.window`), or it was removed.",
                action: "Check the key, and that the token is the one that sent the change. If the key is too old, "
                    + "read the account to see the effect of the change.")
        case .accountBusy:
            ProblemExplanation(
                "Another change in progress", 409, .status, .afterRetryAfter, mendedBy: [],
                meaning: "Another change of the same account is running, and changes of one account are made one "
                    + "after another. This change was not sent to Zoom.",
                action: "Repeat the request with the same `idempotency-key`. Send the changes of one account one "
                    + "after another.")
        case .preconditionFailed:
            ProblemExplanation(
                "Precondition failed", 412, .status, .never, mendedBy: .caller,
                meaning: "The account has changed since the state that `if-match` or `if-unmodified-since` names. "
                    + "Nothing was sent to Zoom.",
                action: "Read the account again, decide whether the change is still right, and send it with the new "
                    + "`etag`.")
        case .preconditionRequired:
            ProblemExplanation(
                "Precondition required", 428, .status, .never, mendedBy: .caller,
                meaning: "The service is configured to refuse changes of billing information without a precondition "
                    + "(`writes.require-if-match`). Nothing was sent to Zoom.",
                action: "Read the billing information, and send its `etag` as `if-match`.")
        case .planRules:
            ProblemExplanation(
                "Not possible now", 400, .zoom(2100), .never, mendedBy: .caller,
                meaning: "The present plans of the account do not permit this change. `errors` names each rule. "
                    + "Nothing was sent to Zoom.",
                action: "Read the plans of the account, and correct the change: for example, buy a base plan before "
                    + "an additional plan. `dry_run=true` checks a change without making it.")
        case .zoomRefused:
            ProblemExplanation(
                "Zoom refused the change", 400, .passedOn, .never, mendedBy: .caller,
                meaning: "Zoom has checked the change and refused it. `code` and `message` are Zoom's. The change was "
                    + "not made.",
                action: "Correct the change as `message` says, and send it with a new `idempotency-key`. The old key "
                    + "gets the same refusal again.")
        case .zoomNotFound:
            ProblemExplanation(
                "Not found", 404, .passedOn, .never, mendedBy: .caller,
                meaning: "Zoom has no such plan or subscription of the account. `code` and `message` are Zoom's. The "
                    + "change was not made.",
                action: "Read the plans of the account. Send the corrected change with a new `idempotency-key`.")
        case .outcomeUnknown:
            ProblemExplanation(
                "Outcome unknown", 504, .status, .withBackOff, mendedBy: .caller,
                meaning: "The change may have reached Zoom, and no answer says whether it took effect. The service "
                    + "does not send it a second time by itself.",
                action: "Repeat the request with the same `idempotency-key`: the service reads the account, and "
                    + "answers with success if the change is visible. Zoom can need some minutes. Or read the path in "
                    + "`look_at` with `cache-control: no-cache`. If the change was not made, remove the key with "
                    + "`DELETE /v2/billing/idempotency-keys/{key}` and send the change again. Never use a new key "
                    + "before you know: the change could be made twice.")
        case .stateUnavailable:
            ProblemExplanation(
                "Unavailable", 503, .status, .afterRetryAfter, mendedBy: .operator,
                meaning: "The service cannot record the `idempotency-key`, so it did not send the change to Zoom. The "
                    + "disk of `state.file` is full or broken, or Redis (`state.url`) does not answer. Reads still "
                    + "work.",
                action: "Repeat the request with the same key. If it lasts longer than a minute, the operator should "
                    + "look at `/readyz?verbose`.")
        case .stateNotDurable:
            ProblemExplanation(
                "Unavailable", 503, .status, .afterRetryAfter, mendedBy: .operator,
                meaning: "`writes.require-durable` is set, and the store of the keys cannot promise that a key "
                    + "survives a failure. The change was not sent to Zoom.",
                action: "The operator should look at `/readyz?verbose`, which names what the store lacks. Changes "
                    + "work again when the store is durable.")

        case .rateLimit:
            ProblemExplanation(
                "Too many requests", 429, .status, .afterRetryAfter, mendedBy: [.caller, .operator],
                meaning: "The request would wait longer for Zoom's rate limit than it may: `zoom.wait` (10 seconds), "
                    + "or the seconds of `prefer: wait`. Nothing was sent to Zoom.",
                action: "Read many accounts with one stream instead of single requests. Accept cached answers: leave "
                    + "out `cache-control: no-cache`. The operator can raise `cache.ttl` or `zoom.rate-share`, or buy "
                    + "a larger Zoom plan.")
        case .dailyRateLimit:
            ProblemExplanation(
                "Too many requests", 429, .status, .afterRetryAfter, mendedBy: .operator,
                meaning: "Zoom's daily quota is used up, or its rest is reserved for single lookups. The quota begins "
                    + "again at midnight UTC. Cached answers are still available.",
                action: "Wait until `retry-after`, or accept older answers with `cache-control: max-stale`. If it "
                    + "happens every day, read fewer accounts, or raise `cache.ttl`.")
        case .accountRateLimit:
            ProblemExplanation(
                "Too many requests", 429, .status, .afterRetryAfter, mendedBy: .caller,
                meaning: "Zoom permits few calls of this operation for one account: `detail` has the numbers. The "
                    + "service did not send the request to Zoom.",
                action: "Leave out `cache-control: no-cache`, so that the cached answer is used. Request the invoices "
                    + "of an account rarely, for a long period at once.")

        case .zoomCredentials:
            ProblemExplanation(
                "Zoom refused the service", 502, .zoom(4700), .onceMended,
                mendedBy: [.operator, .zoomAdministrator],
                meaning: "Zoom refuses the client id or the client secret of the service, or the Zoom app is "
                    + "deactivated. All accounts of this master account fail.",
                action: "Tell the operator. The operator compares the credentials file with the Zoom app, and replaces "
                    + "a rotated secret with `billing-service credentials`. The service needs no restart.")
        case .zoomPermission:
            ProblemExplanation(
                "Zoom refused the operation", 502, .zoom(4711), .onceMended, mendedBy: .zoomAdministrator,
                meaning: "The Zoom app of the service lacks a scope that the operation needs. `detail` names the "
                    + "scopes of which one is enough. The scopes of the caller are not involved.",
                action:
                    "Tell the operator, who adds the scope to the app in Zoom's marketplace. New access tokens then "
                    + "have it.")
        case .zoomFailed:
            ProblemExplanation(
                "Zoom failed", 502, .status, .withBackOff, mendedBy: .zoom,
                meaning: "Zoom answered with an error or with an unusable answer, also after the retries of the "
                    + "service (`zoom.retry-time`). A change was not made.",
                action: "Repeat the request. If only one account fails, report its id and `x-request-id` to the "
                    + "operator, whose log has Zoom's answer.")
        case .zoomUnavailable:
            ProblemExplanation(
                "Unavailable", 503, .status, .afterRetryAfter, mendedBy: .zoom,
                meaning: "Zoom failed repeatedly, so the service sends it no requests for a while. Cached answers are "
                    + "still available.",
                action: "Wait for `retry-after`, or accept older answers with `cache-control: max-stale`. If it lasts, "
                    + "look at Zoom's status page.")
        case .zoomTimedOut:
            ProblemExplanation(
                "Zoom timed out", 504, .status, .withBackOff, mendedBy: .zoom,
                meaning: "Zoom did not answer in time (`zoom.timeout`, 10 seconds). A change was not sent.",
                action: "Repeat the request. `prefer: wait=1` shortens the wait of a program that has an alternative.")
        case .zoomAnswerTooLarge:
            ProblemExplanation(
                "Zoom's answer is too large", 502, .status, .onceMended, mendedBy: .operator,
                meaning: "Zoom's answer is larger than the limit of the service, which `detail` names. The limit "
                    + "protects the memory of the service.",
                action: "Tell the operator, who can raise `zoom.answer-max-bytes`. For invoices, request a shorter "
                    + "period.")
        case .zoomAccountList:
            ProblemExplanation(
                "Zoom's account list is unusable", 502, .status, .withBackOff, mendedBy: .zoom,
                meaning: "Zoom's list of sub accounts does not end, or changes while it is read. A list that might "
                    + "lack accounts is not used.",
                action: "Repeat the request after some minutes. Chosen accounts (`POST /v2/billing/stream`) do not "
                    + "need the list.")
        case .zoomInvoiceFile:
            ProblemExplanation(
                "Zoom's invoice file is unusable", 502, .status, .withBackOff, mendedBy: .zoom,
                meaning: "Zoom answered with something that is not a PDF file, or with a compressed file. `detail` "
                    + "says which.",
                action: "Repeat the request. If the same invoice fails again, report its id and `x-request-id` to the "
                    + "operator.")
        case .zoomInvoiceRedirect:
            ProblemExplanation(
                "Zoom's invoice file is unusable", 502, .status, .onceMended, mendedBy: .operator,
                meaning: "Zoom redirects the download of an invoice file. The address is not allowed or does not "
                    + "answer; `detail` says which.",
                action: "Tell the operator, who can add the host to `zoom.invoice-download-hosts` if it is Zoom's.")

        case .overloaded:
            ProblemExplanation(
                "Unavailable", 503, .status, .afterRetryAfter, mendedBy: .operator,
                meaning: "The service has too many requests in flight (`http.limits.requests-in-flight`) or too many "
                    + "buffered bytes (`http.limits.buffers-total`). The request was not processed.",
                action: "Repeat the request, with fewer at a time. The operator can look for clients that read "
                    + "slowly, or add replicas.")
        case .shuttingDown:
            ProblemExplanation(
                "Unavailable", 503, .status, .afterRetryAfter, mendedBy: [],
                meaning: "This replica is shutting down, as in a rollout. A change was not sent.",
                action: "Repeat the request: a balancer sends it to another replica. Resume a stream with `?after=`.")
        case .timedOut:
            ProblemExplanation(
                "Timed out", 504, .status, .withBackOff, mendedBy: .operator,
                meaning: "The answer was not ready in time (`http.timeouts.request`, 30 seconds). A change may still "
                    + "be running.",
                action: "Repeat the request; a change with the same `idempotency-key`. If it happens often, the "
                    + "operator should compare the settings of timeouts, and look at the latency of Zoom.")
        }
    }
}

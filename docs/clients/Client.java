import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Look up accounts, read the stream of all accounts, and change the city of one. Needs Java 17 and Gson.
 *
 * <pre>BASE=http://127.0.0.1:8080 TOKEN=bst_... java -cp gson.jar Client.java ACCOUNT...</pre>
 */
class Client {
    static final int ATTEMPTS = 8;
    static final HttpClient CLIENT = HttpClient.newHttpClient();

    /** An error answer: problem details (RFC 9457) with Zoom's code and message. */
    static class Problem extends IOException {
        final int code;

        Problem(HttpResponse<Stream<String>> answer) {
            this(object(answer), answer.headers().firstValue("x-request-id").orElse(""));
        }

        private Problem(JsonObject details, String requestID) {
            super(details + " (request " + requestID + ")");
            code = details.get("code").getAsInt();
        }
    }

    /** Sends a read, or a change with a key: both may be repeated. The lines of the body are read later. */
    static HttpResponse<Stream<String>> send(String method, String path, String body, String... fields)
            throws IOException, InterruptedException {
        var request = HttpRequest.newBuilder(URI.create(System.getenv("BASE") + path))
                .method(method, body.isEmpty() ? BodyPublishers.noBody() : BodyPublishers.ofString(body))
                .header("authorization", "Bearer " + System.getenv("TOKEN"));
        if (fields.length > 0) request.headers(fields);
        for (int attempt = 1;; attempt++) {
            double seconds = 0.1 * Math.pow(2, attempt);
            IOException failure;
            try {
                var answer = CLIENT.send(request.build(), BodyHandlers.ofLines());
                if (answer.statusCode() < 300 || answer.statusCode() == 304) return answer;
                failure = new Problem(answer);
                var otherwise = answer.statusCode() == 504 ? seconds : Double.POSITIVE_INFINITY;
                seconds = answer.headers().firstValue("retry-after").map(Double::valueOf).orElse(otherwise);
            } catch (IOException broken) {
                failure = broken;
            }
            if (seconds > 60 || attempt == ATTEMPTS) throw failure;
            System.err.println(failure.getMessage() + ": retry in " + seconds + " s");
            Thread.sleep((long) (seconds * 1000));
        }
    }

    static JsonObject object(HttpResponse<Stream<String>> answer) {
        return JsonParser.parseString(answer.body().collect(Collectors.joining())).getAsJsonObject();
    }

    /** Uses the line of each account. After a broken connection, it continues after the last account. */
    static void stream(Consumer<JsonObject> use) throws IOException, InterruptedException {
        var after = "";
        for (int part = 0; part < 20; part++) {
            try (var lines = send("GET", "/v2/billing/stream" + after, "").body()) {
                for (var each = lines.iterator(); each.hasNext();) {
                    var line = JsonParser.parseString(each.next()).getAsJsonObject();
                    if (line.get("type").getAsString().equals("end")) return;
                    if (!line.has("account_id")) continue;
                    after = "?after=" + encoded(line.get("account_id").getAsString());
                    use.accept(line);
                }
            } catch (UncheckedIOException | com.google.gson.JsonParseException broken) {
                // Only the line `end` makes a stream complete.
            }
            System.err.println("the stream broke: continue with " + after);
        }
        throw new IOException("the stream is incomplete");
    }

    static String encoded(String account) {
        return URLEncoder.encode(account, StandardCharsets.UTF_8);
    }

    public static void main(String[] accounts) throws Exception {
        String path = "", etag = "";
        for (var account : accounts) {
            path = "/v2/accounts/" + encoded(account) + "/billing";
            try {
                var answer = send("GET", path, "");
                var city = object(answer).get("city").getAsString();
                etag = answer.headers().firstValue("etag").orElseThrow();
                var again = send("GET", path, "", "if-none-match", etag);
                System.out.println(city + ", then " + again.statusCode()); // 304: it has not changed
            } catch (Problem problem) {
                if (problem.code != 2100) throw problem;
                System.out.println("pays for itself");
            }
        }
        Map<String, Integer> counts = new HashMap<>(Map.of("contact", 0, "failure", 0));
        stream(line -> counts.merge(line.get("type").getAsString(), 1, Integer::sum));
        System.out.println(counts.get("contact") + " contacts, " + counts.get("failure") + " failures");

        // The change of the last contact is refused (412) if it has changed since it was read.
        var city = "{\"city\": \"Berkeley\"}";
        var check = object(send("PATCH", path + "?dry_run=true", city,
                "content-type", "application/json", "if-match", etag));
        for (var change : check.getAsJsonArray("changes")) {
            var field = change.getAsJsonObject();
            System.out.println("dry run: " + field.get("field").getAsString() + " " + field.get("from").getAsString()
                    + " -> " + field.get("to").getAsString());
        }
        // Store the key before you send the change. With the same key it is made once, however often it is sent.
        var key = "\"" + UUID.randomUUID() + "\"";
        var changed = send("PATCH", path, city,
                "content-type", "application/json", "if-match", etag, "idempotency-key", key);
        System.out.println("changed: " + changed.statusCode());
    }
}

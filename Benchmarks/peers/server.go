// Answers one path from a map after a check of the caller's token, over HTTP/2 in clear text or TLS.
package main

import (
	"crypto/sha256"
	"log"
	"net/http"
	"os"
	"strings"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/h2c"
)

func main() {
	address, path, body, token := os.Args[1], os.Args[2], []byte(os.Args[3]), os.Args[4]
	known := map[[32]byte]bool{sha256.Sum256([]byte(token)): true}
	answers := map[string][]byte{path: body}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown := strings.TrimPrefix(r.Header.Get("authorization"), "Bearer ")
		answer, found := answers[r.URL.Path]
		switch {
		case !known[sha256.Sum256([]byte(shown))]:
			w.WriteHeader(401)
		case !found:
			w.WriteHeader(404)
		default:
			w.Header().Set("content-type", "application/json")
			w.Write(answer)
		}
	})
	if len(os.Args) > 6 {
		log.Fatal(http.ListenAndServeTLS(address, os.Args[5], os.Args[6], handler))
	}
	log.Fatal(http.ListenAndServe(address, h2c.NewHandler(handler, &http2.Server{MaxConcurrentStreams: 128})))
}

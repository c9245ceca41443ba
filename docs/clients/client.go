// Look up accounts, read the stream of all accounts, and change the city of one.
//
//	BASE=http://127.0.0.1:8080 TOKEN=bst_... go run client.go ACCOUNT...
package main

import (
	"bufio"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

const attempts = 8

// Problem is an error answer: problem details (RFC 9457) with Zoom's code and message.
type Problem struct {
	Status, Code                  int
	Title, Message, Type, Request string
}

func (p *Problem) Error() string { return fmt.Sprintf("%+v", *p) }

// send sends a read, or a change with a key: both may be repeated. The caller closes the body.
func send(method, path, body string, fields map[string]string) (*http.Response, error) {
	for attempt := 1; ; attempt++ {
		request, err := http.NewRequest(method, os.Getenv("BASE")+path, strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		request.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
		for name, value := range fields {
			request.Header.Set(name, value)
		}
		seconds := 0.1 * math.Pow(2, float64(attempt))
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			if answer.StatusCode < 300 || answer.StatusCode == 304 {
				return answer, nil
			}
			problem := &Problem{Request: answer.Header.Get("X-Request-Id")}
			json.NewDecoder(answer.Body).Decode(problem)
			answer.Body.Close()
			err = problem
			if after, e := strconv.ParseFloat(answer.Header.Get("Retry-After"), 64); e == nil {
				seconds = after
			} else if answer.StatusCode != 504 {
				seconds = math.Inf(1)
			}
		}
		if seconds > 60 || attempt == attempts {
			return nil, err
		}
		fmt.Fprintf(os.Stderr, "%v: retry in %v s\n", err, seconds)
		time.Sleep(time.Duration(seconds * float64(time.Second)))
	}
}

// stream calls use with each line of an account. After a broken connection, it continues after the last account.
func stream(use func(kind, account string)) error {
	after := url.Values{}
	for range [20]int{} {
		answer, err := send("GET", "/v2/billing/stream?"+after.Encode(), "", nil)
		if err != nil {
			return err
		}
		lines := bufio.NewScanner(answer.Body)
		lines.Buffer(nil, 1<<24)
		for lines.Scan() {
			var line struct {
				Type    string
				Account string `json:"account_id"`
			}
			if json.Unmarshal(lines.Bytes(), &line) != nil {
				break // The connection broke within a line.
			}
			if line.Type == "end" { // Only this line makes a stream complete.
				return answer.Body.Close()
			}
			if line.Account != "" {
				after.Set("after", line.Account)
				use(line.Type, line.Account)
			}
		}
		answer.Body.Close()
		fmt.Fprintln(os.Stderr, "the stream broke: continue with", after)
	}
	return errors.New("the stream is incomplete")
}

func run(accounts []string) error {
	var path, etag string
	for _, account := range accounts {
		path = "/v2/accounts/" + url.PathEscape(account) + "/billing"
		answer, err := send("GET", path, "", nil)
		var problem *Problem
		if errors.As(err, &problem) && problem.Code == 2100 {
			fmt.Println("pays for itself")
			continue
		} else if err != nil {
			return err
		}
		var contact struct{ City string }
		if err := read(answer, &contact); err != nil {
			return err
		}
		etag = answer.Header.Get("ETag")
		again, err := send("GET", path, "", map[string]string{"If-None-Match": etag})
		if err != nil {
			return err
		}
		again.Body.Close()
		fmt.Printf("%s, then %d\n", contact.City, again.StatusCode) // 304: it has not changed
	}
	counts := map[string]int{}
	if err := stream(func(kind, _ string) { counts[kind]++ }); err != nil {
		return err
	}
	fmt.Printf("%d contacts, %d failures\n", counts["contact"], counts["failure"])
	return change(path, etag, `{"city": "Berkeley"}`)
}

// change changes a contact once, unless it has changed since it was read (412).
func change(path, etag, body string) error {
	fields := map[string]string{"Content-Type": "application/json", "If-Match": etag}
	answer, err := send("PATCH", path+"?dry_run=true", body, fields)
	if err != nil {
		return err
	}
	var dry struct {
		Changes []struct{ Field, From, To string }
	}
	if err := read(answer, &dry); err != nil {
		return err
	}
	for _, change := range dry.Changes {
		fmt.Printf("dry run: %s %s -> %s\n", change.Field, change.From, change.To)
	}
	// Store the key before you send the change. With the same key it is made once, however often it is sent.
	key := make([]byte, 16)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	fields["Idempotency-Key"] = fmt.Sprintf(`"%x"`, key)
	if answer, err = send("PATCH", path, body, fields); err != nil {
		return err
	}
	fmt.Println("changed:", answer.StatusCode)
	return answer.Body.Close()
}

func read(answer *http.Response, into any) error {
	defer answer.Body.Close()
	defer io.Copy(io.Discard, answer.Body)
	return json.NewDecoder(answer.Body).Decode(into)
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

package web_test

import (
	"net/http"
	"strings"
	"testing"

	"ipcmq/cmd/internal/web"
	"ipcmq/internal/testutil"
)

// A web page whose name leads to this host has its name in Host; a page from elsewhere
// shows in Origin and Sec-Fetch-Site. Even with the token neither gets anything.
func TestOtherPagesGetNothing(t *testing.T) {
	testutil.NeedNamespace(t)
	newSysV(t, 42, 0)
	s := serve(t, web.Config{Hosts: []string{"queues.example"}})
	port := s.url[strings.LastIndexByte(s.url, ':'):]
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"a program":               {nil, 200},
		"the page":                {[]string{"Origin", s.url, "Sec-Fetch-Site", "same-origin"}, 200},
		"another name":            {[]string{"Host", "evil.example"}, 403},
		"another name with port":  {[]string{"Host", "evil.example" + port}, 403},
		"a name like an address":  {[]string{"Host", "127.0.0.1.evil.example"}, 403},
		"a name like localhost":   {[]string{"Host", "localhost.evil.example" + port}, 403},
		"a name with an @":        {[]string{"Host", "127.0.0.1@evil.example"}, 403},
		"localhost":               {[]string{"Host", "localhost:8080"}, 200},
		"IPv6":                    {[]string{"Host", "[::1]" + port}, 200},
		"IPv6 without port":       {[]string{"Host", "[::1]"}, 200},
		"an allowed name":         {[]string{"Host", "Queues.Example"}, 200},
		"behind TLS":              {[]string{"Host", "queues.example", "Origin", "https://queues.example"}, 200},
		"another origin":          {[]string{"Origin", "https://evil.example"}, 403},
		"another port":            {[]string{"Origin", "http://127.0.0.1:1"}, 403},
		"no origin":               {[]string{"Origin", "null"}, 403},
		"a file":                  {[]string{"Origin", "file://"}, 403},
		"a page elsewhere":        {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors"}, 403},
		"another port, same site": {[]string{"Sec-Fetch-Site", "same-site", "Sec-Fetch-Mode", "cors"}, 403},
		"a link to the data":      {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 403},
	} {
		var v any
		for _, path := range []string{"/api/messages?at=42"} {
			if status, problem := s.get(t, path, &v, c.headers...); status != c.status {
				t.Errorf("%s: %s: %d %s", name, path, status, problem)
			}
		}
	}
}

// The page itself shows nothing without the token, so links may lead to it; but it must
// not be shown in a frame, or be part of another page.
func TestThePageCannotBeUsedByAnother(t *testing.T) {
	s := serve(t, web.Config{})
	for name, c := range map[string]struct {
		headers []string
		status  int
	}{
		"a link":         {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"}, 200},
		"a frame":        {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "iframe"}, 403},
		"a script":       {[]string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "script"}, 403},
		"a rebound name": {[]string{"Host", "evil.example"}, 403},
	} {
		resp, err := http.DefaultClient.Do(s.request(t, "GET", "/", c.headers...))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s: %s", name, resp.Status)
		}
		h := resp.Header
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "require-trusted-types-for 'script'", "trusted-types 'none'", "form-action 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy lacks %s: %s", name, want, policy)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") || strings.Contains(policy, "http") {
			t.Errorf("%s: the policy: %s", name, policy)
		}
		if h.Get("Access-Control-Allow-Origin") != "" || h.Get("Set-Cookie") != "" || h.Get("Cross-Origin-Resource-Policy") != "same-origin" ||
			h.Get("X-Content-Type-Options") != "nosniff" || h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", name, h)
		}
	}
}

// Without the token only the files of the page are available.
func TestTheTokenIsNeeded(t *testing.T) {
	testutil.NeedNamespace(t)
	newSysV(t, 42, 0)
	s := serve(t, web.Config{})
	for _, path := range []string{"/api/queues", "/api/queue?at=42", "/api/messages?at=42", "/api/message?at=42&index=0"} {
		for _, authorization := range []string{"", "Bearer", "Bearer ", "Bearer " + s.token[1:], "Bearer " + s.token + "x", "Basic " + s.token, s.token} {
			if status, problem := s.get(t, path, nil, "Authorization", authorization); status != http.StatusUnauthorized {
				t.Errorf("%s with %q: %d %s", path, authorization, status, problem)
			}
		}
		if status, _ := s.get(t, strings.Replace(path+"?", "?", "?token="+s.token+"&", 1), nil, "Authorization", ""); status != http.StatusUnauthorized {
			t.Errorf("%s takes the token from the URL: %d", path, status)
		}
	}
	if other := serve(t, web.Config{}); other.token == s.token {
		t.Error("two servers have one token")
	}
}

func TestNothingCanBeChanged(t *testing.T) {
	s := serve(t, web.Config{})
	for _, method := range []string{"POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "BREW"} {
		resp, err := http.DefaultClient.Do(s.request(t, method, "/api/queues"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed || resp.Header.Get("Allow") != "GET" || resp.Header.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%s: %s, %v", method, resp.Status, resp.Header)
		}
	}
}

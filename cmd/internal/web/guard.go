package web

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// policy limits the page to its own files and to requests to this server. Text can
// become neither script nor markup, whatever the script of the page does with it.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// guard lets through only requests of this server's own page. The checks are about
// browsers, which any page on the web can cause to send requests:
//
//   - An attacker's name may lead to this host (DNS rebinding); it then is in Host.
//   - Another origin is in Origin; Sec-Fetch-Site is what the browser knows about it.
//   - No page may frame this one, or read its data.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(s.config.WriteTimeout)) // connections support deadlines
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Embedder-Policy", "require-corp")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		h.Set("Cache-Control", "no-store")
		switch {
		case r.Method != http.MethodGet:
			h.Set("Allow", "GET")
			refuse(w, http.StatusMethodNotAllowed, "this server only allows GET")
		case !s.isHost(r.Host):
			refuse(w, http.StatusForbidden, "this server is not known by that name: use its address, or localhost, or allow the name with --host")
		case !sameOrigin(r):
			refuse(w, http.StatusForbidden, "pages of other origins may not use this server")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// isHost reports whether a Host header can only refer to this server: nobody else
// decides where an IP address leads.
func (s *Server) isHost(header string) bool {
	name := header
	if host, _, err := net.SplitHostPort(header); err == nil {
		name = host
	}
	name = strings.ToLower(name)
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil || name == "localhost" {
		return true
	}
	return slices.ContainsFunc(s.config.Hosts, func(h string) bool { return strings.EqualFold(h, name) })
}

// sameOrigin reports whether a request comes from a page of this server, or from no page:
// from a user who opens the URL, or a program. Links on other pages may lead to the page
// itself, which shows nothing without the token.
func sameOrigin(r *http.Request) bool {
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || !strings.EqualFold(u.Host, r.Host) {
			return false
		}
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
		return true
	}
	return r.URL.Path == "/" && r.Header.Get("Sec-Fetch-Mode") == "navigate" && r.Header.Get("Sec-Fetch-Dest") == "document"
}

// withToken lets through requests with the token. It is in a header that only scripts
// can set, and scripts of other origins only with a permission that this server never
// grants.
func (s *Server) withToken(next http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(token), []byte(s.token)) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			refuse(w, http.StatusUnauthorized, "the token is missing or wrong: open the URL that ipcmq web printed")
			return
		}
		next(w, r)
	})
}

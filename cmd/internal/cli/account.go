package cli

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/nats.go"
)

// A natsAccount holds the addresses of NATS servers and the credentials for them, as
// in the context files of the nats command.
type natsAccount struct {
	URL       string `json:"url"`
	User      string `json:"user"`
	Password  string `json:"password"`
	Token     string `json:"token"`
	Creds     string `json:"creds"`
	NKey      string `json:"nkey"`
	Cert      string `json:"cert"`
	Key       string `json:"key"`
	CA        string `json:"ca"`
	Domain    string `json:"jetstream_domain"`
	APIPrefix string `json:"jetstream_api_prefix"`
}

// accountHelp explains where the account comes from.
const accountHelp = `Queues on JetStream are at the server of --server, of $NATS_URL, or else at
nats://127.0.0.1:4222. A URL may contain user and password; otherwise these variables
give the credentials, as for the nats command:
  NATS_USER, NATS_PASSWORD      a user, or a token if there is no password
  NATS_CREDS, NATS_NKEY         files with credentials, or the seed of an nkey
  NATS_CA, NATS_CERT, NATS_KEY  files for TLS
  NATS_CONTEXT                  a context saved by the nats command, for all of these`

// accountOf reads the account from the environment: from the variables, and what they
// leave out from the context.
func accountOf(env func(string) string) (natsAccount, error) {
	var a natsAccount
	if name := env("NATS_CONTEXT"); name != "" {
		config := env("XDG_CONFIG_HOME")
		if config == "" {
			config = filepath.Join(env("HOME"), ".config")
		}
		if err := a.read(filepath.Join(config, "nats", "context", name+".json")); err != nil {
			return a, usagef("NATS_CONTEXT=%s: %w", name, err)
		}
	}
	if env("NATS_CREDS") != "" || env("NATS_NKEY") != "" || env("NATS_USER") != "" { // another user
		a.User, a.Password, a.Token, a.Creds, a.NKey = "", "", "", "", ""
	}
	for name, value := range map[string]*string{
		"NATS_URL": &a.URL, "NATS_USER": &a.User, "NATS_PASSWORD": &a.Password, "NATS_CREDS": &a.Creds, "NATS_NKEY": &a.NKey,
		"NATS_CERT": &a.Cert, "NATS_KEY": &a.Key, "NATS_CA": &a.CA,
	} {
		*value = cmp.Or(env(name), *value)
	}
	a.URL = cmp.Or(a.URL, nats.DefaultURL)
	if (a.Cert == "") != (a.Key == "") {
		return a, usagef("NATS_CERT and NATS_KEY go together")
	}
	return a, nil
}

// read reads the file of a context. It refuses settings that ipcmq does not know:
// without them the connection would be a different one.
func (a *natsAccount) read(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var all map[string]any
	if err := cmp.Or(json.Unmarshal(text, &all), json.Unmarshal(text, a)); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, key := range []string{"inbox_prefix", "user_jwt", "user_seed", "socks_proxy", "tls_first", "nsc"} {
		if value := all[key]; value != nil && value != "" && value != false {
			return fmt.Errorf("%s: ipcmq does not support its %s", file, key)
		}
	}
	return nil
}

// options returns how to log in. Credentials in the URL take precedence.
func (a *natsAccount) options() (opts []nats.Option, err error) {
	for _, file := range []string{a.Creds, a.NKey, a.Cert, a.Key, a.CA} {
		if file == "" {
			continue
		}
		f, err := os.Open(file)
		if err != nil {
			return nil, usageError{err}
		}
		f.Close()
	}
	add := func(value string, option func() nats.Option) {
		if value != "" {
			opts = append(opts, option())
		}
	}
	inURL := strings.Contains(a.URL, "@")
	switch {
	case inURL:
	case a.Creds != "":
		opts = append(opts, nats.UserCredentials(a.Creds))
	case a.NKey != "":
		option, err := nats.NkeyOptionFromSeed(a.NKey)
		if err != nil {
			return nil, usagef("the nkey in %s: %w", a.NKey, err)
		}
		opts = append(opts, option)
	case a.User != "" && a.Password != "":
		opts = append(opts, nats.UserInfo(a.User, a.Password))
	default:
		add(cmp.Or(a.Token, a.User), func() nats.Option { return nats.Token(cmp.Or(a.Token, a.User)) })
	}
	add(a.CA, func() nats.Option { return nats.RootCAs(a.CA) })
	add(a.Cert, func() nats.Option { return nats.ClientCert(a.Cert, a.Key) })
	return opts, nil
}

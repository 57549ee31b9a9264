package route

import (
	"encoding/base32"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"causeway/exposer"
	"causeway/internal/safefile"
)

// keys are the tunnels' pre-shared keys: where each is, and what it says. They
// are read at the moment they are sent, and never kept or shown.
type keys struct {
	from   exposer.Secrets
	peer   string
	getenv func(string) string
	random io.Reader
}

func (x *exposure) keys() keys {
	return keys{from: x.spec.Route.VPN.Secrets, peer: x.spec.Route.VPN.Peer, getenv: x.deps.Getenv, random: x.deps.Rand}
}

// key is the one that a tunnel is made with; none is read or made for a rehearsal.
func (x *exposure) key(t tunnel) (string, error) {
	if x.rehearsing {
		return "(not shown)", nil
	}
	return x.keys().take(t)
}

var (
	// What Google takes: printable ASCII (gcloud compute vpn-tunnels create).
	googleKey = regexp.MustCompile(`^[ -~]+$`)
	// What AWS takes (its CreateVpnConnection's PreSharedKey).
	awsKey = regexp.MustCompile(`^[A-Za-z1-9._][A-Za-z0-9._]{7,63}$`)
)

// where names a tunnel's key for people: a file or a variable.
func (k keys) where(t tunnel) string {
	switch {
	case len(k.from.Files) == 1:
		return "from file " + k.from.Files[0]
	case len(k.from.Files) > t.index:
		return "from file " + k.from.Files[t.index]
	case k.from.Env != "":
		return "from the variable " + k.variable(t)
	case k.from.Directory != "":
		return t.ref.Name + ".psk in the directory of keys, made where it is missing"
	}
	return "from nowhere"
}

func (k keys) path(t tunnel) string {
	return filepath.Join(k.from.Directory, t.ref.Name+".psk")
}

// variable is NAME_0 for the first tunnel where that is set, else NAME.
func (k keys) variable(t tunnel) string {
	if own := fmt.Sprintf("%s_%d", k.from.Env, t.index); k.getenv(own) != "" {
		return own
	}
	return k.from.Env
}

// read returns a tunnel's key, "" where a directory has none yet.
func (k keys) read(t tunnel) (string, error) {
	var text []byte
	var err error
	switch {
	case len(k.from.Files) == 1:
		text, err = os.ReadFile(k.from.Files[0])
	case len(k.from.Files) > t.index:
		text, err = os.ReadFile(k.from.Files[t.index])
	case k.from.Env != "":
		if text = []byte(k.getenv(k.variable(t))); len(text) == 0 {
			err = errors.New("the variable " + k.variable(t) + " is empty")
		}
	case k.from.Directory != "":
		text, err = os.ReadFile(k.path(t))
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
	default:
		err = errors.New("no source of pre-shared keys is named")
	}
	if err != nil {
		return "", &exposer.RunError{Code_: "CW-VPN-KEY", Text: "read the pre-shared key of tunnel " + t.ref.Name, Err: err}
	}
	key := strings.TrimRight(string(text), "\r\n")
	form, rule := googleKey, "printable ASCII characters on one line"
	if k.peer == exposer.PeerAWS {
		form, rule = awsKey, "8 to 64 letters, digits, dots and underscores, the first no zero, as AWS demands"
	}
	if !form.MatchString(key) {
		return "", refusal("CW-VPN-KEY", "read the pre-shared key of tunnel %s (%s): it must be %s", t.ref.Name, k.where(t), rule)
	}
	return key, nil
}

// keyBytes is the length of a key that causeway makes: 160 bits, 32 characters in
// base32, whose alphabet every gateway takes.
const keyBytes = 20

// take reads a tunnel's key, and makes it where a directory has none: 0600.
func (k keys) take(t tunnel) (string, error) {
	key, err := k.read(t)
	if err != nil || key != "" {
		return key, err
	}
	random := make([]byte, keyBytes)
	if _, err := io.ReadFull(k.random, random); err != nil {
		return "", fmt.Errorf("make the pre-shared key of tunnel %s: %w", t.ref.Name, err)
	}
	key = base32.StdEncoding.EncodeToString(random)
	if err := os.MkdirAll(k.from.Directory, 0o700); err != nil {
		return "", &exposer.RunError{Code_: "CW-VPN-KEY", Text: "make the pre-shared key of tunnel " + t.ref.Name, Err: err}
	}
	if err := safefile.Write(k.path(t), []byte(key+"\n")); err != nil {
		return "", &exposer.RunError{Code_: "CW-VPN-KEY", Text: "make the pre-shared key of tunnel " + t.ref.Name, Err: err}
	}
	return key, nil
}

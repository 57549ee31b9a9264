package kubetest

import (
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Tokens that every server knows, unless Options.Tokens names others.
const (
	// GoogleToken stands for a Google access token whose owner is a cluster admin.
	GoogleToken = "ya29.causeway-test-access-token"
	// GoogleUser is the name under which GoogleToken authenticates.
	GoogleUser = "owner@example.com"
	// PlainToken authenticates as PlainUser, who has no rights beyond those of
	// every authenticated user.
	PlainToken = "ya29.causeway-test-plain-token"
	// PlainUser is a user without rights.
	PlainUser = "plain@example.com"
	// AgentToken authenticates as Google's Connect Agent, which has no rights either
	// until a policy lets it impersonate somebody.
	AgentToken = "causeway-test-agent-token"
	// AgentUser is the agent's ServiceAccount.
	AgentUser = "system:serviceaccount:gke-connect:connect-agent-sa"
)

// Token is one line of the API server's token-auth file.
type Token struct {
	Value  string
	User   string
	Groups []string
}

// Options say how the server is to run. The zero value is right for tests.
type Options struct {
	// BinDir holds etcd and kube-apiserver; empty: <cache>/bin (see CacheDir).
	BinDir string
	// Dir keeps keys, data and logs; empty: a new temporary directory, removed by Stop.
	Dir string
	// ServiceCIDR is the range of ClusterIPs; default 10.96.0.0/24.
	ServiceCIDR netip.Prefix
	// Tokens replaces the default tokens. An admin token of the server's own is
	// always added.
	Tokens []Token
	// SANs are more DNS names and addresses for the serving certificate.
	SANs []string
	// MaxTokenLife caps TokenRequests; default 48h, as GKE was seen to do
	// (DataDog/stratus-red-team #163). At least one hour.
	MaxTokenLife time.Duration
	// ExtraArgs are appended to kube-apiserver's arguments.
	ExtraArgs []string
	// StartTimeout bounds the whole start; default 90s (a busy machine).
	StartTimeout time.Duration
	// StopTimeout bounds the wait for each process to end before it is killed;
	// default 5s.
	StopTimeout time.Duration
	// Note takes one line for each thing worth telling; nil: nobody listens.
	Note func(string)
	// Rand makes keys and tokens; default crypto/rand.
	Rand io.Reader
}

// withDefaults fills what the caller left open.
func (o Options) withDefaults() (Options, error) {
	if o.BinDir == "" {
		cache, err := CacheDir(os.Getenv)
		if err != nil {
			return o, err
		}
		o.BinDir = filepath.Join(cache, "bin")
	}
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if _, err := os.Stat(filepath.Join(o.BinDir, name)); err != nil {
			return o, fmt.Errorf("find %s in %s: run `make tools` first: %w", name, o.BinDir, err)
		}
	}
	if !o.ServiceCIDR.IsValid() {
		o.ServiceCIDR = netip.MustParsePrefix("10.96.0.0/24")
	}
	if o.Tokens == nil {
		o.Tokens = []Token{
			{Value: GoogleToken, User: GoogleUser, Groups: []string{"system:masters"}},
			{Value: PlainToken, User: PlainUser},
			{Value: AgentToken, User: AgentUser, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:gke-connect"}},
		}
	}
	if o.MaxTokenLife == 0 {
		o.MaxTokenLife = 48 * time.Hour
	}
	if o.StartTimeout == 0 {
		o.StartTimeout = 90 * time.Second
	}
	if o.StopTimeout == 0 {
		o.StopTimeout = 5 * time.Second
	}
	if o.Note == nil {
		o.Note = func(string) {}
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	return o, nil
}

// CacheDir is where built things lie: $CAUSEWAY_CACHE, else
// $XDG_CACHE_HOME/causeway, else ~/.cache/causeway.
func CacheDir(getenv func(string) string) (string, error) {
	if dir := getenv("CAUSEWAY_CACHE"); dir != "" {
		return dir, nil
	}
	if dir := getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "causeway"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("find cache directory: %w", err)
	}
	return filepath.Join(home, ".cache", "causeway"), nil
}

// freePorts returns n different loopback ports that nobody listens on now.
// Somebody else may take one before it is used: the start tries again then.
func freePorts(n int) ([]int, error) {
	ports := make([]int, 0, n)
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find free port: %w", err)
		}
		defer listener.Close()
		ports = append(ports, listener.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

// tokenFile renders the lines of --token-auth-file: token,user,uid,"groups".
func tokenFile(tokens []Token) string {
	var b strings.Builder
	for i, token := range tokens {
		fmt.Fprintf(&b, "%s,%s,uid-%d,%q\n", token.Value, token.User, i, strings.Join(token.Groups, ","))
	}
	return b.String()
}

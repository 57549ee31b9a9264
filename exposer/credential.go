package exposer

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"causeway/internal/kube"
	"causeway/internal/safefile"
	"causeway/kubeconfig"
)

// Renewal is what causeway needs as the exec plugin of a renewing kubeconfig.
type Renewal struct {
	ExecInfo  string // KUBERNETES_EXEC_INFO, as client-go sets it
	First     string // the token that the kubeconfig came with
	Cert, Key string // with mtls: what the kubeconfig carries of the client's certificate, base64 of PEM
	Namespace string
	Account   string
	TTL       time.Duration
	Dir       string // keeps renewed tokens, 0700
	Now       func() time.Time
	Connect   func(kube.Bearer) (*kube.Client, error)
}

// execInfo is the part of an ExecCredential that clients hand to their plugin.
type execInfo struct {
	APIVersion string `json:"apiVersion"`
	Spec       struct {
		Cluster *struct {
			Server        string `json:"server"`
			TLSServerName string `json:"tls-server-name"`
			CA            []byte `json:"certificate-authority-data"`
		} `json:"cluster"`
	} `json:"spec"`
}

// Credential answers as client.authentication.k8s.io/v1 wants it: the token with
// the most life before it, renewed when less than half of its life is left. It
// can renew as long as one of the tokens is good; when none is, the error has the
// code CW-TOKEN-ENDED and says who must make a new kubeconfig. Whether it is good
// is the cluster's to say: this machine's clock may be wrong by hours.
func (r Renewal) Credential(ctx context.Context) ([]byte, error) {
	var info execInfo
	if err := json.Unmarshal([]byte(r.ExecInfo), &info); err != nil || info.Spec.Cluster == nil {
		return nil, &RunError{Code_: "CW-TOKEN-PLUGIN", Text: "renew token: causeway credential is called by Kubernetes clients, with KUBERNETES_EXEC_INFO"}
	}
	best := lifeOf(r.First)
	path := r.path(info.Spec.Cluster.Server)
	if kept, err := os.ReadFile(path); err == nil {
		if renewed := lifeOf(string(kept)); renewed.Expires.After(best.Expires) {
			best = renewed
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("renew token: %w", err)
	}
	if best.Expires.IsZero() {
		return nil, &RunError{Code_: "CW-TOKEN-PLUGIN", Text: "renew token: the kubeconfig carries none in " + TokenVariable}
	}
	if left := best.Expires.Sub(r.Now()); left < best.Expires.Sub(best.Issued)/2 {
		renewed, err := r.renew(ctx, info, best.Value)
		switch {
		case err == nil:
			best = renewed
			if err := safefile.Write(path, []byte(best.Value)); err != nil {
				return nil, err
			}
		case left <= 0:
			return nil, &RunError{Code_: "CW-TOKEN-ENDED", Err: err,
				Text: fmt.Sprintf("renew token: the last one ended %s ago by this machine's clock", (-left).Round(time.Second))}
		}
		// While the old one lives, a failed renewal is for the next call.
	}
	return json.Marshal(map[string]any{
		"apiVersion": info.APIVersion, "kind": "ExecCredential",
		"status": map[string]any{"token": best.Value, "expirationTimestamp": r.reread(best).UTC().Format(time.RFC3339)},
	})
}

// life is a token with what it says of itself.
type life struct {
	Value           string
	Issued, Expires time.Time
}

// lifeOf reads a token's claims; what is no JWT has ended long ago.
func lifeOf(token string) life {
	claims, _ := kubeconfig.ParseToken(token)
	return life{Value: token, Issued: claims.Issued, Expires: claims.Expires}
}

// reread is when clients should call again: at half of the token's life, or, past
// it, a minute from now; sooner only where the token ends before.
func (r Renewal) reread(token life) time.Time {
	half := token.Issued.Add(token.Expires.Sub(token.Issued) / 2)
	if soon := r.Now().Add(time.Minute); half.Before(soon) {
		half = soon
	}
	if half.After(token.Expires) && token.Expires.After(r.Now()) {
		return token.Expires
	}
	return half
}

// renewBound is for one small request; a client waits for its answer.
const renewBound = 10 * time.Second

func (r Renewal) renew(ctx context.Context, info execInfo, token string) (life, error) {
	cluster := info.Spec.Cluster
	cert, err := base64.StdEncoding.DecodeString(r.Cert)
	key, failed := base64.StdEncoding.DecodeString(r.Key)
	if err != nil || failed != nil {
		return life{}, &RunError{Code_: "CW-TOKEN-PLUGIN", Text: "renew token: what the kubeconfig carries in " + ClientCertVariable + " or " + ClientKeyVariable + " is not base64"}
	}
	client, err := r.Connect(kube.Bearer{Server: cluster.Server, CA: cluster.CA, TLSServerName: cluster.TLSServerName, Token: token, ClientCert: cert, ClientKey: key})
	if err != nil {
		return life{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, renewBound)
	defer cancel()
	made, err := client.Token(ctx, r.Namespace, r.Account, r.TTL)
	if err != nil {
		return life{}, err
	}
	return lifeOf(made.Value), nil
}

// path is the file of the renewed token: one for each server and account.
func (r Renewal) path(server string) string {
	sum := sha256.Sum256([]byte(server + " " + r.Namespace + "/" + r.Account))
	return filepath.Join(r.Dir, "tokens", hex.EncodeToString(sum[:12]))
}

package exposer

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	_ "embed"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"text/template"
	"time"

	"causeway/certs"
)

// Ways to treat what is secret in a handoff.
const (
	SecretsInclude = "include" // the archive itself must then be kept like a password
	SecretsEncrypt = "encrypt" // each secret file is encrypted with the password
	SecretsOmit    = "omit"    // only what anybody may see
)

// iterations of PBKDF2 over SHA-256, as OWASP's password storage advice of 2023
// has it; the page in the archive tells openssl the same number.
const iterations = 600_000

//go:embed handoff.md.tmpl
var handoffPage string

// HandoffOptions say what the archive holds.
type HandoffOptions struct {
	Secrets  string
	Password string // for PKCS#12 and SecretsEncrypt
	Legacy   bool   // PKCS#12 with the ciphers of old tools
	Script   []byte // verify.sh
}

// Profile is the ciphers of the PKCS#12 files.
func (o HandoffOptions) Profile() certs.Profile {
	if o.Legacy {
		return certs.Legacy
	}
	return certs.Modern
}

// Handoff writes one .tar.gz for the far side's engineer: the kubeconfig, the CA,
// PKCS#12 files, verify.sh, and a page that says what to route and to open.
func (j Job) Handoff(ctx context.Context, spec Spec, o HandoffOptions, w io.Writer) error {
	if o.Secrets == SecretsEncrypt && o.Password == "" {
		return &RunError{Code_: "CW-SPEC-INVALID", Text: "hand off: secrets are to be encrypted and there is no password"}
	}
	// The archive leaves this machine: paths of it mean nothing where it goes.
	j.Google.TokenFile = ""
	if spec.ByGoogle() {
		j.Command = "causeway"
	}
	exposure, made, err := j.KubeconfigStanding(ctx, spec)
	if err != nil {
		return err
	}
	endpoint, err := endpointOf(ctx, exposure)
	if err != nil {
		return err
	}
	var half Half
	if far, ok := exposure.(FarHalf); ok {
		if half, err = far.FarHalf(ctx); err != nil {
			return err
		}
	}
	files, err := j.handoffFiles(endpoint, made, half, o)
	if err != nil {
		return err
	}
	page, err := j.page(exposure, endpoint, made, half, files, o)
	if err != nil {
		return err
	}
	files = append([]handoffFile{{name: "README.md", content: page}}, files...)
	return writeArchive(w, "causeway-"+exposure.Spec().Name, files, j.Deps.Now())
}

// handoffFile is one file of the archive.
type handoffFile struct {
	name    string
	content []byte
	about   string
	secret  bool
	sealed  bool // encrypted by itself (PKCS#12)
	mode    int64
}

// Name, About and Secret are for the page.
func (f handoffFile) Name() string  { return f.name }
func (f handoffFile) About() string { return f.about }
func (f handoffFile) Secret() bool  { return f.secret }

// FarHalf is an exposure whose line has a half on the far side, to be configured
// there by hand.
type FarHalf interface {
	FarHalf(ctx context.Context) (Half, error)
}

// Half is the far side's half of a line.
type Half struct {
	Expect []netip.Prefix // that the far side's router learns
	Todo   []string       // what to route, to open and to have; none: the page's own words for a private address
	Files  []HalfFile     // configurations to choose from; no secret is in them
	Top    []HalfFile     // files beside the kubeconfig; no secret is in them
	Keys   []HalfFile     // pre-shared keys, by the names that the configurations use
}

// HalfFile is one file of it.
type HalfFile struct {
	Name    string
	About   string
	Content []byte
}

func (j Job) handoffFiles(endpoint Endpoint, made Made, half Half, o HandoffOptions) ([]handoffFile, error) {
	files := []handoffFile{
		{name: "verify.sh", content: o.Script, about: "proves the way with curl and openssl alone", mode: 0o755},
		{name: "kubeconfig", content: made.Bytes, about: "for kubectl and every Kubernetes client", secret: made.Plugin == ""},
	}
	if len(endpoint.CA) > 0 {
		files = append([]handoffFile{{name: "ca.crt", content: endpoint.CA, about: "what to trust (PEM)"}}, files...)
	}
	for _, f := range half.Top {
		files = append(files, handoffFile{name: f.Name, content: f.Content, about: f.About})
	}
	for _, f := range half.Files {
		files = append(files, handoffFile{name: "line/" + f.Name, content: f.Content, about: f.About})
	}
	for _, f := range half.Keys {
		files = append(files, handoffFile{name: "line/" + f.Name, content: f.Content, about: f.About, secret: true})
	}
	env := certs.Env{Now: j.Deps.Now, Rand: j.Deps.Rand}
	if o.Password != "" && len(endpoint.CA) > 0 {
		store, err := certs.EncodeTrustStore(env, endpoint.CA, o.Password, o.Profile())
		if err != nil {
			return nil, err
		}
		files = append(files, handoffFile{name: "truststore.p12", content: store, about: "the same trust for Java and others (PKCS#12)"})
	}
	if len(endpoint.ClientCert) > 0 && o.Password != "" {
		pair := certs.Pair{CertPEM: endpoint.ClientCert, KeyPEM: endpoint.ClientKey}
		bundle, err := certs.EncodeClientP12(env, pair, endpoint.CA, o.Password, o.Profile())
		if err != nil {
			return nil, err
		}
		files = append(files, handoffFile{name: "client.p12", content: bundle, secret: true, sealed: true,
			about: "the client certificate that nginx demands (PKCS#12)"})
	}
	return j.protect(files, o)
}

// protect leaves secret files out or encrypts them, as asked. PKCS#12 files are
// encrypted by themselves.
func (j Job) protect(files []handoffFile, o HandoffOptions) ([]handoffFile, error) {
	switch o.Secrets {
	case SecretsOmit:
		return slices.DeleteFunc(files, func(f handoffFile) bool { return f.secret }), nil
	case SecretsEncrypt:
		for i, f := range files {
			if !f.secret || f.sealed {
				continue
			}
			sealed, err := seal(j.Deps.Rand, o.Password, f.content)
			if err != nil {
				return nil, fmt.Errorf("encrypt %s: %w", f.name, err)
			}
			files[i].name, files[i].content = f.name+".enc", sealed
		}
	}
	return files, nil
}

// seal encrypts as `openssl enc -aes-256-cbc -pbkdf2 -iter 600000 -md sha256`
// does, so that the far side needs openssl alone.
func seal(random io.Reader, password string, plain []byte) ([]byte, error) {
	salt := make([]byte, 8)
	if _, err := io.ReadFull(random, salt); err != nil {
		return nil, err
	}
	key, err := pbkdf2.Key(sha256.New, password, salt, iterations, 48)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key[:32])
	if err != nil {
		return nil, err
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	padded := append(slices.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)
	cipher.NewCBCEncrypter(block, key[32:]).CryptBlocks(padded, padded)
	return slices.Concat([]byte("Salted__"), salt, padded), nil
}

func (j Job) page(exposure Exposure, endpoint Endpoint, made Made, half Half, files []handoffFile, o HandoffOptions) ([]byte, error) {
	spec := exposure.Spec()
	text, err := template.New("handoff").Parse(handoffPage)
	if err != nil {
		return nil, fmt.Errorf("write page: %w", err)
	}
	expires := "never"
	if !made.Expires.IsZero() {
		expires = moment(made.Expires)
	}
	fingerprint := ""
	if len(endpoint.CA) > 0 {
		fingerprint = certs.FingerprintPEM(endpoint.CA)
	}
	var out bytes.Buffer
	err = text.Execute(&out, map[string]any{
		"Spec": spec, "Endpoint": endpoint, "Fingerprint": fingerprint, "Files": files,
		"Expires": expires, "Context": made.Context, "Encrypted": o.Secrets == SecretsEncrypt && made.Plugin == "", "Omitted": o.Secrets == SecretsOmit && made.Plugin == "",
		"Iterations": iterations, "Half": half, "Plugin": made.Plugin,
	})
	return out.Bytes(), err
}

func writeArchive(w io.Writer, folder string, files []handoffFile, at time.Time) error {
	zipped := gzip.NewWriter(w)
	archive := tar.NewWriter(zipped)
	for _, f := range files {
		mode := f.mode
		if mode == 0 {
			mode = 0o600
		}
		// In whole seconds: rounded up it would be in the future, which tar warns of.
		header := &tar.Header{Name: folder + "/" + f.name, Mode: mode, Size: int64(len(f.content)), ModTime: at.Truncate(time.Second)}
		if err := archive.WriteHeader(header); err != nil {
			return fmt.Errorf("write archive: %w", err)
		}
		if _, err := archive.Write(f.content); err != nil {
			return fmt.Errorf("write archive: %w", err)
		}
	}
	if err := join(archive.Close(), zipped.Close()); err != nil {
		return fmt.Errorf("write archive: %w", err)
	}
	return nil
}

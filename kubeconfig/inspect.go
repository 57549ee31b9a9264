package kubeconfig

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
	"time"
)

// Summary is what a context of a kubeconfig means, without its secrets.
type Summary struct {
	Context       string
	Cluster       string
	User          string
	Namespace     string
	Server        string
	TLSServerName string
	ProxyURL      string // proxy-url: all of the client's connections go there (failure 28)
	Insecure      bool   // insecure-skip-tls-verify

	CA             []byte   // PEM, as it stands in the file
	CAFingerprints []string // SHA256:ab:cd:..., one for each certificate
	CAExpires      time.Time

	ClientCert    []byte // PEM
	ClientSubject string
	ClientExpires time.Time

	Auth     []string // how the user proves who it is: token, exec, client certificate, ...
	Renewing bool     // an exec plugin gives the token
	Command  string   // the exec plugin's
	Args     []string // the exec plugin's

	// Of the token, or of the first one that the exec plugin's environment holds. All
	// are empty where it is no JWT. They are read, not verified: only the API server can.
	Subject   string
	Account   string // NAMESPACE/NAME where Subject is a ServiceAccount's
	Issuer    string // whose tokens these are: each cluster on GKE has its own
	Audiences []string
	Issued    time.Time
	Expires   time.Time // zero: it says no end

	Files []string // what stands in other files, which are not read: "certificate-authority: /x/ca.crt"
}

// Inspect tells what a context holds; "" is the current one. It only reads what
// stands in data itself. Codes: CW-CFG-PARSE, CW-CFG-NO-CONTEXT.
func Inspect(data []byte, context string) (Summary, error) {
	const op = "inspect kubeconfig"
	config, err := parse(op, data)
	if err != nil {
		return Summary{}, err
	}
	if context == "" {
		if context, err = config.current(); err != nil {
			return Summary{}, err
		}
	}
	chosen := config.inner(contexts, context)
	if chosen == nil {
		return Summary{}, failure(op, "CW-CFG-NO-CONTEXT", fmt.Sprintf("there is no context %q; %s", context, config.known()), nil)
	}
	s := Summary{Context: context, Cluster: text(chosen, "cluster"), User: text(chosen, "user"), Namespace: text(chosen, "namespace")}
	cluster, user := config.inner(clusters, s.Cluster), config.inner(users, s.User)
	if cluster == nil {
		return Summary{}, failure(op, "CW-CFG-NO-CONTEXT", fmt.Sprintf("context %q names a cluster %q that is not there", context, s.Cluster), nil)
	}
	if problem := s.cluster(cluster); problem != "" {
		return Summary{}, failure(op, "CW-CFG-PARSE", problem, nil)
	}
	if problem := s.user(user); problem != "" {
		return Summary{}, failure(op, "CW-CFG-PARSE", problem, nil)
	}
	return s, nil
}

// cluster reads the cluster's entry; it returns what is wrong, or "".
func (s *Summary) cluster(fields entry) string {
	s.Server, s.TLSServerName, s.ProxyURL = text(fields, "server"), text(fields, "tls-server-name"), text(fields, "proxy-url")
	s.Insecure, _ = fields["insecure-skip-tls-verify"].(bool)
	s.file(fields, "certificate-authority")
	var certs []*x509.Certificate
	var problem string
	if s.CA, certs, problem = pemData(fields, "certificate-authority-data"); problem != "" {
		return problem
	}
	for _, cert := range certs {
		s.CAFingerprints = append(s.CAFingerprints, fingerprint(cert.Raw))
		if s.CAExpires.IsZero() || cert.NotAfter.Before(s.CAExpires) {
			s.CAExpires = cert.NotAfter
		}
	}
	return ""
}

// user reads the user's entry; it returns what is wrong, or "".
func (s *Summary) user(fields entry) string {
	for _, name := range []string{"client-certificate", "client-key", "tokenFile"} {
		s.file(fields, name)
	}
	var certs []*x509.Certificate
	var problem string
	if s.ClientCert, certs, problem = pemData(fields, "client-certificate-data"); problem != "" {
		return problem
	}
	if len(certs) > 0 {
		s.ClientSubject, s.ClientExpires = certs[0].Subject.String(), certs[0].NotAfter
	}
	if len(certs) > 0 || text(fields, "client-certificate") != "" {
		s.Auth = append(s.Auth, "client certificate")
	}
	if token := text(fields, "token"); token != "" {
		s.Auth = append(s.Auth, "token")
		s.token(token)
	}
	if text(fields, "tokenFile") != "" {
		s.Auth = append(s.Auth, "token file")
	}
	if exec, ok := fields["exec"].(entry); ok {
		s.Auth, s.Renewing, s.Command = append(s.Auth, "exec"), true, text(exec, "command")
		arguments, _ := exec["args"].([]any)
		for _, argument := range arguments {
			one, _ := argument.(string)
			s.Args = append(s.Args, one)
		}
		variables, _ := exec["env"].([]any)
		for _, variable := range variables {
			fields, _ := variable.(entry)
			if s.token(text(fields, "value")) {
				break
			}
		}
	}
	if text(fields, "username") != "" {
		s.Auth = append(s.Auth, "password")
	}
	if fields["auth-provider"] != nil {
		s.Auth = append(s.Auth, "auth provider")
	}
	return ""
}

func (s *Summary) token(token string) bool {
	claims, ok := ParseToken(token)
	if ok {
		s.Subject, s.Account, s.Issuer, s.Audiences = claims.Subject, claims.Account, claims.Issuer, claims.Audiences
		s.Issued, s.Expires = claims.Issued, claims.Expires
	}
	return ok
}

func (s *Summary) file(fields entry, name string) {
	if path := text(fields, name); path != "" {
		s.Files = append(s.Files, name+": "+path)
	}
}

// pemData reads a field of base64 of PEM certificates.
func pemData(fields entry, name string) ([]byte, []*x509.Certificate, string) {
	encoded := text(fields, name)
	if encoded == "" {
		return nil, nil, ""
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return nil, nil, name + " is not base64"
	}
	var certs []*x509.Certificate
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, nil, name + " holds a certificate that can't be read"
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, nil, name + " holds no certificate"
	}
	return data, certs, ""
}

// fingerprint has the same form as in package certs, which this one does not import.
func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	parts := make([]string, len(sum))
	for i, b := range sum {
		parts[i] = hex.EncodeToString([]byte{b})
	}
	return "SHA256:" + strings.Join(parts, ":")
}

// Claims is what a token says of itself.
type Claims struct {
	Subject   string
	Account   string // NAMESPACE/NAME of a ServiceAccount
	Issuer    string
	Audiences []string
	Issued    time.Time
	Expires   time.Time // zero: it says no end
}

// ParseToken reads a JWT's claims without verifying them; false for what is no JWT.
// The API server may give less time than was asked for: this is what it gave
// (failure 27).
func ParseToken(token string) (Claims, bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return Claims{}, false
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil {
		return Claims{}, false
	}
	var raw struct {
		Iss string          `json:"iss"`
		Sub string          `json:"sub"`
		Aud json.RawMessage `json:"aud"`
		Iat float64         `json:"iat"` // seconds; RFC 7519 allows a fraction
		Exp float64         `json:"exp"`
	}
	if json.Unmarshal(payload, &raw) != nil {
		return Claims{}, false
	}
	claims := Claims{Issuer: raw.Iss, Subject: raw.Sub, Issued: seconds(raw.Iat), Expires: seconds(raw.Exp)}
	var one string
	if json.Unmarshal(raw.Aud, &claims.Audiences) != nil && json.Unmarshal(raw.Aud, &one) == nil && one != "" {
		claims.Audiences = []string{one}
	}
	if account, ok := strings.CutPrefix(raw.Sub, "system:serviceaccount:"); ok {
		claims.Account = strings.Replace(account, ":", "/", 1)
	}
	return claims, true
}

// seconds turns a numeric date into a time; zero for none, or for one beyond year 9999.
func seconds(date float64) time.Time {
	if !(date > 0 && date < 253402300800) {
		return time.Time{}
	}
	return time.Unix(int64(date), 0).UTC()
}

package probe

import (
	"net"
	"strings"
)

// curlTimes is the format by which curl prints what Times holds.
const curlTimes = `namelookup %{time_namelookup} connect %{time_connect} appconnect %{time_appconnect} starttransfer %{time_starttransfer} total %{time_total}\n`

// curl writes the command line that asks the same as the http hop. CA, token and
// client key are named as files: the line may be logged, pasted and seen by `ps`.
func (s *session) curl() string {
	var line []string
	if s.config.BearerToken != "" || s.config.BearerTokenFile != "" || s.config.ExecProvider != nil {
		// printf is the shell's own, so the token is in no argument list either.
		line = append(line, `printf 'Authorization: Bearer %s' "$(cat `+quote(or(s.config.BearerTokenFile, "token"))+`)" |`)
	}
	line = append(line, "curl -sS -o /dev/null")
	if len(line) > 1 {
		line = append(line, "-H @-")
	}
	if len(s.config.CAData) > 0 || s.config.CAFile != "" {
		line = append(line, "--cacert "+quote(or(s.config.CAFile, "ca.crt")))
	}
	if len(s.config.CertData) > 0 || s.config.CertFile != "" {
		line = append(line, "--cert "+quote(or(s.config.CertFile, "client.crt")), "--key "+quote(or(s.config.KeyFile, "client.key")))
	}
	u := *s.server
	if name := s.config.ServerName; name != "" && name != u.Hostname() {
		// curl has no option for the TLS name alone: ask for the name, connect to the
		// address, and send the Host header that kubectl sends.
		host, port := proxyChoice{}.hostPort(s.server)
		line = append(line, "--connect-to "+quote(net.JoinHostPort(name, port)+":"+net.JoinHostPort(host, port)), "-H "+quote("Host: "+u.Host))
		u.Host = net.JoinHostPort(name, port)
	}
	if s.proxy.given {
		line = append(line, "--proxy "+quote(s.proxy.url.Redacted()))
	}
	line = append(line, "-w "+quote(curlTimes), quote(u.JoinPath("version").String()))
	return strings.Join(line, " ")
}

func or(value, instead string) string {
	if value == "" {
		return instead
	}
	return value
}

// quote makes one shell word of the text.
func quote(text string) string {
	plain := strings.IndexFunc(text, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-", r)
	}) < 0
	if plain && text != "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

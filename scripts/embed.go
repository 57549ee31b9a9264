// Package scripts owns the shell scripts that people run where causeway is not, and
// embeds those that the product hands out. It must hold no logic of its own.
//
//	os.WriteFile("verify.sh", scripts.VerifySh(), 0o755)
package scripts

import _ "embed"

//go:embed verify.sh
var verifySh string

// VerifySh is scripts/verify.sh: the probe's hops with curl and openssl alone, for a
// far side without causeway and for the Pod that probes from inside the cluster.
func VerifySh() []byte { return []byte(verifySh) }

package gcp

import "fmt"

// The codes of internal/explain that routers, tunnels and sessions carry.
const (
	codeHeld           = "CW-GCP-IN-USE"
	codeLinkLocal      = "CW-NET-LINK-LOCAL"
	codeBGPChanged     = "CW-BGP-CHANGED"
	codeBGPRanges      = "CW-BGP-RANGES"
	codeBGPDown        = "CW-BGP-DOWN"
	codeBGPDisabled    = "CW-BGP-DISABLED"
	codeVPNAuth        = "CW-VPN-AUTH"
	codeVPNNegotiation = "CW-VPN-NEGOTIATION"
	codeVPNSilent      = "CW-VPN-SILENT"
	codeVPNState       = "CW-VPN-STATE"
)

// problem is a known state of a tunnel. One without a code passes by itself.
type problem struct{ code, why, fix string }

// tunnelProblems are the states that Google's discovery document lists for
// VpnTunnel.status, in its enum and, the last two, in its text alone.
var tunnelProblems = map[string]problem{
	"ALLOCATING_RESOURCES":    {"", "Google is still making the tunnel", "wait; this takes a minute or two"},
	"PROVISIONING":            {"", "Google is still making the tunnel", "wait; this takes a minute or two"},
	"WAITING_FOR_FULL_CONFIG": {"", "Google waits for the rest of the tunnel's configuration", "wait until its router interface and BGP peer are made"},
	"FIRST_HANDSHAKE":         {"", "the first handshake with the far side is done, the tunnel is coming up", "wait; this takes some seconds"},

	"AUTHORIZATION_ERROR": {codeVPNAuth, "the two ends have different pre-shared keys",
		"put the same key on the far side; Google's end keeps its key for life, so another key there means another tunnel"},
	"PEER_IDENTITY_MISMATCH": {codeVPNNegotiation, "the far side names itself by another address than the one that Google knows of it",
		"set the far side's IKE identity (local id) to its outside address, above all when it stands behind NAT"},
	"NEGOTIATION_FAILURE": {codeVPNNegotiation, "the two ends agree on no IKE version or cipher",
		"use IKEv2 on the far side and one transform set a phase that Cloud VPN supports, such as AES-256-GCM or AES-256-CBC with SHA-256, DH group 14 or higher"},
	"TS_NARROWING_NOT_ALLOWED": {codeVPNNegotiation, "the far side narrows the traffic selectors",
		"let the far side offer 0.0.0.0/0 on both ends (a route-based tunnel); BGP decides what goes through"},
	"NO_INCOMING_PACKETS": {codeVPNSilent, "nothing arrives from the far side",
		"check that the far side is on, that it calls the tunnel's gateway address, and that UDP 500, UDP 4500 and ESP pass both ways"},
	"NETWORK_ERROR": {codeVPNSilent, "nothing arrives from the far side",
		"check that the far side is on, that it calls the tunnel's gateway address, and that UDP 500, UDP 4500 and ESP pass both ways"},
	"REJECTED": {codeVPNState, "Google rejected the tunnel's configuration", "read the tunnel's detailed status; the far side's address may be forbidden"},
	"FAILED":   {codeVPNState, "Google could not make the tunnel", "delete the tunnel and apply again"},
	"STOPPED": {codeVPNState, "the tunnel was stopped, because forwarding rules of its gateway were deleted",
		"delete the tunnel and apply again"},
	"DEPROVISIONING": {codeVPNState, "the tunnel is being deleted", "wait until it is gone, then apply again"},
}

// TunnelProblem says why a tunnel with that status (and Google's detailed status)
// carries nothing, and the cure. All is "" when the tunnel is well. While it is
// still coming up, code is "", why says what is going on and fix what to wait for.
// A status that nobody knows is a problem: the enum grows.
func TunnelProblem(status, detail string) (code, why, fix string) {
	if status == "ESTABLISHED" {
		return "", "", ""
	}
	found, ok := tunnelProblems[status]
	if !ok {
		found = problem{codeVPNState, fmt.Sprintf("the tunnel is %s", first(status, "in no known state")), "read the tunnel's detailed status and the logs of both gateways"}
	}
	if detail != "" && found.code != "" {
		found.why += fmt.Sprintf(" (Google: %s)", detail)
	}
	return found.code, found.why, found.fix
}

package gcp

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
	"time"
)

// RouterStatus is what a router does just now.
type RouterStatus struct {
	Best          []LearnedRoute // in the data plane of the router's region, whichever router learned them
	BestForRouter []LearnedRoute // the best of those that this router learned
	Peers         []PeerStatus
}

// LearnedRoute is a route that came over BGP.
type LearnedRoute struct {
	Range    netip.Prefix
	NextHop  netip.Addr
	Priority uint32 // the lowest wins
	Tunnel   Ref    // that it came through; zero for an attachment
}

// PeerStatus is how a BGP session does.
type PeerStatus struct {
	Name            string
	LocalIP, PeerIP netip.Addr
	Up              bool
	Status          string // UP, DOWN or UNKNOWN
	State           string // in BGP's words: Established, Active, Idle, ...
	Reason          string // Google's, "" when it tells none
	Uptime          time.Duration
	Learned         int // prefixes that the far side announces
	Advertised      []AdvertisedRoute
	Tunnel          Ref
}

// AdvertisedRoute is a route that a session announces.
type AdvertisedRoute struct {
	Range    netip.Prefix
	Priority uint32
}

// routeJSON and statusJSON are the parts of getRouterStatus's answer that count.
// With many peers and ranges the answer has megabytes, which the generated client
// takes many times longer to read.
type routeJSON struct {
	DestRange        string `json:"destRange"`
	NextHopIP        string `json:"nextHopIp"`
	NextHopVPNTunnel string `json:"nextHopVpnTunnel"`
	Priority         uint32 `json:"priority"`
}

type statusJSON struct {
	Result struct {
		BestRoutes          []routeJSON `json:"bestRoutes"`
		BestRoutesForRouter []routeJSON `json:"bestRoutesForRouter"`
		BgpPeerStatus       []peerJSON  `json:"bgpPeerStatus"`
	} `json:"result"`
}

type peerJSON struct {
	Name             string      `json:"name"`
	IPAddress        string      `json:"ipAddress"`
	PeerIPAddress    string      `json:"peerIpAddress"`
	Status           string      `json:"status"`
	State            string      `json:"state"`
	StatusReason     string      `json:"statusReason"`
	UptimeSeconds    string      `json:"uptimeSeconds"`
	NumLearnedRoutes int         `json:"numLearnedRoutes"`
	LinkedVPNTunnel  string      `json:"linkedVpnTunnel"`
	AdvertisedRoutes []routeJSON `json:"advertisedRoutes"`
}

// RouterStatus reads what a router does. It fails with NotFound when there is none.
func (c *Cloud) RouterStatus(ctx context.Context, ref Ref) (RouterStatus, error) {
	resource := "status of router " + routerURL(ref)
	text, err := c.rawCompute.call(ctx, http.MethodGet, routerURL(ref)+"/getRouterStatus", nil, nil)
	if err != nil {
		return RouterStatus{}, wrap("read", resource, err)
	}
	var answer statusJSON
	if err := json.Unmarshal(text, &answer); err != nil {
		return RouterStatus{}, garbled("read", resource, err)
	}
	out := RouterStatus{Best: learned(ref, answer.Result.BestRoutes), BestForRouter: learned(ref, answer.Result.BestRoutesForRouter)}
	for _, one := range answer.Result.BgpPeerStatus {
		out.Peers = append(out.Peers, one.status(ref))
	}
	return out, nil
}

func learned(ref Ref, routes []routeJSON) []LearnedRoute {
	var out []LearnedRoute
	for _, one := range routes {
		out = append(out, LearnedRoute{
			Range: advertised(one.DestRange), NextHop: address(one.NextHopIP), Priority: one.Priority, Tunnel: refOf(one.NextHopVPNTunnel, ref),
		})
	}
	return out
}

// refOf is parseRef for a link that may be empty.
func refOf(link string, near Ref) Ref {
	if link == "" {
		return Ref{}
	}
	return parseRef(link, near.Project, near.Region)
}

func (p peerJSON) status(ref Ref) PeerStatus {
	out := PeerStatus{
		Name: p.Name, LocalIP: address(p.IPAddress), PeerIP: address(p.PeerIPAddress), Up: p.Status == "UP", Status: p.Status,
		State: p.State, Reason: p.StatusReason, Learned: p.NumLearnedRoutes, Tunnel: refOf(p.LinkedVPNTunnel, ref),
	}
	if seconds, err := strconv.Atoi(p.UptimeSeconds); err == nil {
		out.Uptime = time.Duration(seconds) * time.Second
	}
	if out.Reason == "STATUS_REASON_UNSPECIFIED" {
		out.Reason = ""
	}
	for _, one := range p.AdvertisedRoutes {
		out.Advertised = append(out.Advertised, AdvertisedRoute{Range: advertised(one.DestRange), Priority: one.Priority})
	}
	return out
}

// SessionProblem says why a BGP session carries no routes, and the cure. All is ""
// when it is up. tunnelUp says whether the tunnel or attachment below it carries
// packets: where it does not, that is the thing to mend.
func SessionProblem(peer BGPPeer, status PeerStatus, tunnelUp bool) (code, why, fix string) {
	switch {
	case status.Up && peer.Enabled:
		return "", "", ""
	case !peer.Enabled:
		return codeBGPDisabled, fmt.Sprintf("BGP peer %s is disabled on the router", peer.Name),
			"gcloud compute routers update-bgp-peer ROUTER --peer-name=" + peer.Name + " --enabled --region=REGION"
	case !tunnelUp:
		return codeBGPDown, fmt.Sprintf("BGP session %s is down (%s), because what carries it is down", peer.Name, first(status.State, "no state")),
			"mend the tunnel or attachment first; the session follows within a minute"
	case status.Reason == "MD5_AUTH_INTERNAL_PROBLEM":
		return codeBGPDown, fmt.Sprintf("BGP session %s is down: its MD5 authentication has a fault", peer.Name), "set the same MD5 key anew on both sides"
	case status.Reason != "":
		return codeBGPDown, fmt.Sprintf("BGP session %s is down (%s): %s", peer.Name, first(status.State, "no state"), status.Reason), farSide(peer)
	}
	return codeBGPDown, fmt.Sprintf("BGP session %s is down (%s), though what carries it is up", peer.Name, first(status.State, "no state")), farSide(peer)
}

// farSide is what the other end has to have for the session to come up.
func farSide(peer BGPPeer) string {
	return fmt.Sprintf("on the far router: neighbour %s, its own address %s, its own AS %d, TCP 179 open inside the tunnel, the same MD5 key or none", peer.LocalIP, peer.PeerIP, peer.PeerASN)
}

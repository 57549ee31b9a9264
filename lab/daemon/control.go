package daemon

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"causeway/internal/gcptest"
	"causeway/lab/dataplane"
)

// ControlPath is where the emulator's port answers for the lab itself, beside
// Google's APIs: for the demo and the tests, which prove "as before" with it.
//
//	GET    /lab/snapshot   the emulator's whole state as canonical JSON
//	GET    /lab/requests   the log of calls to Google's APIs, with counts
//	DELETE /lab/requests   empty it
//	POST   /lab/faults     a gcptest.Fault as JSON: trouble at a call
//	DELETE /lab/faults     no more trouble
//	PUT    /lab/denied/P   IAM denies the permission P (compute.addresses.get) to everybody
//	DELETE /lab/denied/P   no longer
//
// where Google's front ends are served (the lines static and fleet):
//
//	PUT    /lab/gateway    a gcptest.GatewayFailure as a JSON string: Connect Gateway fails so
//	DELETE /lab/gateway    no more
//
// where there are consumers (the lines static and fleet):
//
//	GET    /lab/endpoints  the connections of Private Service Connect, and how packets are translated
//
// and where packets follow the emulator (the lines vpn and hub):
//
//	GET    /lab/fabric     what the emulator's configuration means for packets, without keys
//	PUT    /lab/far        a dataplane.Far as JSON: configures the far side's half, starts its router
//	GET    /lab/far        how it does: its sessions and its kernel's routes
//	DELETE /lab/far        takes it away
const ControlPath = "/lab/"

// Requests is what /lab/requests answers.
type Requests struct {
	Reads    int               `json:"reads"`
	Writes   int               `json:"writes"`
	Requests []gcptest.Request `json:"requests"`
}

// Endpoints is what /lab/endpoints answers.
type Endpoints struct {
	Connections []gcptest.Connection  `json:"connections"`
	NAT         map[string]netip.Addr `json:"nat"`   // by the connection's ID: where its packets come from
	Rules       []string              `json:"rules"` // of the exchange, as iptables-restore reads them
}

// Beside is what there is beside the emulator; each may be nil.
type Beside struct {
	Plane    *dataplane.Plane    // where packets follow the emulator
	Exchange *dataplane.Exchange // where there are consumers
	Gateway  *Gateway            // where Google's front ends are
}

// Control puts the lab's own endpoint beside the emulator.
func Control(google *gcptest.Server, beside Beside) http.Handler {
	mux, plane, exchange := http.NewServeMux(), beside.Plane, beside.Exchange
	if beside.Gateway != nil {
		controlGateway(mux, beside.Gateway)
	}
	mux.HandleFunc("GET "+ControlPath+"endpoints", func(w http.ResponseWriter, _ *http.Request) {
		if exchange == nil {
			http.Error(w, "this lab's line has no consumers of a published service (lab up --line static)", http.StatusNotFound)
			return
		}
		t := exchange.Translation()
		tell(w, Endpoints{Connections: google.Connections(), NAT: t.NAT, Rules: strings.Split(strings.TrimSpace(t.Rules), "\n")})
	})
	if plane != nil {
		controlPlane(mux, plane)
	} else {
		for _, what := range []string{"fabric", "far"} {
			mux.HandleFunc(ControlPath+what, func(w http.ResponseWriter, _ *http.Request) {
				http.Error(w, "this lab's line is static: no packet follows the emulator (lab up --line vpn)", http.StatusNotFound)
			})
		}
	}
	mux.HandleFunc("GET "+ControlPath+"snapshot", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(google.Snapshot()) // the reader may have gone
	})
	mux.HandleFunc("GET "+ControlPath+"requests", func(w http.ResponseWriter, _ *http.Request) {
		answer := Requests{Requests: google.Requests()}
		answer.Reads, answer.Writes = google.Counts()
		tell(w, answer)
	})
	mux.HandleFunc("DELETE "+ControlPath+"requests", func(w http.ResponseWriter, _ *http.Request) {
		google.ResetRequests()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("POST "+ControlPath+"faults", func(w http.ResponseWriter, r *http.Request) {
		if err := inject(google, r); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE "+ControlPath+"faults", func(w http.ResponseWriter, _ *http.Request) {
		google.ClearFaults()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("PUT "+ControlPath+"denied/{permission}", func(w http.ResponseWriter, r *http.Request) {
		google.Deny(r.PathValue("permission"))
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE "+ControlPath+"denied/{permission}", func(w http.ResponseWriter, r *http.Request) {
		google.Allow(r.PathValue("permission"))
		w.WriteHeader(http.StatusNoContent)
	})
	mux.Handle("/", google)
	return mux
}

// controlGateway has Connect Gateway fail.
func controlGateway(mux *http.ServeMux, gateway *Gateway) {
	mux.HandleFunc("PUT "+ControlPath+"gateway", func(w http.ResponseWriter, r *http.Request) {
		var failure gcptest.GatewayFailure
		if err := json.NewDecoder(r.Body).Decode(&failure); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		gateway.Fail(failure)
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE "+ControlPath+"gateway", func(w http.ResponseWriter, _ *http.Request) {
		gateway.Fail("")
		w.WriteHeader(http.StatusNoContent)
	})
}

// controlPlane answers for the data plane.
func controlPlane(mux *http.ServeMux, plane *dataplane.Plane) {
	mux.HandleFunc("GET "+ControlPath+"fabric", func(w http.ResponseWriter, _ *http.Request) { tell(w, plane.Fabric()) })
	mux.HandleFunc("GET "+ControlPath+"far", func(w http.ResponseWriter, _ *http.Request) {
		state, err := plane.Far()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		tell(w, state)
	})
	mux.HandleFunc("PUT "+ControlPath+"far", func(w http.ResponseWriter, r *http.Request) {
		var far dataplane.Far
		decoder := json.NewDecoder(r.Body)
		decoder.DisallowUnknownFields()
		err := decoder.Decode(&far)
		if err == nil {
			err = plane.SetFar(far)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE "+ControlPath+"far", func(w http.ResponseWriter, _ *http.Request) {
		plane.DropFar()
		w.WriteHeader(http.StatusNoContent)
	})
}

func tell(w http.ResponseWriter, answer any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // the reader may have gone
}

// inject reads a fault. The emulator panics at a pattern that is none, which
// must not end the lab.
func inject(google *gcptest.Server, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("read fault: %v", p)
		}
	}()
	var f gcptest.Fault
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&f); err != nil {
		return fmt.Errorf("read fault: %w", err)
	}
	google.Inject(f)
	return nil
}
